// What is told of a run when it is over.
import type { Breaches } from './checker.ts'
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
  }
  /** Clusters of the other installation. */
  others: number
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
  { clusters, writes, faults, answers, journal, attempts }: Evidence,
  load: Load,
): Pick<Report, 'faultsByKind' | 'clusters' | 'requests' | 'installerRuns' | 'attempts'> {
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
    },
    requests: {
      sent: load.sent.requests,
      repeated: load.sent.repeated,
      answered: tally(answers.map((answer) => `${answer.operation} ${answer.status}`)),
      replayed: answers.filter((answer) => answer.replayed).length,
    },
    installerRuns: tally(journal.flatMap((line) => (line.event === 'start' ? [line.command ?? ''] : []))),
    attempts: tally(attempts.map((attempt) => attempt.outcome ?? 'open')),
  }
}
