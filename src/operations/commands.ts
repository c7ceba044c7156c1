// One verb over many clusters. The clusters are those that match when it is accepted, and no others: they are written
// down in its transaction. What is done to each is what the single verb does, by the right of who asked.
import { inArray, lt, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import { type Caller, nameOf } from '../auth/principal.ts'
import { type ClusterFilter, type Judged, listJudged } from '../clusters/queries.ts'
import { send, type Reader, type Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import { cents } from '../policy/spend.ts'
import { clusterStatuses, type OperationEffect, type OperationVerb } from '../vocabulary.ts'
import { actionOf, judgeAll } from './judge.ts'
import { operations, type Asker, type OperationRow } from './tables.ts'

/** How many clusters one operation may be over. */
export const MOST_CLUSTERS = 10_000
const SAMPLES = 10
const KEPT_DAYS = 30
/** Each may have ten thousand items. */
const FORGOTTEN_AT_ONCE = 10

export type OperationRequest = {
  verb: OperationVerb
  /** For extend: counted from the moment at which each is done. */
  hours?: number | undefined
  ids?: string[] | undefined
  filter?: ClusterFilter | undefined
  /** How many clusters the caller was shown. */
  expected?: number | undefined
}

type Sample = { clusterId: string; name: string }
export type Preview = {
  verb: OperationVerb
  matched: number
  allowed: number
  effects: { effect: OperationEffect; count: number; samples: Sample[] }[]
  refusals: { code: string; count: number; samples: (Sample & { detail: string })[] }[]
  /** Of those that are acted upon, together. */
  usdPerHour: number
  usdAdded: number
}

/** What it would come to. Throws FORBIDDEN, NOT_FOUND, TOO_MANY, CONFLICT as requestOperation does. */
export async function previewOperation(
  app: Pick<App, 'db' | 'catalog'>,
  by: Caller,
  asked: OperationRequest,
): Promise<Preview> {
  const clusters = await selectClusters(app.db, by, asked)
  const all = await judgeAll(app, by, { verb: asked.verb, hours: asked.hours }, clusters)
  const able = all.flatMap((each) => ('effect' in each ? [each] : []))
  const unable = all.flatMap((each) => ('refusal' in each ? [each] : []))
  const sample = ({ cluster }: { cluster: Judged }): Sample => ({ clusterId: cluster.id, name: cluster.name })
  return {
    verb: asked.verb,
    matched: clusters.length,
    allowed: able.length,
    effects: grouped(able, ({ effect }) => effect).map(([effect, those]) => ({
      effect,
      count: those.length,
      samples: those.slice(0, SAMPLES).map(sample),
    })),
    refusals: grouped(unable, ({ refusal }) => refusal.code).map(([code, those]) => ({
      code,
      count: those.length,
      samples: those.slice(0, SAMPLES).map((each) => ({ ...sample(each), detail: each.refusal.message })),
    })),
    usdPerHour: cents(able.reduce((sum, { cluster }) => sum + cluster.usdPerHour, 0)),
    usdAdded: cents(able.reduce((sum, each) => sum + (each.usdAdded ?? 0), 0)),
  }
}

/** The largest group first. */
const grouped = <T, K>(all: T[], keyOf: (each: T) => K): [K, T[]][] =>
  [...Map.groupBy(all, keyOf)].toSorted(([, a], [, b]) => b.length - a.length)

/**
 * Writes down what is to be done to which clusters, and has it done. Throws FORBIDDEN when the caller may do this to no
 * cluster at all, NOT_FOUND for an id of which it may not know, TOO_MANY, CONFLICT when another number than expected
 * matches.
 */
export async function requestOperation(
  { queue }: Pick<App, 'queue'>,
  tx: Transaction,
  by: Caller,
  asked: OperationRequest,
  credentials: string[],
): Promise<OperationRow> {
  const { verb, hours, filter, ids } = asked
  const clusters = await selectClusters(tx, by, asked)
  const id = newId('ops')
  const detail = { operationId: id, verb, hours: hours ?? null, total: clusters.length, ...(ids ? { ids: ids.length } : { filter }) } // prettier-ignore
  const [row] = await tx
    .insert(operations)
    .values({
      id,
      verb,
      hours,
      filter,
      requestedBy: nameOf(by),
      asker: askerOf(by, credentials),
      total: clusters.length,
    })
    .returning()
  if (!row) throw new Error('the operation was not inserted')
  send(tx, {
    name: 'insert items',
    text: 'insert into operation_items (operation_id, cluster_id) select $1, unnest($2::text[])',
    values: [id, clusters.map((cluster) => cluster.id)],
  })
  writeAudit(tx, by, { action: 'operation.create', detail })
  await queue.runOperation(tx, id)
  announce(tx, 'operation', 'all')
  return row
}

async function selectClusters(db: Reader, by: Caller, asked: OperationRequest): Promise<Judged[]> {
  const { verb, expected } = asked
  requireAnywhere(by, actionOf[verb])
  const ids = asked.ids && [...new Set(asked.ids)]
  const found = await listJudged(db, by, ids ?? livingUnlessSaid(asked.filter ?? {}), MOST_CLUSTERS + 1)
  if (ids && found.length < ids.length) throw unknownIds(asked.ids ?? [], found)
  if (found.length > MOST_CLUSTERS)
    throw new AppError(
      'TOO_MANY',
      `more than ${MOST_CLUSTERS} clusters match, and one operation is over ${MOST_CLUSTERS} at most: narrow the filter, by team, owner, profile or region`,
    )
  if (expected !== undefined && expected !== found.length)
    throw new AppError(
      'CONFLICT',
      `${found.length} clusters match now, and not ${expected}: look again at what would be done, with dryRun=true`,
    )
  return found
}

/** No verb does anything to what is destroyed, and that is most of what there ever was. */
const livingUnlessSaid = (filter: ClusterFilter): ClusterFilter => ({
  ...filter,
  status: filter.status?.length ? filter.status : clusterStatuses.filter((status) => status !== 'DESTROYED'),
})

function unknownIds(ids: string[], found: Judged[]): AppError {
  const known = new Set(found.map(({ id }) => id))
  const missing = ids.flatMap((id, index) => (known.has(id) ? [] : [{ id, index }]))
  return new AppError(
    'NOT_FOUND',
    `${missing.length} of these are not ids of clusters that you may see; nothing is done`,
    missing.map(({ id, index }) => ({
      pointer: `/ids/${index}`,
      detail: `there is no cluster ${id} that you may see`,
    })),
  )
}

const askerOf = ({ principal, groups, session, scopes, origin }: Caller, credentials: string[]): Asker => ({
  principal,
  groups,
  session: session ?? null,
  scopes,
  credentials,
  requestId: origin.requestId,
  address: origin.address ?? null,
  agent: origin.agent ?? null,
})

/** Removes operations that ended long ago, with their items. Returns how many. */
export async function forgetOperations({ db }: Pick<App, 'db'>): Promise<number> {
  for (let forgotten = 0; ;) {
    // operations_ended
    const old = db
      .select({ id: operations.id })
      .from(operations)
      .where(lt(operations.endedAt, sql`now() - make_interval(days => ${KEPT_DAYS})`))
      .limit(FORGOTTEN_AT_ONCE)
    const { rowCount } = await db.delete(operations).where(inArray(operations.id, old))
    forgotten += rowCount ?? 0
    if ((rowCount ?? 0) < FORGOTTEN_AT_ONCE) return forgotten
  }
}
