// Telling people of an end before it comes: once for each mark of each end, whoever runs this and however often.
import type { App } from '../app.ts'
import { send, type Transaction } from '../db/client.ts'
import { selection, update } from '../db/statements.ts'
import { writeNotice } from '../notices/notices.ts'
import { spanOf } from '../notices/words.ts'
import { destroyStartsAt, momentsOf, nextWarningAt, type Moment } from '../policy/end.ts'
import { timeOf } from './end.ts'
import { hasOpenEnd } from './lifecycle.ts'
import { clusters, clusterWarnings, type ClusterRow } from './tables.ts'

const AT_ONCE = 100

/** Writes the warnings that are due. Returns how many. */
export async function warnOfEnds({ db }: Pick<App, 'db'>): Promise<number> {
  // Mostly nothing is due: one question, without a transaction.
  if ((await findDue(db)).length === 0) return 0
  for (let warned = 0; ;) {
    const { seen, written } = await db.transaction(warnSome)
    warned += written
    if (seen < AT_ONCE) return warned
  }
}

// Index clusters_warn.
const findDue = selection(clusters, 'where warn_at is not null and warn_at <= now() limit 1')
const lockDue = selection(
  clusters,
  `where warn_at is not null and warn_at <= now() order by warn_at limit ${AT_ONCE} for update skip locked`,
)

async function warnSome(tx: Transaction): Promise<{ seen: number; written: number }> {
  const rows = await lockDue(tx)
  if (rows.length === 0) return { seen: 0, written: 0 }
  const now = await timeOf(tx)
  const due = rows.flatMap((cluster) => {
    const moment = hasOpenEnd(cluster.status) ? momentDue(cluster, now) : undefined
    return moment ? [{ cluster, moment }] : []
  })
  const isNew = new Set<string>()
  if (due.length > 0) {
    const values = due.map(({ cluster: { id, endRevision }, moment: { mark } }) => ({ clusterId: id, endRevision, mark })) // prettier-ignore
    const inserted = await tx.insert(clusterWarnings).values(values).onConflictDoNothing().returning()
    for (const { clusterId } of inserted) isNew.add(clusterId)
  }
  for (const { cluster, moment } of due) if (isNew.has(cluster.id)) tellOfEnd(tx, cluster, moment, now)
  for (const cluster of rows) {
    const warnAt = nextWarningAt(cluster, cluster.profileSnapshot.lifecycle.warnHours, now)
    send(tx, update(clusters, { warnAt }, { id: cluster.id }))
  }
  return { seen: rows.length, written: isNew.size }
}

/** After a pause several moments may be due at once. Then only the last one is told. */
function momentDue(cluster: ClusterRow, now: Date): Moment | undefined {
  const { warnAt } = cluster
  return momentsOf(cluster, cluster.profileSnapshot.lifecycle.warnHours)
    .filter(({ at }) => at <= now && (warnAt === null || at >= warnAt))
    .at(-1)
}

function tellOfEnd(tx: Transaction, cluster: ClusterRow, { kind, mark }: Moment, now: Date): void {
  const { id, name, baseDomain, team, endRevision, destroyAt, protectedUntil, protectedReason } = cluster
  const end = kind === 'end' ? destroyStartsAt(cluster) : destroyAt
  writeNotice(tx, {
    type: 'cluster.end_near',
    team,
    clusterId: id,
    data: {
      name,
      baseDomain,
      kind,
      mark,
      endRevision,
      destroyAt: destroyStartsAt(cluster).toISOString(),
      endedAt: kind === 'end' ? null : end.toISOString(),
      in: spanOf(end.getTime() - now.getTime()),
      protectedUntil: protectedUntil?.toISOString() ?? null,
      protectedReason,
    },
    mailedTo: kind === 'past' ? 'both' : 'owner',
  })
}
