// What is told of a run when it is over.
import type { Breaches } from './checker.ts'
import { ADOPT, lossesOf } from './checks/losses.ts'
import { REOPEN } from './checks/states.ts'
import type { Evidence } from './evidence.ts'
import type { Fault } from './fault.ts'
import type { Load } from './load.ts'
import type { Measures } from './measures.ts'

export type Report = {
  seed: number
  startedAt: string
  seconds: { adversity: number; settling: number; whole: number }
  isSettled: boolean
  counts: Record<keyof Breaches, number>
  breaches: Breaches
  faultsByKind: Record<string, number>
  clusters: {
    requested: number
    created: number
    ready: number
    destroyed: number
    failed: number
    destroyFailed: number
    /** DESTROYED, and destroyed again for what turned up later. */
    reopened: number
    /** Lost, and found in the cloud. */
    adopted: number
  }
  /** Clusters of the other installation. */
  others: number
  /** Of our own acknowledged commits, those that crashes lost. */
  lostMarks: number
  requests: { sent: number; repeated: number; answered: Record<string, number>; replayed: number }
  installerRuns: Record<string, number>
  attempts: Record<string, number>
  measures: Measures
  unexpectedEnds: { seconds: number; name: string; end: string; trouble: string | undefined }[]
  ends: { name: string; end: string }[]
  faults: (Fault & { seconds: number })[]
  /** Where the run's files are, unless it was clean. */
  dir: string | undefined
}

export function summarize(
  { clusters, writes, audit, faults, answers, journal, attempts }: Evidence,
  load: Load,
): Pick<Report, 'faultsByKind' | 'lostMarks' | 'clusters' | 'requests' | 'installerRuns' | 'attempts'> {
  const tally = (names: string[]) =>
    Object.fromEntries([...Map.groupBy(names.sort(), (name) => name)].map(([name, same]) => [name, same.length]))
  const reached = (status: string) =>
    new Set(
      writes.filter((write) => write.table === 'clusters' && write.becomes === status).map((write) => write.clusterId),
    ).size
  return {
    faultsByKind: tally(faults.map((fault) => fault.kind)),
    clusters: {
      requested: load.names.length,
      created: clusters.length,
      ready: reached('READY'),
      destroyed: reached('DESTROYED'),
      failed: reached('FAILED'),
      destroyFailed: reached('DESTROY_FAILED'),
      reopened: audit.filter((event) => event.action === REOPEN).length,
      adopted: audit.filter((event) => event.action === ADOPT).length,
    },
    requests: {
      sent: load.sent.requests,
      repeated: load.sent.repeated,
      answered: tally(answers.map((answer) => `${answer.operation} ${answer.status}`)),
      replayed: answers.filter((answer) => answer.replayed).length,
    },
    lostMarks: lossesOf(faults).reduce((sum, loss) => sum + loss.marks, 0),
    installerRuns: tally(journal.flatMap((line) => (line.event === 'start' ? [line.command ?? ''] : []))),
    attempts: tally(attempts.map((attempt) => attempt.outcome ?? 'open')),
  }
}
