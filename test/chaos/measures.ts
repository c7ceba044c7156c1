// How long things took, from the same raw evidence that the checker reads. Milliseconds.
import type { Evidence } from './evidence.ts'
import { runsOf } from './journal.ts'

export type Measure = { count: number; p50: number | null; worst: number | null }
export type Measures = {
  /** kill -9 of a worker → the next attempt of a job that it ran. */
  killToTakeover: Measure
  /** SIGSTOP of a worker → the last sign of life of each installer that it had running. */
  freezeToInstallerEnd: Measure
  /** The end of a pause → the same. */
  thawToInstallerEnd: Measure
  /** A cut or a black hole that outlasts the lock → the same. */
  cutToInstallerEnd: Measure
  /** An accepted destroy or cancel → the last sign of life of the installation that was running. */
  cancelToInstallerEnd: Measure
}

export function measure(evidence: Evidence): Measures {
  const { attempts, faults, answers, leaseMs, hostname } = evidence
  const runs = runsOf(evidence.journal)
  const afterLossOfWorker = (kinds: string[]) =>
    faults
      .filter(
        (fault) => kinds.includes(fault.kind) && fault.healedAt !== undefined && fault.healedAt - fault.at >= leaseMs,
      )
      .flatMap((fault) =>
        runs
          .filter(
            (run) => run.dir.includes(`/${fault.target}/`) && run.startedAt < fault.at && run.lastAt >= fault.at - 300,
          )
          .map((run) => Math.max(0, run.lastAt - fault.at)),
      )
  const thaws = faults.flatMap(({ kind, target, at, healedAt = Infinity }) =>
    kind !== 'pause-worker' || healedAt - at < leaseMs
      ? []
      : runs
          .filter((run) => run.dir.includes(`/${target}/`) && run.startedAt < at && run.lastAt > healedAt)
          .map((run) => run.lastAt - healedAt),
  )
  const takeovers = faults
    .filter((fault) => fault.kind === 'kill-worker')
    .flatMap((fault) =>
      attempts
        .filter(
          (attempt) =>
            attempt.worker === `${hostname}:${fault.pid}` &&
            attempt.startedAt < fault.at &&
            (attempt.endedAt === null || attempt.endedAt > fault.at),
        )
        .flatMap((attempt) => {
          const next = attempts.find((each) => each.jobId === attempt.jobId && each.startedAt > fault.at)
          return next ? [next.startedAt - fault.at] : []
        }),
    )
  const cancels = answers
    .filter(
      (answer) =>
        answer.status < 300 && !answer.replayed && (answer.operation === 'destroy' || answer.operation === 'cancel'),
    )
    .flatMap((answer) => {
      const running = runs.find(
        (run) =>
          run.cluster === answer.name &&
          run.command.startsWith('create') &&
          run.startedAt < answer.at &&
          run.lastAt > answer.at,
      )
      return running ? [running.lastAt - answer.at] : []
    })
  return {
    killToTakeover: summarize(takeovers),
    freezeToInstallerEnd: summarize(afterLossOfWorker(['freeze-worker', 'step-worker-clock'])),
    thawToInstallerEnd: summarize(thaws),
    cutToInstallerEnd: summarize(afterLossOfWorker(['cut-worker', 'black-hole-worker'])),
    cancelToInstallerEnd: summarize(cancels),
  }
}

function summarize(values: number[]): Measure {
  const sorted = values.sort((a, b) => a - b)
  return {
    count: sorted.length,
    p50: sorted[Math.floor((sorted.length - 1) / 2)] ?? null,
    worst: sorted.at(-1) ?? null,
  }
}
