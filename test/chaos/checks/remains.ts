// What is left in the end, and what was told to those who asked.
import type { Evidence } from '../evidence.ts'
import { adoptedOf, lossesOf, mayBeLost } from './losses.ts'

export function resourcesLeft({ resources }: Evidence): string[] {
  return resources
}

export function ledgerOpen({ ledger }: Evidence): string[] {
  return ledger
    .filter((entry) => entry.emptyAt === null)
    .map((entry) => `${entry.infraId} of ${entry.clusterId} is open`)
}

export function locksLeft({ locks }: Evidence): string[] {
  return locks.map((lock) => `${lock.clusterId} is locked by ${lock.worker}`)
}

export function lostSnapshots({ artifacts, stored }: Evidence): string[] {
  return artifacts
    .filter((artifact) => !stored.has(artifact.key))
    .map((artifact) => `${artifact.id} is recorded as ${artifact.key}, and the store does not have it`)
}

export function duplicateClusters(evidence: Evidence): string[] {
  const { clusters, answers, faults } = evidence
  const losses = lossesOf(faults)
  const adopted = losses.length > 0 ? adoptedOf(evidence) : new Set<string>()
  // Of a request that was lost and sent again, the first cluster may come back.
  const byName = Map.groupBy(
    clusters.filter((cluster) => !adopted.has(cluster.id)),
    (cluster) => cluster.name,
  )
  const accepted = answers.filter((answer) => answer.status === 202 && !mayBeLost(answer, losses))
  return [
    ...[...byName]
      .filter(([, same]) => same.length > 1)
      .map(([name, same]) => `one request made ${same.length} clusters named ${name}`),
    ...[...Map.groupBy(accepted, (answer) => answer.key)].flatMap(([key, same]) => {
      const ids = new Set(same.map((answer) => `${answer.clusterId} ${answer.jobId}`))
      return ids.size > 1 ? [`key ${key} was answered with ${[...ids].join(' and ')}`] : []
    }),
  ]
}

/** What was answered as accepted and is not there. */
export function lostAnswers({ answers, clusters, jobs, faults }: Evidence): string[] {
  const losses = lossesOf(faults)
  const known = new Set([...clusters, ...jobs].map((row) => row.id))
  return answers
    .filter((answer) => answer.status === 202 && !mayBeLost(answer, losses))
    .flatMap((answer) =>
      [answer.clusterId, answer.jobId]
        .filter((id) => id !== undefined && !known.has(id))
        .map((id) => `${answer.operation} of ${answer.name} was accepted as ${id}, which does not exist`),
    )
}
