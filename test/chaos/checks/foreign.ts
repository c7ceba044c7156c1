// What one installation does to another that shares its cloud.
import type { Evidence } from '../evidence.ts'
import { runsOf } from '../journal.ts'
import { lossesOf } from './losses.ts'
import { at } from './words.ts'

export function foreignHarm(evidence: Evidence): string[] {
  return [...removedWhileReady(evidence), ...foreignRuns(evidence), ...foreignFindings(evidence)]
}

type Span = { from: number; to: number }

/** Resources of a cluster that disappeared while it was there for its owner. Nobody has a reason for that. */
function removedWhileReady(evidence: Evidence): string[] {
  const ready = readySpansOf(evidence)
  const clusterOf = new Map(evidence.clusters.map((cluster) => [cluster.infraId, cluster]))
  return evidence.removals.flatMap((removal) => {
    // An installation removes its bootstrap host itself, and one that was paused may do so late.
    if (removal.file.endsWith('-bootstrap.json')) return []
    const cluster = clusterOf.get(removal.infraID)
    const isReady = ready.get(cluster?.id ?? '')?.some(({ from, to }) => removal.since > from && removal.at < to)
    if (!cluster || !isReady || hasLostDestroy(evidence, removal)) return []
    return [
      `${removal.file} of ${removal.infraID} disappeared at ${at(removal.at)} while ${cluster.name} (${cluster.id}) was READY`,
    ]
  })
}

function readySpansOf({ writes }: Evidence): Map<string, Span[]> {
  const spans = new Map<string, Span[]>()
  for (const write of writes) {
    if (write.table !== 'clusters' || write.clusterId === null) continue
    const own = spans.get(write.clusterId) ?? []
    spans.set(write.clusterId, own)
    const open = own.at(-1)
    if (open?.to === Infinity) open.to = write.at
    if (write.becomes === 'READY') own.push({ from: write.committedAt, to: Infinity })
  }
  return spans
}

/** A destroy that was asked for and begun, and that the database does not remember. */
function hasLostDestroy({ journal, faults, leaseMs }: Evidence, removal: Evidence['removals'][number]): boolean {
  return runsOf(journal).some(
    (run) =>
      run.command === 'destroy cluster' &&
      run.infraID === removal.infraID &&
      run.startedAt <= removal.at &&
      run.lastAt >= removal.since &&
      lossesOf(faults).some((loss) => run.startedAt >= loss.from && run.startedAt <= loss.to + leaseMs),
  )
}

function foreignRuns({ clusters, ledger, foreign }: Evidence): string[] {
  const own = new Set([...clusters, ...ledger].map((row) => row.infraId))
  return runsOf(foreign.journal)
    .filter((run) => run.infraID !== undefined && own.has(run.infraID))
    .map((run) => `another installation ran ${run.command} on ${run.infraID} at ${at(run.startedAt)}`)
}

function foreignFindings({ findings, foreign }: Evidence): string[] {
  return findings
    .filter((finding) => foreign.clusterIds.has(finding.subject))
    .map(
      (finding) => `${finding.type} about ${finding.subject} of another installation: ${finding.detail.slice(0, 100)}`,
    )
}
