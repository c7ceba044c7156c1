// Who wants to be told by a webhook. A team administrator rules the webhooks of its team. Each verb reads in this order:
// who, input, change, audit, return.
import { and, desc, eq, gte, inArray, sql, type SQL } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere, requireInTeam, teamsOf, type Action } from '../auth/permissions.ts'
import { type Actor, nameOf } from '../auth/principal.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import type { SecretBox } from '../secrets.ts'
import type { NoticeType, WebhookForm } from '../vocabulary.ts'
import { aboutOf, newWebhookSecret } from './forms.ts'
import { writeNotice } from './notices.ts'
import { notices, webhookDeliveries, webhooks, type DeliveryRow, type NoticeRow, type WebhookRow } from './tables.ts'

/** Each change is offered to every webhook. */
const MOST_OF_A_TEAM = 50
const OLD_SECRET_HOURS = 24
const SHOWN_DELIVERIES = 100
const MOST_SENT_AGAIN = 10_000

/** Where the target of a webhook is sealed for. */
export const targetContextOf = (webhookId: string): string => `webhooks:${webhookId}:target`

/** What nobody sees but the target itself. `oldSecret` was replaced by a rotation. */
type Target = { url: string; secret: string; oldSecret?: string }

const sealTarget = (box: SecretBox, id: string, target: Target) => box.seal(JSON.stringify(target), targetContextOf(id))

/** Throws SecretUnreadable. */
export const openTarget = (box: SecretBox, { id, sealed }: Pick<WebhookRow, 'id' | 'sealed'>): Target =>
  JSON.parse(box.open(sealed, targetContextOf(id)).toString()) as Target // as sealTarget wrote it

export type WebhookInput = { team: string; url: string; types: NoticeType[]; form: WebhookForm }

type Ruling = Pick<App, 'sender' | 'box'>

/** Throws FORBIDDEN, BAD_INPUT for a URL that may not be sent to, CONFLICT when the team has too many. */
export async function createWebhook(
  { sender, box }: Ruling,
  tx: Transaction,
  by: Actor,
  input: WebhookInput,
): Promise<{ webhook: WebhookRow; secret: string }> {
  requireInTeam(by, 'webhook.write', input.team)
  requireTarget(sender, input.url)
  if ((await tx.$count(webhooks, eq(webhooks.team, input.team))) >= MOST_OF_A_TEAM)
    throw new AppError('CONFLICT', `team "${input.team}" has ${MOST_OF_A_TEAM} webhooks, which is the most: delete one first`) // prettier-ignore
  const id = newId('whk')
  const secret = newWebhookSecret()
  const { url, ...fields } = input
  const sealed = sealTarget(box, id, { url, secret })
  const [webhook] = await tx
    .insert(webhooks)
    .values({ id, ...fields, origin: new URL(url).origin, sealed, createdBy: nameOf(by) })
    .returning()
  if (!webhook) throw new Error('the webhook was not inserted')
  writeAudit(tx, by, { action: 'webhook.create', detail: { webhookId: id, ...shownOf(webhook) } })
  return { webhook, secret }
}

/** One row more than the page asks for, newest first. Throws FORBIDDEN. */
export async function listWebhooks(db: Reader, by: Actor, page: PageRequest): Promise<WebhookRow[]> {
  requireAnywhere(by, 'webhook.read')
  const { where, orderBy, limit } = keyset(webhooks.id, page, ruled(by, 'webhook.read'))
  return db.select().from(webhooks).where(where).orderBy(orderBy).limit(limit)
}

export type WebhookChanges = {
  url?: string | undefined
  types?: NoticeType[] | undefined
  form?: WebhookForm | undefined
  enabled?: boolean | undefined
  /** The old secret signs beside the new one for a day. */
  rotateSecret?: boolean | undefined
}

/** Returns the secret only when it is a new one. Throws as createWebhook, and NOT_FOUND. */
export async function changeWebhook(
  { sender, box }: Ruling,
  tx: Transaction,
  by: Actor,
  id: string,
  { rotateSecret, url, ...changes }: WebhookChanges,
): Promise<{ webhook: WebhookRow; secret: string | undefined }> {
  const before = await webhookFor(tx, by, 'webhook.write', id)
  if (url !== undefined) requireTarget(sender, url)
  const target = openTarget(box, before)
  const secret = rotateSecret ? newWebhookSecret() : undefined
  const [webhook] = await tx
    .update(webhooks)
    .set({
      ...changes,
      ...(url === undefined ? {} : { origin: new URL(url).origin }),
      sealed: sealTarget(box, id, {
        ...target,
        ...(url === undefined ? {} : { url }),
        ...(secret === undefined ? {} : { secret, oldSecret: target.secret }),
      }),
      ...(secret === undefined ? {} : { oldSecretUntil: sql`now() + make_interval(hours => ${OLD_SECRET_HOURS})` }),
      // Somebody has looked at it, so its five days begin anew.
      ...(changes.enabled || url !== undefined ? { failingSince: null } : {}),
      ...(changes.enabled ? { disabledReason: null } : {}),
      updatedAt: sql`now()`,
    })
    .where(eq(webhooks.id, id))
    .returning()
  if (!webhook) throw new Error(`${id} vanished while it was locked`)
  const detail = { webhookId: id, before: shownOf(before), after: shownOf(webhook), isSecretNew: secret !== undefined }
  writeAudit(tx, by, { action: 'webhook.update', detail })
  return { webhook, secret }
}

/** Its deliveries end with it. Throws NOT_FOUND, FORBIDDEN. */
export async function deleteWebhook(tx: Transaction, by: Actor, id: string): Promise<void> {
  const before = await webhookFor(tx, by, 'webhook.write', id)
  await tx.delete(webhooks).where(eq(webhooks.id, id))
  writeAudit(tx, by, { action: 'webhook.delete', detail: { webhookId: id, before: shownOf(before) } })
}

/** Sends a notice to this webhook alone. Returns its id, which the target gets as `webhook-id`. */
export async function testWebhook(tx: Transaction, by: Actor, id: string): Promise<string> {
  const webhook = await webhookFor(tx, by, 'webhook.write', id)
  requireEnabled(webhook)
  writeAudit(tx, by, { action: 'webhook.test', detail: { webhookId: id } })
  const data = { webhook: id, message: 'a test' }
  return writeNotice(tx, { type: 'webhook.test', team: webhook.team, data, webhookId: id })
}

export type ShownDelivery = DeliveryRow & { notice: NoticeRow }

/** The last hundred, newest first. Throws NOT_FOUND, FORBIDDEN. */
export async function listDeliveries(db: Reader, by: Actor, id: string): Promise<ShownDelivery[]> {
  await webhookFor(db, by, 'webhook.read', id)
  // Index webhook_deliveries_webhook.
  const rows = await db
    .select({ delivery: webhookDeliveries, notice: notices })
    .from(webhookDeliveries)
    .innerJoin(notices, eq(notices.sequence, webhookDeliveries.sequence))
    .where(eq(webhookDeliveries.webhookId, id))
    .orderBy(desc(webhookDeliveries.sequence))
    .limit(SHOWN_DELIVERIES)
  return rows.map(({ delivery, notice }) => ({ ...delivery, notice }))
}

/**
 * Has one delivery, or all of the last week that were made since a time, sent again with the ids that they had. Those
 * that are still tried are left. Returns how many.
 */
export async function redeliver(
  { queue }: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  id: string,
  which: { deliveryId: string } | { since: Date },
): Promise<number> {
  const webhook = await webhookFor(tx, by, 'webhook.write', id)
  requireEnabled(webhook)
  const wanted =
    'since' in which ? gte(webhookDeliveries.createdAt, which.since) : eq(webhookDeliveries.id, which.deliveryId)
  const found = await tx
    .select({ id: webhookDeliveries.id, notice: notices })
    .from(webhookDeliveries)
    .innerJoin(notices, eq(notices.sequence, webhookDeliveries.sequence))
    .where(
      and(
        eq(webhookDeliveries.webhookId, id),
        wanted,
        inArray(webhookDeliveries.status, ['DELIVERED', 'FAILED', 'SKIPPED']),
      ),
    ) // prettier-ignore
    .orderBy(webhookDeliveries.sequence)
    .limit(MOST_SENT_AGAIN + 1)
    .for('update', { of: webhookDeliveries })
  if (found.length === 0 && 'deliveryId' in which)
    throw new AppError('NOT_FOUND', `this webhook has no delivery ${which.deliveryId} that has ended`)
  if (found.length > MOST_SENT_AGAIN)
    throw new AppError('BAD_INPUT', `more than ${MOST_SENT_AGAIN} deliveries are that new: take a later time`)
  const ids = found.map((row) => row.id)
  await tx
    .update(webhookDeliveries)
    .set({ status: 'PENDING', tries: 0, nextTryAt: null })
    .where(sql`${webhookDeliveries.id} = any(${sql.param(ids)}::text[])`)
  await queue.enqueueDeliveries(tx, found.map((row) => ({ id: row.id, webhookId: id, about: aboutOf(row.notice) }))) // prettier-ignore
  announce(tx, 'notice', 'all')
  writeAudit(tx, by, { action: 'webhook.redeliver', detail: { webhookId: id, deliveries: found.length } })
  return found.length
}

/** The webhook, whose row is locked where a change follows. Throws NOT_FOUND, FORBIDDEN. */
async function webhookFor(db: Reader, by: Actor, action: 'webhook.read' | 'webhook.write', id: string) {
  requireAnywhere(by, action)
  const query = db
    .select()
    .from(webhooks)
    .where(and(eq(webhooks.id, id), ruled(by, action)))
  const [row] = action === 'webhook.write' ? await query.for('update') : await query
  if (!row) throw new AppError('NOT_FOUND', `there is no webhook ${id} that you may see`)
  return row
}

function ruled(by: Actor, action: Action): SQL | undefined {
  const teams = teamsOf(by, action)
  return teams === 'all' ? undefined : inArray(webhooks.team, teams)
}

function requireTarget(sender: App['sender'], url: string): void {
  const problem = sender.problemOf(url)
  if (problem !== undefined)
    throw new AppError('BAD_INPUT', `the URL ${problem}`, [{ pointer: '/url', detail: problem }])
}

function requireEnabled({ enabled, disabledReason }: WebhookRow): void {
  if (enabled) return
  throw new AppError('NOT_IN_STATE', `the webhook is off${disabledReason === null ? '' : `: ${disabledReason}`}; switch it on first`) // prettier-ignore
}

const shownOf = ({ team, origin, types, form, enabled }: WebhookRow) => ({ team, origin, types, form, enabled })
