// The service's own processes, each on a "host" of its own: a data directory, a way to the database, a log. One that
// ends is started again after a moment, as an init system would.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, type Postgres } from './postgres.ts'
import { openProxy, type Proxy } from './proxy.ts'

export type Role = 'work' | 'serve'
/** One start of a process; its label is what the database knows its sessions by. */
export type Instance = { label: string; pid: number; startedAt: number; endedAt: number | undefined }

export type Member = {
  readonly name: string
  readonly role: Role
  readonly dataDir: string
  readonly proxy: Proxy
  /** Of an API. */
  readonly url: string
  readonly logFile: string
  /** What its wall clock shows, for libfaketime. */
  readonly clockFile: string
  pid: number | undefined
  /** What the adversary does to it now; nothing else is done to it meanwhile. */
  trouble: string | undefined
  upSince: number
  signal: (signal: NodeJS.Signals) => void
  /** Resolves when the present process has ended. */
  ended: Promise<void>
}

export type Fleet = {
  members: Member[]
  instances: Instance[]
  /** Ends that nobody had asked for. */
  unexpectedEnds: { at: number; name: string; end: string; trouble: string | undefined }[]
  /** SIGTERM to all, and how each ended. */
  drain: () => Promise<{ name: string; end: string }[]>
  killAll: () => Promise<void>
}

const RESTART_MS = 700
const DRAIN_MS = 30_000

export async function startFleet(options: {
  dir: string
  product: string
  postgres: Postgres
  workers: number
  servers: number
  environment: Record<string, string>
  /** Before each name, and the database; of the first installation none and `ocpctl`. */
  prefix?: string
  database?: string
  /** What a worker's processes run under, so that their wall clock can be stepped. */
  clock?: (clockFile: string) => Record<string, string>
}): Promise<Fleet> {
  const { prefix = '', database = 'ocpctl' } = options
  const instances: Instance[] = []
  const unexpectedEnds: Fleet['unexpectedEnds'] = []
  const children = new Map<Member, ChildProcess>()
  let stopping = false
  const names = [
    ...Array.from({ length: options.workers }, (_, index) => `${prefix}work-${index + 1}`),
    ...Array.from({ length: options.servers }, (_, index) => `${prefix}serve-${index + 1}`),
  ]
  mkdirSync(join(options.dir, 'logs'), { recursive: true })

  const start = (member: Member, port: number) => {
    const label = `${member.name}.${instances.length + 1}`
    const output = openSync(member.logFile, 'a')
    const child = spawn(process.execPath, ['src/main.ts', member.role], {
      cwd: options.product,
      env: {
        ...options.environment,
        DATABASE_URL: options.postgres.urlAt(member.proxy.port, label, database),
        ...(member.role === 'work' ? options.clock?.(member.clockFile) : {}),
        OCPCTL_DATA_DIR: member.dataDir,
        PORT: String(port),
      },
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    children.set(member, child)
    const instance: Instance = { label, pid: child.pid ?? 0, startedAt: Date.now(), endedAt: undefined }
    instances.push(instance)
    member.pid = child.pid
    member.upSince = Date.now()
    const asked = new Set<string>()
    member.signal = (signal) => {
      asked.add(signal)
      child.kill(signal)
    }
    member.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        instance.endedAt = Date.now()
        member.pid = undefined
        resolve()
        const wasAsked = (signal !== null && asked.has(signal)) || (asked.has('SIGTERM') && code === 0)
        if (!wasAsked && !stopping)
          unexpectedEnds.push({
            at: Date.now(),
            name: label,
            end: String(signal ?? code ?? 'nothing'),
            trouble: member.trouble,
          })
        setTimeout(() => !stopping && start(member, port), RESTART_MS)
      })
    })
  }

  const members: Member[] = []
  for (const name of names) {
    const role: Role = name.startsWith(`${prefix}work`) ? 'work' : 'serve'
    const port = role === 'serve' ? await freePort() : 0
    const dataDir = join(options.dir, 'hosts', name)
    mkdirSync(dataDir, { recursive: true })
    writeFileSync(join(dataDir, 'clock'), '+0')
    const member: Member = {
      name,
      role,
      dataDir,
      proxy: await openProxy(options.postgres.port),
      url: `http://127.0.0.1:${port}`,
      logFile: join(options.dir, 'logs', `${name}.log`),
      clockFile: join(dataDir, 'clock'),
      pid: undefined,
      trouble: undefined,
      upSince: 0,
      signal: () => undefined,
      ended: Promise.resolve(),
    }
    members.push(member)
    start(member, port)
  }

  return {
    members,
    instances,
    unexpectedEnds,
    async drain() {
      stopping = true
      return Promise.all(
        members.map(async (member) => {
          const child = children.get(member)
          if (!child || member.pid === undefined) return { name: member.name, end: 'was not running' }
          const late = setTimeout(() => child.kill('SIGKILL'), DRAIN_MS)
          member.signal('SIGTERM')
          await member.ended
          clearTimeout(late)
          return { name: member.name, end: String(child.signalCode ?? child.exitCode) }
        }),
      )
    },
    async killAll() {
      stopping = true
      for (const member of members) if (member.pid !== undefined) member.signal('SIGKILL')
      await Promise.all(members.map((member) => member.ended))
      await Promise.all(members.map((member) => member.proxy.close()))
    },
  }
}
