// Breaks things, one after the other, by a seeded schedule: processes, their way to the database, the database, the
// store and what it holds, the workers' disks, the installers. Each fault is noted with its time.
import { execFile } from 'node:child_process'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { S3Fault, S3Server } from '../s3-server.ts'
import type { Fleet, Member, Role } from './fleet.ts'
import { freezeTree } from './freezer.ts'
import { readJournal, runsOf, type Run } from './journal.ts'
import type { Postgres } from './postgres.ts'
import type { Random } from './random.ts'

const run = promisify(execFile)

const weights = {
  'kill-worker': 10,
  'kill-api': 7,
  'freeze-worker': 5,
  'pause-worker': 5,
  'drain-worker': 5,
  'cut-worker': 6,
  'cut-api': 5,
  'black-hole-worker': 6,
  'black-hole-api': 4,
  'restart-postgres-fast': 2,
  'restart-postgres-immediate': 2,
  'outage-postgres': 2,
  'lose-commits': 2,
  'step-database-clock': 3,
  'step-worker-clock': 3,
  'store-fails': 7,
  'delete-work': 8,
  'corrupt-snapshot': 10,
  'kill-installer': 16,
  'kill-lease-runner': 6,
} as const
export type FaultKind = keyof typeof weights

export type Fault = {
  kind: FaultKind
  /** Milliseconds since the epoch. */
  at: number
  target: string
  pid?: number
  /** How long it is meant to last. */
  lastsMs?: number
  /** When it was over. */
  healedAt?: number
}

export type Adversary = {
  faults: Fault[]
  /** Spans in which acknowledged commits were lost. */
  lost: { from: number; to: number }[]
  /** Does no more, and heals everything. */
  stop: () => Promise<void>
}

type Ground = {
  fleet: Fleet
  postgres: Postgres
  store: S3Server
  journalFile: string
  leaseMs: number
}

/** A process that has just started is left alone this long, so that work goes on at all. */
const GRACE_MS = 4000
const MOST_WORKERS_IN_TROUBLE = 2

export function startAdversary(ground: Ground, random: Random, faultsPerMinute: number): Adversary {
  const { fleet, postgres, store } = ground
  const faults: Fault[] = []
  const lost: Adversary['lost'] = []
  let databaseOffsetMs = 0
  const healers = new Set<() => Promise<void>>()
  const broken: unknown[] = []
  const over = new AbortController()
  let isDatabaseInTrouble = false

  const note = (fault: Omit<Fault, 'at'>): Fault => {
    const noted = { ...fault, at: Date.now() }
    faults.push(noted)
    return noted
  }
  /** Heals later, or at once when the adversary stops. */
  const healAfter = (ms: number, heal: () => void | Promise<void>) => {
    const healNow = async () => {
      clearTimeout(timer)
      if (!healers.delete(healNow)) return
      await heal()
    }
    const timer = setTimeout(() => void healNow().catch((error: unknown) => broken.push(error)), ms)
    healers.add(healNow)
  }
  const victim = (role: Role): Member | undefined => {
    const inTrouble = fleet.members.filter((member) => member.role === 'work' && member.trouble !== undefined)
    if (role === 'work' && inTrouble.length >= MOST_WORKERS_IN_TROUBLE) return undefined
    const well = fleet.members.filter(
      (member) =>
        member.role === role &&
        member.trouble === undefined &&
        member.pid !== undefined &&
        Date.now() - member.upSince > GRACE_MS,
    )
    return well.length === 0 ? undefined : random.pick(well)
  }
  const livingRuns = async (): Promise<Run[]> =>
    runsOf(await readJournal(ground.journalFile)).filter(
      (each) => !each.hasEnded && Date.now() - each.lastAt < 700 && isAlive(each.pid),
    )

  const signalOnce = (role: Role, kind: FaultKind, signal: NodeJS.Signals) => {
    const member = victim(role)
    if (!member) return false
    note({ kind, target: member.name, pid: member.pid ?? 0 })
    member.trouble = kind
    member.signal(signal)
    void member.ended.then(() => (member.trouble = undefined))
    return true
  }
  const disturbNetwork = (role: Role, kind: FaultKind, how: 'cut' | 'blackHole') => {
    const member = victim(role)
    if (!member) return false
    const lastsMs = random.whole(5000, 25_000)
    const fault = note({ kind, target: member.name, pid: member.pid ?? 0, lastsMs })
    member.trouble = kind
    member.proxy[how]()
    healAfter(lastsMs, () => {
      member.proxy.heal()
      member.trouble = undefined
      fault.healedAt = Date.now()
    })
    return true
  }
  const freeze = (kind: FaultKind, how: (member: Member) => () => void) => {
    const member = victim('work')
    if (!member) return false
    const lastsMs = ground.leaseMs + random.whole(1000, 8000)
    const fault = note({ kind, target: member.name, pid: member.pid ?? 0, lastsMs })
    member.trouble = kind
    const thaw = how(member)
    healAfter(lastsMs, () => {
      thaw()
      member.trouble = undefined
      fault.healedAt = Date.now()
    })
    return true
  }
  const restartPostgres = async (kind: FaultKind, how: 'fast' | 'immediate', [least, most] = [200, 3000]) => {
    if (isDatabaseInTrouble) return false
    isDatabaseInTrouble = true
    const lastsMs = random.whole(least ?? 0, most ?? 0)
    const fault = note({ kind, target: 'postgres', lastsMs })
    await postgres.stop(how)
    healAfter(lastsMs, async () => {
      await postgres.start()
      isDatabaseInTrouble = false
      fault.healedAt = Date.now()
    })
    return true
  }

  const acts: Record<FaultKind, () => boolean | Promise<boolean>> = {
    'kill-worker': () => signalOnce('work', 'kill-worker', 'SIGKILL'),
    'kill-api': () => signalOnce('serve', 'kill-api', 'SIGKILL'),
    'drain-worker': () => signalOnce('work', 'drain-worker', 'SIGTERM'),
    'freeze-worker': () =>
      freeze('freeze-worker', (member) => {
        member.signal('SIGSTOP')
        return () => member.signal('SIGCONT')
      }),
    // With its installers, which go on at the same instant as it does.
    'pause-worker': () => freeze('pause-worker', (member) => freezeTree(member.pid ?? 0, member.name)),
    'cut-worker': () => disturbNetwork('work', 'cut-worker', 'cut'),
    'cut-api': () => disturbNetwork('serve', 'cut-api', 'cut'),
    'black-hole-worker': () => disturbNetwork('work', 'black-hole-worker', 'blackHole'),
    'black-hole-api': () => disturbNetwork('serve', 'black-hole-api', 'blackHole'),
    'restart-postgres-fast': () => restartPostgres('restart-postgres-fast', 'fast'),
    'restart-postgres-immediate': () => restartPostgres('restart-postgres-immediate', 'immediate'),
    // Behind proxies that accept and then close.
    'outage-postgres': () => restartPostgres('outage-postgres', 'immediate', [5000, 15_000]),
    async 'lose-commits'() {
      if (isDatabaseInTrouble) return false
      isDatabaseInTrouble = true
      const lastsMs = random.whole(800, 2500)
      const fault = note({ kind: 'lose-commits', target: 'postgres', lastsMs })
      const from = Date.now()
      await postgres.acknowledgeEarly()
      await new Promise((resolve) => setTimeout(resolve, lastsMs))
      await postgres.acknowledgeDurable()
      await postgres.stop('immediate')
      lost.push({ from, to: Date.now() })
      await postgres.start()
      isDatabaseInTrouble = false
      fault.healedAt = Date.now()
      return true
    },
    async 'step-database-clock'() {
      if (!postgres.stepClock || isDatabaseInTrouble) return false
      const byMs = random.pick([-1, 1]) * (ground.leaseMs + random.whole(1000, 30_000))
      note({ kind: 'step-database-clock', target: `${databaseOffsetMs === 0 ? byMs : -databaseOffsetMs} ms` })
      // Never far from the true time, whatever came before: what waits by that clock waits as long as the steps come to.
      databaseOffsetMs = databaseOffsetMs === 0 ? byMs : 0
      await postgres.stepClock(databaseOffsetMs)
      return true
    },
    async 'step-worker-clock'() {
      const member = postgres.stepClock && victim('work')
      if (!member) return false
      const byMs = random.pick([-1, 1]) * (ground.leaseMs + random.whole(1000, 30_000))
      note({ kind: 'step-worker-clock', target: `${member.name} ${byMs} ms` })
      await writeFile(member.clockFile, `${byMs < 0 ? '' : '+'}${byMs / 1000}s`)
      return true
    },
    'store-fails'() {
      if (store.faults.length > 0) return false
      const how: S3Fault['how'] = random.pick(['500', 'drop', 'stall', 'lose-answer', 'cut-body'])
      const lastsMs = random.whole(2000, 8000)
      const fault = note({ kind: 'store-fails', target: how, lastsMs })
      store.faults.push({ how, times: Infinity })
      healAfter(lastsMs, () => {
        store.faults.length = 0
        fault.healedAt = Date.now()
      })
      return true
    },
    async 'delete-work'() {
      const used: { member: Member; names: string[] }[] = []
      for (const member of fleet.members) {
        const names = await readdir(join(member.dataDir, 'work')).catch(() => [])
        if (names.length > 0) used.push({ member, names })
      }
      if (used.length === 0) return false
      const { member, names } = random.pick(used)
      const doomed = random.chance(0.5) ? names : [random.pick(names)]
      note({ kind: 'delete-work', target: `${member.name} ${doomed.join(' ')}` })
      for (const name of doomed)
        await rm(join(member.dataDir, 'work', name), { recursive: true, force: true }).catch(() => undefined) // it is being written
      return true
    },
    'corrupt-snapshot'() {
      const byCluster = Map.groupBy(store.objects.keys(), (key) => /clusters\/([^/]+)\//.exec(key)?.[1] ?? '')
      if (byCluster.size === 0) return false
      // Those of late, which somebody may still want to read.
      const name = random.pick([...byCluster.keys()].slice(-12))
      const newest = byCluster.get(name)?.at(-1) ?? ''
      const object = store.objects.get(newest)
      if (!object || object.bytes.length === 0) return false
      const bytes = Buffer.from(object.bytes)
      for (let flips = 0; flips < 8; flips++) {
        const place = random.whole(0, bytes.length - 1)
        bytes.writeUInt8(bytes.readUInt8(place) ^ random.whole(1, 255), place)
      }
      store.objects.set(newest, { ...object, bytes })
      note({ kind: 'corrupt-snapshot', target: newest })
      return true
    },
    async 'kill-installer'() {
      const living = await livingRuns()
      if (living.length === 0) return false
      const { pid, command, cluster } = random.pick(living)
      if (!(await psOf(pid, 'args')).includes('openshift-install-sim')) return false
      note({ kind: 'kill-installer', target: `${command} of ${cluster ?? '?'}`, pid })
      return kill(pid)
    },
    async 'kill-lease-runner'() {
      const living = await livingRuns()
      if (living.length === 0) return false
      const { pid, command, cluster } = random.pick(living)
      const parent = Number(await psOf(pid, 'ppid'))
      if (!(parent > 1) || !(await psOf(parent, 'args')).includes('lease-run')) return false
      note({ kind: 'kill-lease-runner', target: `${command} of ${cluster ?? '?'}`, pid: parent })
      return kill(parent)
    },
  }

  const loop = async () => {
    const meanMs = 60_000 / faultsPerMinute
    let dueAt = Date.now() + 500
    while (!over.signal.aborted) {
      dueAt += meanMs * (0.4 + 1.2 * random.next())
      while (!over.signal.aborted && Date.now() < dueAt) await new Promise((resolve) => setTimeout(resolve, 50))
      // What is not possible just now gives way to something else.
      for (let tries = 0; !over.signal.aborted && tries < 8; tries++) if (await acts[random.weighted(weights)]()) break
    }
  }
  const looping = loop().catch((error: unknown) => void broken.push(error))

  return {
    faults,
    lost,
    async stop() {
      over.abort()
      await looping
      for (const heal of healers) await heal()
      if (broken.length > 0) throw new AggregateError(broken, 'the adversary itself failed')
    },
  }
}

const psOf = (pid: number, field: string) =>
  run('ps', ['-o', `${field}=`, '-p', String(pid)]).then(
    ({ stdout }) => stdout.trim(),
    () => '',
  )

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return true // it ended meanwhile; the fault is noted
  }
}
