// One run: the ground, the load, the adversary, the end, and what the evidence says of it.
import { execFile } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startCloudDoubles } from '../doubles/server.ts'
import { openWorld } from '../doubles/world.ts'
import { startS3Server } from '../s3-server.ts'
import { startAdversary } from './adversary.ts'
import { checkEvidence, mergeBreaches } from './checker.ts'
import { watchCloud } from './cloud.ts'
import { watchConnections } from './connections.ts'
import { collectAll } from './evidence.ts'
import { CLOCK_PACKAGE } from './faketime.ts'
import { clockFaults, weightsOf, type FaultKind } from './fault.ts'
import { LEASE_SECONDS, startInstallation, type Installation } from './installation.ts'
import { measure } from './measures.ts'
import { startPostgres } from './postgres.ts'
import { seeded, type Random } from './random.ts'
import { summarize, type Report } from './report.ts'
import { startStatus, watchPasswords } from './status.ts'

const execute = promisify(execFile)
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export type ChaosOptions = {
  seed: number
  adversityMs: number
  /** Everything must be destroyed this long after the adversary stopped; no state that moves may last longer. */
  boundMs: number
  /** Clusters alive at a time. */
  alive: number
  faultsPerMinute: number
  /** These kinds of faults alone. */
  only?: FaultKind[] | undefined
  /** All but these. */
  without?: FaultKind[]
  /** Installer faults that take a minute or more of real time. */
  slowFaults: boolean
  /** The clouds are asked by their own inventories, through doubles. It takes many times the work. */
  asksClouds: boolean
  /** A second one shares the cloud. */
  secondInstallation: boolean
  /** The tree whose service is run; it is copied first, so that it may change meanwhile. */
  source: string
  /** Keeps the directory of the run in any case. */
  keep: boolean
  say: (line: string) => void
  signal?: AbortSignal
}

const OTHERS_ALIVE = 2

export async function runChaos(options: ChaosOptions): Promise<Report> {
  const { say, signal } = options
  const startedAt = Date.now()
  const seconds = (at = Date.now()) => Math.round((at - startedAt) / 100) / 10
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-chaos-'))
  chmodSync(dir, 0o755) // as root, PostgreSQL runs as another account
  const closers: (() => Promise<unknown>)[] = []
  let report: Report | undefined
  try {
    signal?.throwIfAborted()
    const product = copyProduct(options.source, dir)
    const postgres = await startPostgres(join(dir, 'postgres'))
    closers.push(() => postgres.close())
    const store = await startS3Server()
    closers.push(() => store.close())
    const cloudDir = join(dir, 'cloud')
    const doubles = await startCloudDoubles(openWorld(cloudDir))
    closers.push(() => doubles.close())
    const site = { dir, cloudDir, product, postgres, store, doubles, asksClouds: options.asksClouds }
    const installations: Installation[] = []
    closers.push(() => Promise.all(installations.map((each) => each.fleet.killAll())))
    const first = await startInstallation(site, { name: '', workers: 3, servers: 2 }, signal)
    installations.push(first)
    const second = options.secondInstallation
      ? await startInstallation(site, { name: 'other', workers: 1, servers: 1 }, signal)
      : undefined
    if (second) installations.push(second)
    const { fleet } = first
    const { rows } = first.database
    say(`[${seconds()} s] ${installations.length} installations run, on PostgreSQL and a store; files in ${dir}`)

    const random = seeded(options.seed)
    const passwords = watchPasswords(dir)
    const cloud = watchCloud(cloudDir)
    const load = first.startLoad({ alive: options.alive, slowFaults: options.slowFaults }, random.fork('load'))
    const loads = [load]
    // Some by the names of clusters that live in the first, whose records stand: two that begin a name at the same
    // moment see nothing of each other, and nobody promises anything about them.
    const namesake = (by: Random) =>
      by.pick([undefined, ...load.living().filter(({ name }) => hasRecord(cloudDir, name))])
    if (second)
      loads.push(
        second.startLoad({ alive: OTHERS_ALIVE, slowFaults: options.slowFaults, namesake }, random.fork('other load')),
      )
    const abortLoads = () => {
      for (const each of loads) each.abort()
    }
    closers.push(async () => abortLoads())
    signal?.addEventListener('abort', abortLoads)
    const missing = postgres.clock ? [] : clockFaults
    if (missing.length > 0) say(`left out: ${missing.join(', ')}; install ${CLOCK_PACKAGE} for them`)
    const unheard: FaultKind[] = options.asksClouds ? [] : ['clouds-fail']
    const leftOut = [...missing, ...unheard, ...(options.without ?? [])]
    const adversary = startAdversary(
      {
        fleet,
        postgres,
        database: first.database,
        store,
        doubles,
        home: first.home,
        journalFile: join(cloudDir, 'journal.ndjson'),
        giveUp: load.giveUp,
        leaseMs: LEASE_SECONDS * 1000,
      },
      random.fork('adversary'),
      { faultsPerMinute: options.faultsPerMinute, weights: weightsOf(options.only, leftOut) },
    )
    closers.push(() => adversary.stop())
    const members = installations.flatMap((each) => each.fleet.members)
    const connections = watchConnections(members, rows)
    const status = startStatus({ database: first.database, adversary, fleet, seconds, say })
    const watchers = [passwords, cloud, connections, status]
    const stopWatching = () => {
      for (const watcher of watchers) watcher.stop()
    }
    closers.push(async () => stopWatching())

    const adversityFrom = Date.now()
    await pause(options.adversityMs, signal)
    await adversary.stop()
    const adversityMs = Date.now() - adversityFrom
    say(`[${seconds()} s] the adversary stops after ${adversary.faults.length} faults; all is destroyed`)
    const finished = await Promise.all(loads.map((each) => each.finish(options.boundMs)))
    const settledAfterMs = Math.max(...finished.map((each) => each.settledAfterMs))
    const isSettled = finished.every((each) => each.isSettled)
    signal?.throwIfAborted()
    stopWatching()
    const ends = await Promise.all(installations.map((each) => each.fleet.drain()))
    const evidences = await collectAll(
      { cloudDir, removals: cloud.removals, store },
      installations.map((installation, index) => ({
        installation,
        known: {
          secrets: [
            ...installation.secrets,
            ...[...passwords.seen].map((value) => ({ name: 'a kubeadmin password', value })),
          ],
          ends: ends[index] ?? [],
          answers: loads[index]?.answers ?? [],
          eventConnections: connections.seen.filter((each) =>
            installation.fleet.instances.some(({ label }) => label === each.process),
          ),
          faults: adversary.faults,
          isSettled,
          leaseMs: LEASE_SECONDS * 1000,
          boundMs: options.boundMs,
        },
      })),
    )
    const breaches = mergeBreaches(evidences.map(checkEvidence))
    const [evidence] = evidences
    if (!evidence) throw new Error('there is no evidence')
    report = {
      seed: options.seed,
      startedAt: new Date(startedAt).toISOString(),
      seconds: { adversity: adversityMs / 1000, settling: settledAfterMs / 1000, whole: seconds() },
      isSettled,
      counts: Object.fromEntries(
        Object.entries(breaches).map(([name, found]) => [name, found.length]),
      ) as Report['counts'], // of the same keys
      breaches,
      ...summarize(evidence, load),
      others: evidences.slice(1).reduce((sum, each) => sum + each.clusters.length, 0),
      measures: measure(evidence),
      unexpectedEnds: installations.flatMap((each) =>
        each.fleet.unexpectedEnds.map(({ at, ...end }) => ({ seconds: seconds(at), ...end })),
      ),
      ends: ends.flat(),
      faults: adversary.faults.map((fault) => ({ seconds: seconds(fault.at), ...fault })),
      dir: undefined,
    }
    return report
  } finally {
    for (const close of closers.toReversed())
      await close().catch((error: unknown) => say(`closing failed: ${String(error)}`))
    await killLeftovers(dir)
    const isClean = report !== undefined && Object.values(report.counts).every((count) => count === 0)
    if (isClean && !options.keep) rmSync(dir, { recursive: true, force: true })
    else {
      if (report) report.dir = dir
      say(`the run's files are kept in ${dir}`)
    }
  }
}

function copyProduct(source: string, dir: string): string {
  const product = join(dir, 'product')
  mkdirSync(product)
  for (const name of ['src', 'bin', 'drizzle', 'profiles', 'package.json'])
    cpSync(join(source, name), join(product, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(product, 'node_modules'))
  return product
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    })
  })
}

/** Whatever still runs out of the directory of this run, which nobody else uses. */
async function killLeftovers(dir: string): Promise<void> {
  const { stdout } = await execute('ps', ['-eo', 'pid=,args='], { maxBuffer: 16 * 1024 * 1024 })
  for (const line of stdout.split('\n')) {
    const pid = Number(line.trim().split(/\s/, 1)[0])
    if (!line.includes(dir) || pid === process.pid || !(pid > 1)) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
}

function hasRecord(cloudDir: string, name: string): boolean {
  const root = join(cloudDir, 'resources')
  return (
    existsSync(root) &&
    readdirSync(root).some(
      (infraId) => infraId.startsWith(`${name}-`) && existsSync(join(root, infraId, 'dns-record-api.json')),
    )
  )
}
