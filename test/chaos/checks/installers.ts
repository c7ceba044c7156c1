// The installers' own record: who ran when, with what, and for how long.
import type { Evidence } from '../evidence.ts'
import type { Fault } from '../fault.ts'
import { runsOf, type Run } from '../journal.ts'
import { mayRestOnLoss } from './losses.ts'
import { at } from './words.ts'

const describe = (run: Run) => `${run.command} of ${run.cluster ?? run.infraID} (pid ${run.pid}, ${run.dir})`

/** How long an installer may take to end when it wakes from a pause that its lease did not outlast. */
const WAKE_MS = 2000

const isOf = (fault: Fault, run: Run) => run.dir.includes(`/${fault.target}/`)

/** What stood still and ended on waking was over for all others when it stopped: nobody could have ended it. */
function livedUntil(run: Run, faults: Fault[]): number {
  const pause = faults.find(
    (fault) =>
      fault.kind === 'pause-worker' &&
      isOf(fault, run) &&
      run.startedAt < fault.at &&
      run.lastAt > fault.at &&
      run.lastAt <= (fault.healedAt ?? Infinity) + WAKE_MS,
  )
  return pause?.at ?? run.lastAt
}

/** Of a cluster that was lost and asked for once more by its name: it is another one. */
function isOfLostCluster(run: Run, evidence: Evidence): boolean {
  const { attempts, answers, clusters } = evidence
  const ids = [
    ...answers.map((answer) => [answer.name, answer.clusterId]),
    ...clusters.map(({ name, id }) => [name, id]),
  ]
  const namesakes = new Set(ids.flatMap(([name, id]) => (name === run.cluster && id ? [id] : [])))
  const isKnown = attempts.some((attempt) => run.dir.includes(`/${attempt.id}/`))
  return namesakes.size > 1 && !isKnown && mayRestOnLoss(run.startedAt, evidence)
}

/** Two installers that lived at one time and worked on one cluster. */
export function overlappingInstallers(evidence: Evidence): string[] {
  const { journal, faults } = evidence
  const runs = runsOf(journal)
    .map((run) => ({ ...run, lastAt: livedUntil(run, faults) }))
    .sort((a, b) => a.startedAt - b.startedAt)
  return runs.flatMap((run, index) =>
    runs
      .slice(0, index)
      .filter(
        (earlier) =>
          earlier.lastAt > run.startedAt &&
          ((earlier.cluster !== undefined && earlier.cluster === run.cluster && !isOfLostCluster(earlier, evidence)) ||
            (earlier.infraID !== undefined && earlier.infraID === run.infraID)),
      )
      .map(
        (earlier) =>
          `${describe(run)} began at ${at(run.startedAt)} while ${describe(earlier)} lived until ${at(earlier.lastAt)}`,
      ),
  )
}

/** An installer that lived longer than its frozen or cut-off worker could hold the lock. */
export function outlivedLease({ journal, faults, leaseMs }: Evidence): string[] {
  const runs = runsOf(journal)
  return faults.flatMap((fault) => {
    if (fault.healedAt === undefined || fault.healedAt < fault.at + leaseMs) return []
    const mustEndAt = lastMomentOf(fault, fault.healedAt, leaseMs)
    return runs
      .filter((run) => isOf(fault, run) && run.startedAt < fault.at && run.lastAt > mustEndAt)
      .map((run) => `${describe(run)} lived ${run.lastAt - fault.at} ms after ${fault.kind} at ${at(fault.at)}`)
  })
}

function lastMomentOf({ kind, at }: Fault, healedAt: number, leaseMs: number): number {
  switch (kind) {
    case 'freeze-worker':
    case 'step-worker-clock':
    case 'cut-worker':
    case 'black-hole-worker':
      return at + leaseMs
    case 'pause-worker':
      return healedAt + WAKE_MS
    default:
      return Infinity
  }
}

export function createTwiceInDir({ journal }: Evidence): string[] {
  const starts = journal.filter((line) => line.event === 'start' && line.command === 'create cluster')
  return [...Map.groupBy(starts, (line) => line.dir ?? '')]
    .filter(([, lines]) => lines.length > 1)
    .map(([dir, lines]) => `create cluster began ${lines.length} times in ${dir}`)
}

/** Infrastructure whose infraID was not durable, in the ledger and as a stored snapshot, before the cloud was touched. */
export function createWithoutLedger(evidence: Evidence): string[] {
  const { journal, writes } = evidence
  const entries = new Map(
    writes
      .filter((write) => write.table === 'infra_ledger' && write.op === 'INSERT')
      .map((write) => [write.key ?? '', write]),
  )
  return journal
    .filter((line) => line.event === 'infrastructure' && !mayRestOnLoss(line.at, evidence))
    .flatMap((line) => {
      const what = `${line.infraID} of ${line.cluster} was begun at ${at(line.at)}`
      const entry = entries.get(line.infraID ?? '')
      if (!entry) return [`${what} without a ledger entry`]
      if (entry.committedAt > line.at) return [`${what}, its ledger entry was durable at ${at(entry.committedAt)}`]
      const hasSnapshot = writes.some(
        (write) =>
          write.table === 'cluster_artifacts' &&
          write.op === 'INSERT' &&
          write.becomes === 'snapshot' &&
          write.attemptId === entry.attemptId &&
          write.committedAt <= line.at,
      )
      return hasSnapshot ? [] : [`${what} without a stored snapshot of attempt ${entry.attemptId}`]
    })
}
