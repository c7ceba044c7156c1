// Breaks things, one after the other, by a seeded schedule: processes, their way to the database, the database, the
// store and what it holds, the workers' disks, the installers. Each fault is noted with its time.
import { databaseFaults } from './database-faults.ts'
import type { Act, Fault, FaultKind, Ground, Hand } from './fault.ts'
import { installerFaults } from './installer-faults.ts'
import { readJournal, runsOf } from './journal.ts'
import { processFaults } from './process-faults.ts'
import { isAlive } from './process-tree.ts'
import type { Random } from './random.ts'
import { storageFaults } from './storage-faults.ts'

export type Schedule = { faultsPerMinute: number; weights: Partial<Record<FaultKind, number>> }

export type Adversary = {
  faults: Fault[]
  /** Does no more, and heals everything. */
  stop: () => Promise<void>
}

/** A process that has just started is left alone this long, so that work goes on at all. */
const GRACE_MS = 4000
const MOST_WORKERS_IN_TROUBLE = 2
const LIVELY_MS = 700

export function startAdversary(ground: Ground, random: Random, schedule: Schedule): Adversary {
  const { fleet } = ground
  const faults: Fault[] = []
  const healers = new Set<() => Promise<void>>()
  const broken: unknown[] = []
  const over = new AbortController()

  const hand: Hand = {
    ...ground,
    random,
    note(fault) {
      const noted = { ...fault, at: Date.now() }
      faults.push(noted)
      return noted
    },
    healAfter(ms, heal) {
      const healNow = async () => {
        clearTimeout(timer)
        if (!healers.delete(healNow)) return
        await heal()
      }
      const timer = setTimeout(() => void healNow().catch((error: unknown) => broken.push(error)), ms)
      healers.add(healNow)
    },
    victim(role, among = () => true) {
      const inTrouble = fleet.members.filter((member) => member.role === 'work' && member.trouble !== undefined)
      if (role === 'work' && inTrouble.length >= MOST_WORKERS_IN_TROUBLE) return undefined
      const well = fleet.members.filter(
        (member) =>
          member.role === role &&
          among(member) &&
          member.trouble === undefined &&
          member.pid !== undefined &&
          Date.now() - member.upSince > GRACE_MS,
      )
      return well.length === 0 ? undefined : random.pick(well)
    },
    livingRuns: async () =>
      runsOf(await readJournal(ground.journalFile)).filter(
        (each) => !each.hasEnded && Date.now() - each.lastAt < LIVELY_MS && isAlive(each.pid),
      ),
  }
  const acts: Record<FaultKind, Act> = {
    ...processFaults(hand),
    ...installerFaults(hand),
    ...databaseFaults(hand),
    ...storageFaults(hand),
  }

  const loop = async () => {
    const meanMs = 60_000 / schedule.faultsPerMinute
    let dueAt = Date.now() + 500
    while (!over.signal.aborted) {
      dueAt += meanMs * (0.4 + 1.2 * random.next())
      while (!over.signal.aborted && Date.now() < dueAt) await new Promise((resolve) => setTimeout(resolve, 50))
      // What is not possible just now gives way to something else.
      const left = { ...schedule.weights }
      while (!over.signal.aborted && Object.keys(left).length > 0) {
        const kind = random.weighted(left)
        if (await acts[kind]()) break
        delete left[kind]
      }
    }
  }
  const looping = loop().catch((error: unknown) => void broken.push(error))

  return {
    faults,
    async stop() {
      over.abort()
      await looping
      for (const heal of healers) await heal()
      if (broken.length > 0) throw new AggregateError(broken, 'the adversary itself failed')
    },
  }
}
