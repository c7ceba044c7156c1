// Takes back a cluster that the database has lost. That happens after a fail-over to a server that lacked its newest
// commits, or after a restore of an older dump. The cloud knows the cluster by its tag, and the artifact store holds
// its state, sealed with our own key: both together prove that it is ours. It comes back under its own id and holds its
// name again.
import { eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import { StoreUnavailable } from '../artifacts/store.ts'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { isProvedEmpty } from '../clouds/inventory.ts'
import { realMs, type Config } from '../config.ts'
import type { Transaction } from '../db/client.ts'
import { AppError, messageOf } from '../errors.ts'
import { announce } from '../events.ts'
import { UnsafeMetadata } from '../installer/metadata.ts'
import { readResults } from '../installer/results.ts'
import { tellOfChange } from '../notices/notices.ts'
import { nextWarningAt } from '../policy/end.ts'
import { wakeBy } from '../policy/sleep.ts'
import { revisionAfterLoss } from './end.ts'
import { queryOf } from './inventory-query.ts'
import { closeEntries } from './ledger.ts'
import { findMarkAhead, isEnding, wasDestroyed, type Living, type Mark } from './mark.ts'
import { recordOutputs, sealOutputs, type SealedOutputs } from './outputs.ts'
import { assertStoredIsOf, keepStored, readStoredState, type StoredInfra } from './stored-state.ts'
import { type ClusterRow, clusters } from './tables.ts'

export const RECOVERY: Actor = { kind: 'system', name: 'recovery' }
const HOUR_MS = 3_600_000
/** How long a cluster that was lost may live at most: time to find it and to extend its end. */
const LIVES_ON_HOURS = 24
const SHORTEST_LIFE_MS = 60_000
const LEFTOVER_MS = 60_000

export type Adoptable = {
  /** The cluster as it was asked for. */
  record: ClusterRow
  infras: Pick<StoredInfra, 'metadata' | 'stage' | 'snapshot' | 'stoodBefore'>[]
  /** Only a finished installation has them. */
  outputs: SealedOutputs | undefined
  /** The cluster as it was when the database was lost. undefined: nobody knows. */
  known?: Living | undefined
  /** When it was known to be gone. */
  destroyedAt?: Date | undefined
}

/**
 * Finds what the store has of a cluster. Returns undefined when that is not enough. Throws StoreUnavailable,
 * UnsafeMetadata.
 */
export async function findAdoptable(
  app: Pick<App, 'store' | 'box' | 'config' | 'log'>,
  clusterId: string,
): Promise<Adoptable | undefined> {
  const infras: Adoptable['infras'] = []
  let record: ClusterRow | undefined
  let outputs: SealedOutputs | undefined
  await readStoredState(
    app,
    clusterId,
    () => false,
    async ({ dir, record: stored, ...infra }) => {
      if (!stored || stored.id !== clusterId) return
      assertStoredIsOf({ dir, record: stored, ...infra }, stored)
      record = stored
      infras.push(infra)
      outputs = infra.stage === 'complete' ? sealOutputs(app.box, clusterId, await readResults(dir)) : undefined
    },
  )
  return record && { record, infras, outputs }
}

/**
 * As findAdoptable. The mark, if the database is behind one, says how far the cluster had come. Without it, what is
 * proved gone has no outputs: it was destroyed before it was lost, and is destroyed once more.
 */
export async function findLost(
  app: Pick<App, 'store' | 'box' | 'inventory' | 'config' | 'log'>,
  clusterId: string,
  mark: Mark | undefined,
): Promise<Adoptable | undefined> {
  const found = await findAdoptable(app, clusterId)
  if (!found) return undefined
  const known = mark?.living.get(clusterId)
  // Whoever asks a cloud account that is not the cluster's sees nothing. That must not end what had lived.
  if (known) return { ...found, known, outputs: isEnding(known.status) ? undefined : found.outputs }
  const stands = await countStanding(app, found)
  if (mark && stands !== 0 && stands !== undefined) return found
  if (mark && wasDestroyed(app.config, mark, found.record))
    return { ...found, outputs: undefined, destroyedAt: mark.at }
  return stands === 0 ? { ...found, outputs: undefined } : found
}

/** undefined: the cloud does not tell. */
async function countStanding(
  { inventory }: Pick<App, 'inventory'>,
  { record, infras }: Adoptable,
): Promise<number | undefined> {
  const infraIds = infras.map(({ metadata }) => metadata.infraID)
  const answer = await inventory.find(queryOf(record, record.id, infraIds))
  // What was found stands, whatever was not told.
  return answer.found.length > 0 || isProvedEmpty(answer) ? answer.found.length : undefined
}

/** As findAdoptable, on behalf of a caller. Throws FORBIDDEN, NOT_FOUND, CONFLICT, UNAVAILABLE. */
export async function adoptableFor(
  app: Pick<App, 'store' | 'box' | 'inventory' | 'config' | 'log'>,
  by: Actor,
  clusterId: string,
): Promise<Adoptable> {
  requireAnywhere(by, 'cluster.adopt')
  const found = await findAdoptable(app, clusterId).catch((error: unknown) => {
    if (error instanceof StoreUnavailable) throw new AppError('UNAVAILABLE', messageOf(error))
    if (error instanceof UnsafeMetadata) throw new AppError('CONFLICT', messageOf(error))
    throw error
  })
  if (!found) throw new AppError('NOT_FOUND', `the artifact store has no state of ${clusterId} that can be adopted`)
  // The store keeps the state for a while after the cluster was destroyed.
  if ((await countStanding(app, found)) === 0)
    throw new AppError('NOT_FOUND', `nothing of ${clusterId} stands in the cloud any more: there is nothing to adopt`)
  return found
}

/**
 * The end of a cluster that is adopted now: its end when it was lost, or, where nobody knows that one, the end that it was
 * asked for with, but no later than a day from now.
 */
export function adoptedEnd(config: Config, { record, known }: Pick<Adoptable, 'record' | 'known'>): Date {
  if (known) return known.destroyAt
  const latest = Date.now() + realMs(config, LIVES_ON_HOURS * HOUR_MS, SHORTEST_LIFE_MS)
  return new Date(Math.min(record.destroyAt.getTime(), latest))
}

/** A record of an older release has no protection and no revision. What was set before the loss may be missing in it. */
function endingOf(config: Config, found: Adoptable): Partial<ClusterRow> {
  const { record, known } = found
  const endSetAt = new Date()
  const ending = { destroyAt: adoptedEnd(config, found), endSetAt, protectedUntil: known?.protectedUntil ?? null }
  return {
    ...ending,
    protected: ending.protectedUntil !== null,
    protectedReason: known?.protectedReason ?? null,
    graceHours: 0,
    endRevision: revisionAfterLoss(known?.endRevision ?? record.endRevision),
    warnAt: nextWarningAt(ending, record.profileSnapshot.lifecycle.warnHours, endSetAt),
  }
}

/** Its hours, and its sleep, as they were last. */
function asleepOf({ record, known, outputs, destroyedAt }: Adoptable): Partial<ClusterRow> {
  if (destroyedAt || !outputs) return {}
  const { offHours = record.offHours ?? null, overrides = record.overrides ?? [], status } = known ?? {}
  const hibernatedAt = status === 'HIBERNATED' ? (known?.hibernatedAt ?? new Date()) : null
  const latest = hibernatedAt && wakeBy(record.version, record.readyAt ?? record.createdAt, hibernatedAt)
  return { offHours, overrides, hibernatedAt, wakeBy: known?.wakeBy ?? latest, inUseAt: new Date() }
}

/** What becomes of the cluster, and what is said of it. */
export function fateOf({ outputs, destroyedAt, known }: Adoptable) {
  if (destroyedAt) return { status: 'DESTROYED', statusReason: null } as const
  if (outputs) {
    const statusReason = 'the database had lost this cluster; it was taken back from the artifact store'
    if (known?.status === 'HIBERNATED') return { status: 'HIBERNATED', statusReason } as const
    // Nobody knows how far it had come, and it is turned either way.
    if (known?.status === 'HIBERNATING' || known?.status === 'RESUMING') return { status: 'HIBERNATING', statusReason } as const // prettier-ignore
    return { status: 'READY', statusReason } as const
  }
  const when = known && isEnding(known.status) ? `when it was ${known.status}` : 'while it was being made'
  return {
    status: 'FAILED',
    statusReason: `the database had lost this cluster ${when}; what it made is destroyed`,
  } as const
}

/**
 * Adopts what the store has of a cluster that the database does not know. Returns undefined when that is not enough.
 * Throws as findAdoptable and recover.
 */
export async function adoptLost(
  app: Pick<App, 'db' | 'store' | 'box' | 'inventory' | 'config' | 'log'>,
  clusterId: string,
): Promise<ClusterRow | undefined> {
  const mark = await findMarkAhead(app)
  const found = mark ? await findLost(app, clusterId, mark) : await findAdoptable(app, clusterId)
  return found && recover(app, found)
}

/** As adoptCluster, done by the service itself. */
export async function recover(app: Pick<App, 'db' | 'config' | 'log'>, found: Adoptable): Promise<ClusterRow> {
  const cluster = await app.db.transaction((tx) => adoptCluster(app, tx, RECOVERY, found))
  const { id: clusterId, status } = cluster
  app.log.warn({ clusterId, status }, 'a cluster that the database had lost is taken back')
  return cluster
}

/**
 * A cluster whose installation finished becomes READY. Of any other cluster, what it made is destroyed. Throws
 * FORBIDDEN, CONFLICT when the database knows the cluster after all, NAME_TAKEN when another cluster has its name by
 * now.
 */
export async function adoptCluster(
  app: Pick<App, 'config'>,
  tx: Transaction,
  by: Actor,
  found: Adoptable,
): Promise<ClusterRow> {
  requireAnywhere(by, 'cluster.adopt')
  const { record, infras, outputs, known, destroyedAt } = found
  const newest = infras.at(-1)
  const fate = fateOf(found)
  const isKept = known?.status === 'FAILED' && record.preserveOnFailure
  const values: typeof clusters.$inferInsert = {
    ...record,
    ...endingOf(app.config, found),
    ...fate,
    infraId: newest?.metadata.infraID ?? null,
    readyAt: found.outputs && !destroyedAt ? (record.readyAt ?? new Date()) : null,
    ...asleepOf(found),
    destroyRetryAt:
      fate.status === 'FAILED' && !isKept ? new Date(Date.now() + realMs(app.config, LEFTOVER_MS, 0)) : null,
    // What the mark says is looked at once more.
    ...(destroyedAt ? { destroyedAt, lookAt: new Date(), looks: 0, warnAt: null } : {}),
    updatedAt: new Date(),
  }
  const [cluster] = await tx.insert(clusters).values(values).onConflictDoNothing().returning()
  if (!cluster) throw await whyNot(tx, record)
  for (const infra of infras) await keepStored(tx, cluster.id, infra)
  if (destroyedAt) await closeEntries(tx, cluster.id)
  if (outputs) await recordOutputs(tx, outputs)
  writeAudit(tx, by, {
    action: 'cluster.adopt',
    clusterId: cluster.id,
    detail: {
      from: null,
      to: cluster.status,
      name: cluster.name,
      infraIds: infras.map(({ metadata }) => metadata.infraID),
      destroyAt: cluster.destroyAt.toISOString(),
    },
  })
  tellOfChange(tx, { type: 'cluster.changed', team: cluster.team, clusterId: cluster.id })
  announce(tx, 'cluster', cluster.id)
  return cluster
}

async function whyNot(tx: Transaction, { id, name, baseDomain }: ClusterRow): Promise<AppError> {
  const [known] = await tx.select({ status: clusters.status }).from(clusters).where(eq(clusters.id, id))
  return known
    ? new AppError('CONFLICT', `the database knows ${id}, which is ${known.status}: there is nothing to adopt`)
    : new AppError(
        'NAME_TAKEN',
        `another cluster holds the name ${name}.${baseDomain}: ${id} can be adopted when it is gone`,
      )
}

/** Throws NAME_TAKEN while another cluster has the name. */
export async function adoptUnlessKnown(app: Parameters<typeof adoptLost>[0], clusterId: string): Promise<void> {
  try {
    await adoptLost(app, clusterId)
  } catch (error) {
    const isKnown = error instanceof AppError && error.code === 'CONFLICT'
    if (!isKnown) throw error
  }
}
