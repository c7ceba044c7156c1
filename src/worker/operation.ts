// One attempt while it runs: its lease, its log, its installer, its snapshots. When the lease is lost or somebody asks
// it to stop, the running installer ends and the next step throws Stopped. Nothing that is written after that counts.
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { App } from '../app.ts'
import { writeSnapshot } from '../artifacts/snapshot.ts'
import { keepEntry, recordArtifact, type LedgerFacts } from '../clusters/ledger.ts'
import { realMs as realMsOf } from '../config.ts'
import type { Transaction } from '../db/client.ts'
import { newId } from '../ids.ts'
import type { CommandResult, InstallerCommand, InstallerRun } from '../installer/installer.ts'
import { initializePercent, percentOf, type Stage } from '../installer/stages.ts'
import { recordStage } from '../jobs/attempts.ts'
import type { Claim } from '../jobs/claim.ts'
import { fenced, fencedWithCluster, LockLost } from '../jobs/lock.ts'
import type { JobLogs } from '../jobs/log.ts'
import { createMasker, secretsOfEnvironment, secretsOfPullSecret } from '../observability/mask.ts'
import type { Run } from '../jobs/tables.ts'
import { uptimeMs } from '../uptime.ts'
import type { LogLevel } from '../vocabulary.ts'
import { DirectoryGone, Stopped, type StopKind } from './failures.ts'
import { openLease } from './lease.ts'
import { openMeasures } from './measures.ts'

/** How long an interrupted installer may take to end by itself. */
export const INTERRUPT_GRACE_MS = 60_000
const SHORTEST_GRACE_MS = 5_000
const REMEMBERED_LINES = 5000

export type Operation = {
  readonly app: App
  readonly claim: Claim
  /** Aborts with a Stopped as its reason. */
  readonly stopping: AbortSignal
  /** Called after a cancel: lets the clean-up of what was made run. A lost lease still ends it. */
  goOnAfterCancel: () => void
  stop: (kind: StopKind, message: string) => void
  /**
   * What this attempt makes, set once the ledger has it. Every later write of the attempt puts the entry back if it is
   * lost.
   */
  infra: LedgerFacts | undefined
  /** Whether nothing that the attempt writes counts any more. */
  isLost: () => boolean
  log: (level: LogLevel, message: string) => void
  learnSecret: (secret: string) => void
  /** Masks the text that is kept of an error that nobody foresaw. */
  mask: (text: string) => string
  enter: (stage: Stage) => Promise<void>
  /** Called when a durable step is done, or when a point within it is passed. */
  reached: (point: string) => void
  /** Makes a fresh directory for this attempt alone. */
  makeDir: (name: string) => Promise<string>
  /** Runs the installer to its end. Throws Stopped when the operation is stopped. */
  run: (command: InstallerCommand, dir: string, options?: RunLimits) => Promise<CommandResult>
  /** Throws what the store throws. */
  snapshot: (dir: string, stage: Stage, infraId: string) => Promise<string>
  /**
   * Converts a span of the installer's time to real milliseconds. A simulation shortens it, but never below the floor.
   */
  realMs: (installerMs: number, floorMs: number) => number
  /** Throws Stopped when the operation is stopped meanwhile. */
  pause: (ms: number) => Promise<void>
  fenced: <T>(change: (tx: Transaction) => Promise<T>) => Promise<T>
  /** For a change that touches the cluster's row too. */
  fencedWithCluster: <T>(change: (tx: Transaction) => Promise<T>) => Promise<T>
  /** Stores the log lines so far, before the end is settled and the lock given back. */
  flushLog: () => Promise<void>
  /** `outcome`: of the attempt, for those who look. */
  close: (outcome: string) => Promise<void>
}

export type RunLimits = {
  deadlineMs?: number
  onStage?: (stage: Stage) => void
  /** Ends the run in an orderly way when it aborts. The result then says timedOut. */
  giveUp?: AbortSignal
}

export async function openOperation(app: App, claim: Claim, logs: JobLogs): Promise<Operation> {
  const { lock, cluster, attempt } = claim
  let stopper = new AbortController()
  let cancelIsHandled = false
  let isLost = false
  let lasting: Stopped | undefined
  const home = join(app.config.dataDir, 'work', attempt.id)
  // A destroy needs no pull secret. An install that cannot read it reports that itself.
  const pullSecret = await app.installer.pullSecret().catch(() => undefined)
  const masker = createMasker([
    ...(pullSecret === undefined ? [] : secretsOfPullSecret(pullSecret)),
    ...secretsOfEnvironment(app.config.environment),
  ])
  const jobLog = await logs.open(lock)
  const running = new Set<InstallerRun>()
  let remembered: string[] = []
  const measures = openMeasures(app, claim)
  let snapshots = 0

  const realMs = (installerMs: number, floorMs: number) => realMsOf(app.config, installerMs, floorMs)
  const graceMs = realMs(INTERRUPT_GRACE_MS, SHORTEST_GRACE_MS)

  const stop = (kind: StopKind, message: string) => {
    // The kinds other than a cancel stay in force, even after a cancel that came before them.
    if (kind === 'lost') {
      isLost = true
      measures.lost()
      for (const child of running) child.kill()
    }
    if (kind !== 'cancelled') lasting ??= new Stopped(kind, message)
    if (stopper.signal.aborted || (kind === 'cancelled' && cancelIsHandled)) return
    stopper.abort(new Stopped(kind, message))
    if (kind !== 'lost') for (const child of running) child.interrupt(graceMs)
  }
  // Progress is recorded in order. Of the stages that wait, only the newest is recorded.
  let progress: { stage: Stage; percent: number } | undefined
  const run: Run = { attempt: attempt.number, startedAt: attempt.startedAt.toISOString(), stages: {} }
  let recording = Promise.resolve()
  const recordNewest = async () => {
    const newest = progress
    progress = undefined
    if (!newest) return
    try {
      const { stage, percent: progressPercent } = newest
      await recordStage(app.db, lock, { team: cluster.team, stage, progressPercent, run }, operation.infra)
    } catch (error) {
      if (error instanceof LockLost) stop('lost', error.message)
      else app.log.warn({ err: error }, 'progress was not recorded')
    }
  }
  const record = (stage: Stage, percent: number) => {
    run.stages[stage] ??= Math.round((uptimeMs() - claim.claimedAtMs) / 100) / 10
    measures.enter(stage)
    progress = { stage, percent }
    recording = recording.then(recordNewest)
    return recording
  }
  const log = (level: LogLevel, message: string) => jobLog.write(level, masker.mask(message))

  const lease = openLease(app, claim, {
    renewed: (untilMs) => {
      for (const child of running) child.extend(untilMs)
    },
    cancelled: () => stop('cancelled', 'somebody asked for it'),
    lost: (why) => stop('lost', why),
  })

  const operation: Operation = {
    app,
    claim,
    get stopping() {
      return stopper.signal
    },
    goOnAfterCancel() {
      cancelIsHandled = true
      stopper = new AbortController()
      if (lasting) stopper.abort(lasting)
    },
    stop,
    infra: undefined,
    isLost: () => isLost,
    log,
    learnSecret: masker.learn,
    mask: masker.mask,

    async enter(stage) {
      await record(stage, percentOf(stage))
      stopper.signal.throwIfAborted()
    },

    reached: (point) => app.onStep(point, { clusterName: cluster.name, attempt: attempt.number }),

    async makeDir(name) {
      const dir = join(home, name)
      await mkdir(dir, { recursive: true, mode: 0o700 })
      return dir
    },

    async run(command, dir, limits = {}) {
      stopper.signal.throwIfAborted()
      // What FIPS mode asks for is asked where keys are made. Any build takes such a cluster away.
      const fips = cluster.profileSnapshot.features.fips && command !== 'destroy cluster'
      const program = { version: cluster.version, fips }
      await app.installer.check(program)
      // Read anew for each run, since somebody may have changed the key.
      const access = await app.credentials.open(cluster.platform, cluster.profileSnapshot.credentials)
      for (const secret of access.secrets) masker.learn(secret)
      stopper.signal.throwIfAborted()
      remembered = []
      let timedOut = false
      let percent = 0
      const child = app.installer.start({
        program,
        dir,
        command,
        access,
        untilMs: lease.untilMs(),
        findCut: masker.findCut,
        onLine: ({ level, message, at }) => {
          remembered.push(`level=${level} msg=${message}`)
          if (remembered.length > REMEMBERED_LINES) remembered = remembered.slice(-REMEMBERED_LINES / 2)
          jobLog.write(level, masker.maskLine(message), at)
          const done = initializePercent(message)
          if (done !== undefined && done > percent) {
            percent = done
            void record('initialize', done)
          }
        },
        onStage: (stage) => {
          void record(stage, percentOf(stage))
          limits.onStage?.(stage)
        },
      })
      running.add(child)
      if (stopper.signal.aborted) child.kill() // stopped between the check above and here
      const giveUp = () => {
        timedOut = true
        child.interrupt(graceMs)
      }
      const deadline = limits.deadlineMs === undefined ? undefined : globalThis.setTimeout(giveUp, limits.deadlineMs)
      limits.giveUp?.addEventListener('abort', giveUp, { once: true })
      try {
        const { exitCode, stderrTail } = await child.exit
        stopper.signal.throwIfAborted()
        return { exitCode, log: [...remembered, stderrTail].join('\n'), timedOut }
      } finally {
        clearTimeout(deadline)
        limits.giveUp?.removeEventListener('abort', giveUp)
        running.delete(child)
      }
    },

    async snapshot(dir, stage, infraId) {
      // Without this file the cluster could not be destroyed from the snapshot. The directory is being taken away
      // meanwhile.
      if (!existsSync(join(dir, 'metadata.json'))) throw new DirectoryGone(dir)
      const id = newId('art')
      const key = `clusters/${cluster.id}/${attempt.id}/${String(snapshots++).padStart(3, '0')}-${stage}-${id.slice(-6)}.tar.zst.sealed`
      const from = performance.now()
      const { sha256, sizeBytes } = await writeSnapshot(app.store, app.box, { key, dir, context: key })
      measures.snapshot(from, sizeBytes)
      await fencedWithCluster(app.db, lock, async (tx) => {
        if (operation.infra) await keepEntry(tx, operation.infra)
        await recordArtifact(tx, {
          id,
          clusterId: cluster.id,
          attemptId: attempt.id,
          infraId,
          kind: 'snapshot',
          stage,
          key,
          sha256,
          sizeBytes,
          keyId: app.box.keyId,
        })
      })
      return id
    },

    realMs,
    pause: (ms) => pause(ms, stopper.signal),

    fenced: (change) => fenced(app.db, lock, change),
    fencedWithCluster: (change) => fencedWithCluster(app.db, lock, change),

    async flushLog() {
      await recording
      await jobLog.flush()
    },

    async close(outcome) {
      measures.end(outcome)
      lease.close()
      for (const child of running) child.kill()
      await jobLog
        .close()
        .catch((error: unknown) => app.log.warn({ err: error }, 'the end of a job log was not stored'))
      await rm(home, { recursive: true, force: true })
    },
  }
  return operation
}

/** Throws the signal's reason when it aborts first. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      reject(signal.reason as Error) // always a Stopped
    }
    const timer = globalThis.setTimeout(() => {
      signal.removeEventListener('abort', end)
      resolve()
    }, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
