// What an installer leaves although it ended well: it is told, and taken away where the operators want that. What
// stands in its way is taken away before it begins.
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { NotAnswered } from '../clouds/asking.ts'
import { describeResources, type InventoryAnswer, type Resource } from '../clouds/inventory.ts'
import { inTheWay, planResidue } from '../clouds/residue.ts'
import { placeOf } from '../clusters/inventory-query.ts'
import type { LedgerEntry } from '../clusters/ledger.ts'
import { recordResidue } from '../jobs/attempts.ts'
import type { Left } from '../jobs/tables.ts'
import { takeInventory } from './inventory.ts'
import type { Operation } from './operation.ts'

const WORKER: Actor = { kind: 'system', name: 'worker' }
const MOST_TOLD = 200
/** Clouds say that a thing is gone some time after they were told to delete it. */
const WAIT_MS = 5 * 60_000
const SHORTEST_WAIT_MS = 2_000
const LOOK_MS = 10_000
const SHORTEST_LOOK_MS = 50

/** Before the installer's destroy of these. */
export async function clearTheWay(
  operation: Operation,
  entries: LedgerEntry[],
  { found, holders = [] }: InventoryAnswer,
): Promise<void> {
  const { platform } = operation.claim.cluster
  const infraIds = entries.map(({ infraId }) => infraId)
  for (const each of inTheWay({ platform, infraIds }, [...found, ...holders]))
    await remove(operation, each, "it is in the cluster's own network, and the destroyer waits for it for ever")
}

/**
 * After the installer's destroy has ended well. What it is known to leave is kept with the job, and taken away one by
 * one where the operators want that. Returns the newest inventory.
 */
export async function clearResidue(operation: Operation): Promise<InventoryAnswer> {
  const { app, claim } = operation
  const answer = await takeInventory(operation)
  const plan = planResidue(placeOf(claim.cluster), answer.found, claim.cluster.createdAt)
  if (plan.length === 0) return answer
  const isWanted = app.config.removesResidue
  const told = plan
    .slice(0, MOST_TOLD)
    .map(({ canGo, ...each }): Left => ({ ...each, outcome: canGo ? (isWanted ? 'planned' : 'shown') : 'unsure' }))
  const record = () => operation.fenced(async (tx) => recordResidue(tx, claim.job.id, told))
  await record()
  for (const { resource, why, outcome } of told)
    operation.log('warning', `The installer left ${describeResources([resource])}: ${why}. ${words[outcome]}`)
  const planned = told.filter(({ outcome }) => outcome === 'planned')
  if (planned.length === 0) return answer
  for (const each of planned) each.outcome = (await remove(operation, each.resource, each.why)) ? 'removed' : 'refused'
  await record()
  return untilGone(operation, planned.filter(({ outcome }) => outcome === 'removed').map(({ resource }) => resource)) // prettier-ignore
}

const words: Record<Left['outcome'], string> = {
  planned: 'It is taken away now.',
  shown: 'It stays until somebody takes it away, or until the workers are set to (OCPCTL_RESIDUE=remove).',
  unsure: 'It was found by its name alone, so somebody must look whose it is.',
  removed: '',
  refused: '',
}

/** The trail has it first, so nothing is ever taken away untold. Returns false when the cloud refuses. */
async function remove(operation: Operation, resource: Resource, why: string): Promise<boolean> {
  const { app, claim } = operation
  const { id, type, name, key } = resource
  await operation.fenced(async (tx) =>
    writeAudit(tx, WORKER, {
      action: 'cluster.remove-residue',
      clusterId: claim.cluster.id,
      jobId: claim.job.id,
      detail: { id, type, name, key, why },
    }),
  )
  operation.stopping.throwIfAborted()
  try {
    await app.inventory.remove?.(placeOf(claim.cluster), resource)
  } catch (error) {
    if (!(error instanceof NotAnswered)) throw error
    operation.log('warning', `${type} ${id} could not be taken away: ${error.message} (${error.permission})`)
    return false
  }
  operation.log('info', `Took away ${type} ${id}: ${why}`)
  return true
}

async function untilGone(operation: Operation, removed: Resource[]): Promise<InventoryAnswer> {
  const ids = new Set(removed.map(({ id }) => id))
  const lookMs = operation.realMs(LOOK_MS, SHORTEST_LOOK_MS)
  let leftMs = operation.realMs(WAIT_MS, SHORTEST_WAIT_MS)
  for (;;) {
    const answer = await takeInventory(operation)
    if (leftMs <= 0 || !answer.found.some(({ id }) => ids.has(id))) return answer
    await operation.pause(lookMs)
    leftMs -= lookMs
  }
}
