// From the outbox to those who are told. One process at a time takes the notices in their order, makes a delivery for
// each target and a mail for each person, hands them to the queue, and marks them: all of it in one transaction.
import { setTimeout } from 'node:timers/promises'
import { and, asc, eq, getTableColumns, inArray, lt, ne, notExists, or, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { clusters } from '../clusters/tables.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import { cents } from '../policy/spend.ts'
import { readCost } from '../usage/report.ts'
import { changeTypes, type ChangeType, type NoticeType } from '../vocabulary.ts'
import { addressOf, administratorsOf } from './addresses.ts'
import { aboutOf } from './forms.ts'
import { notices, webhookDeliveries, webhooks, type NoticeRow, type WebhookRow } from './tables.ts'

const BATCH = 200
const PUBLISHING = 7262500007
const KEPT_DAYS = 7
const CHANGES_KEPT_DAYS = 1
/** A statement takes 65,535 parameters. */
const ROWS_AT_ONCE = 5000

type Publishing = Pick<App, 'db' | 'queue'>

/** Hands on every notice that is committed. Returns how many. */
export async function publishNotices(app: Publishing): Promise<number> {
  for (let published = 0; ;) {
    const done = await app.db.transaction((tx) => publishSome(app, tx))
    if (done === 0) return published
    if (done === 'early') await setTimeout(2)
    else published += done
  }
}

async function publishSome(app: Publishing, tx: Transaction): Promise<number | 'early'> {
  await tx.execute(sql`select pg_advisory_xact_lock(${PUBLISHING})`)
  // The queue orders by the time at which transactions began. Another one that began later, or in the same millisecond,
  // may have been here before. What lies further ahead is from before a step of the clock back.
  const { rows: asked } = await tx.execute<{ early: boolean }>(sql`
    select exists (select from webhook_deliveries where created_at between date_trunc('milliseconds', now()) and now() + interval '5 seconds') as early`)
  if (asked[0]?.early) return 'early'
  const batch = await tx
    .select()
    .from(notices)
    .where(eq(notices.isPublished, false))
    .orderBy(asc(notices.sequence))
    .limit(BATCH)
  if (batch.length === 0) return 0
  await noteCosts(tx, batch)
  const { id, team, types, enabled } = getTableColumns(webhooks)
  const targets = await tx.select({ id, team, types, enabled }).from(webhooks)
  const deliveries = batch.flatMap((notice) =>
    targets.filter((webhook) => isFor(notice, webhook)).map((webhook) => ({ notice, webhook })),
  )
  const rows = deliveries.map(({ notice, webhook }) => ({
    id: newId('dlv'),
    webhookId: webhook.id,
    sequence: notice.sequence,
    status: webhook.enabled ? ('PENDING' as const) : ('SKIPPED' as const),
    about: aboutOf(notice),
  }))
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE)
    await tx.insert(webhookDeliveries).values(rows.slice(at, at + ROWS_AT_ONCE))
  await app.queue.enqueueDeliveries(tx, rows.filter(({ status }) => status === 'PENDING')) // prettier-ignore
  // Who sends them knows whether there is a mail server. This process may not be told.
  await app.queue.enqueueMails(tx, await mailsOf(tx, batch))
  const sequences = batch.map(({ sequence }) => sequence)
  const next = await tx.execute<{ position: number }>(sql`select nextval('notice_position')::float8 as position`)
  const position = next.rows[0]?.position
  await tx.update(notices).set({ isPublished: true, position }).where(inArray(notices.sequence, sequences))
  announce(tx, 'event', 'all')
  return batch.length
}

function isFor({ type, team, webhookId }: NoticeRow, webhook: Pick<WebhookRow, 'id' | 'team' | 'types'>): boolean {
  if (webhookId !== null) return webhook.id === webhookId
  if (isChange(type)) return false
  return (webhook.team === '*' || webhook.team === team) && (webhook.types.length === 0 || webhook.types.includes(type))
}

const isChange = (type: NoticeType | ChangeType): type is ChangeType => changeTypes.some((each) => each === type)

/** What a cluster has cost is known when its last state is. */
async function noteCosts(tx: Transaction, batch: NoticeRow[]): Promise<void> {
  for (const notice of batch) {
    if (notice.type !== 'cluster.destroyed' || notice.clusterId === null) continue
    notice.data = { ...notice.data, usd: cents((await readCost(tx, notice.clusterId)).usd) }
    await tx.update(notices).set({ data: notice.data }).where(eq(notices.sequence, notice.sequence))
  }
}

async function mailsOf(db: Reader, batch: NoticeRow[]): Promise<{ sequence: number; to: string }[]> {
  const mailed = batch.filter(({ mailedTo }) => mailedTo !== null)
  if (mailed.length === 0) return []
  const ids = mailed.flatMap(({ clusterId }) => clusterId ?? [])
  const owned = await db
    .select({ id: clusters.id, owner: clusters.owner })
    .from(clusters)
    .where(inArray(clusters.id, ids))
  const ownerOf = new Map(owned.map(({ id, owner }) => [id, owner]))
  const all = await Promise.all(
    mailed.map(async ({ sequence, team, clusterId, mailedTo }) => {
      const owner = mailedTo === 'admins' || clusterId === null ? undefined : ownerOf.get(clusterId)
      const others = mailedTo === 'owner' ? [] : await administratorsOf(db, team)
      const people = new Set([...(owner === undefined ? [] : [owner]), ...others])
      return [...people].filter((name) => addressOf(name) !== undefined).map((to) => ({ sequence, to }))
    }),
  )
  return all.flat()
}

/** What was told more than a week ago is forgotten, and a change a day after it, but not what is still tried. Returns how many notices. */
export async function forgetNotices({ db }: Pick<App, 'db'>): Promise<number> {
  const old = sql`now() - make_interval(days => ${KEPT_DAYS})`
  const isOver = and(lt(webhookDeliveries.createdAt, old), ne(webhookDeliveries.status, 'PENDING'))
  const over = db.select({ id: webhookDeliveries.id }).from(webhookDeliveries).where(isOver).limit(ROWS_AT_ONCE)
  while (((await db.delete(webhookDeliveries).where(inArray(webhookDeliveries.id, over))).rowCount ?? 0) > 0);
  const isHeld = db.select().from(webhookDeliveries).where(eq(webhookDeliveries.sequence, notices.sequence))
  const ofYesterday = and(
    inArray(notices.type, [...changeTypes]),
    lt(notices.at, sql`now() - make_interval(days => ${CHANGES_KEPT_DAYS})`),
  )
  const told = db
    .select({ sequence: notices.sequence })
    .from(notices)
    .where(and(or(lt(notices.at, old), ofYesterday), eq(notices.isPublished, true), notExists(isHeld)))
    .limit(ROWS_AT_ONCE)
  for (let gone = 0; ;) {
    const { rowCount } = await db.delete(notices).where(inArray(notices.sequence, told))
    if (!rowCount) return gone
    gone += rowCount
  }
}
