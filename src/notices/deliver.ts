// One try of a delivery to a webhook, and what follows from its result. The result, the target's state and the queue's
// entry change in one transaction. A process that dies in between leads to another try with the same id.
import { and, eq, sql } from 'drizzle-orm'
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { observe, type Transaction } from '../db/client.ts'
import { messageOf } from '../errors.ts'
import type { Answer } from '../outbound/sender.ts'
import type { HandOver } from '../queue/queue.ts'
import { bodyIn, signatureOf } from './forms.ts'
import { writeNotice } from './notices.ts'
import { notices, webhookDeliveries, webhooks, type DeliveryRow, type NoticeRow, type WebhookRow } from './tables.ts'
import { openTarget } from './webhooks.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
/** The waits before the second to the tenth try, as Standard Webhooks has them: 75 hours and 35 minutes in all. */
const WAITS = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
const MOST_TRIES = WAITS.length + 1
const JITTER = 0.2
const LONGEST_RETRY_AFTER = 24 * HOUR
const FAILING_DAYS = 5
const GONE = 410

const TELLER: Actor = { kind: 'system', name: 'teller' }

type Delivering = Pick<App, 'db' | 'queue' | 'box' | 'sender' | 'config' | 'installationId'>
type Found = { delivery: DeliveryRow; webhook: WebhookRow; notice: NoticeRow }
/** SQL in the place of values, too. */
type Changes = PgUpdateSetSource<typeof webhookDeliveries>
type Result = { answer: Answer } | { problem: string }

export async function deliver(app: Delivering, deliveryId: string, handOver: HandOver): Promise<void> {
  const found = await findDelivery(app, deliveryId)
  if (!found || found.delivery.status !== 'PENDING') return
  if (!found.webhook.enabled) {
    await settle(app, handOver, async (tx) => {
      await tx
        .update(webhookDeliveries)
        .set({ status: 'SKIPPED', problem: 'the webhook is off', nextTryAt: null })
        .where(eq(webhookDeliveries.id, deliveryId))
      countTry(tx, 'skipped')
    })
    return
  }
  const result = await post(app, found)
  await settle(app, handOver, (tx) => record(tx, found, result))
}

async function findDelivery({ db }: Delivering, id: string): Promise<Found | undefined> {
  const [found] = await db
    .select({ delivery: webhookDeliveries, webhook: webhooks, notice: notices })
    .from(webhookDeliveries)
    .innerJoin(webhooks, eq(webhooks.id, webhookDeliveries.webhookId))
    .innerJoin(notices, eq(notices.sequence, webhookDeliveries.sequence))
    .where(eq(webhookDeliveries.id, id))
  return found
}

async function post({ box, sender, config, installationId }: Delivering, found: Found): Promise<Result> {
  const { webhook, notice } = found
  try {
    const seconds = Math.floor(Date.now() / 1000)
    const { contentType, body } = bodyIn(webhook.form, notice, { publicUrl: config.publicUrl, installationId })
    const { url, secret, oldSecret } = openTarget(box, webhook)
    const isOldGood = webhook.oldSecretUntil !== null && webhook.oldSecretUntil > new Date()
    const secrets = [secret, ...(oldSecret !== undefined && isOldGood ? [oldSecret] : [])]
    const headers = {
      'content-type': contentType,
      'user-agent': 'ocpctl',
      'webhook-id': notice.id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': signatureOf(secrets, notice.id, seconds, body),
    }
    return { answer: await sender.post(url, headers, body) }
  } catch (error) {
    return { problem: messageOf(error) }
  }
}

/** Does nothing when another hand-over has come meanwhile. */
async function settle(
  { db, queue }: Delivering,
  handOver: HandOver,
  change: (tx: Transaction) => Promise<{ delaySeconds: number } | undefined | void>,
): Promise<void> {
  await db.transaction(async (tx) => {
    const delay = await change(tx)
    const counts = delay
      ? await queue.delayDelivery(tx, handOver, delay.delaySeconds)
      : await queue.endDelivery(tx, handOver)
    if (!counts) throw new Error('another hand-over of this delivery has come meanwhile')
  })
}

async function record(
  tx: Transaction,
  { delivery, webhook }: Found,
  result: Result,
): Promise<{ delaySeconds: number } | undefined> {
  const tries = delivery.tries + 1
  const answer = 'answer' in result ? result.answer : undefined
  const set = (changes: Changes) =>
    tx
      .update(webhookDeliveries)
      .set({
        tries,
        lastTriedAt: sql`now()`,
        nextTryAt: null,
        answerStatus: answer?.status ?? null,
        answer: answer?.text ?? null,
        tookMs: answer?.tookMs ?? null,
        problem: 'problem' in result ? result.problem : null,
        ...changes,
      })
      // Somebody who has it sent again begins anew.
      .where(and(eq(webhookDeliveries.id, delivery.id), eq(webhookDeliveries.tries, delivery.tries)))
  if (answer !== undefined && answer.status >= 200 && answer.status < 300) {
    await tx
      .update(webhooks)
      .set({ failingSince: null })
      .where(and(eq(webhooks.id, webhook.id), sql`failing_since is not null`))
    await set({ status: 'DELIVERED' })
    countTry(tx, 'delivered')
    return undefined
  }
  const [failing] = await tx
    .update(webhooks)
    .set({ failingSince: sql`coalesce(failing_since, now())` })
    .where(and(eq(webhooks.id, webhook.id), webhooks.enabled))
    .returning({ isTooLong: sql<boolean>`failing_since < now() - make_interval(days => ${FAILING_DAYS})` })
  const why =
    answer?.status === GONE
      ? 'it answered 410 Gone'
      : failing?.isTooLong
        ? `no delivery has succeeded for ${FAILING_DAYS} days`
        : undefined
  if (failing && why !== undefined) await switchOff(tx, webhook, why)
  if (why !== undefined || tries >= MOST_TRIES) {
    await set({ status: 'FAILED' })
    countTry(tx, 'failed')
    return undefined
  }
  const delaySeconds = waitAfter(tries, answer?.retryAfter)
  await set({ nextTryAt: sql`now() + make_interval(secs => ${delaySeconds})` })
  countTry(tx, 'retried')
  return { delaySeconds }
}

const countTry = (tx: Transaction, outcome: 'delivered' | 'retried' | 'failed' | 'skipped') =>
  observe(tx, ({ metrics }) => metrics.add('ocpctl_webhook_deliveries_total', { outcome }))

/** Seconds before the next try. `Retry-After` (RFC 9110: seconds, or a date) may make the wait longer. */
export function waitAfter(tries: number, retryAfter: string | undefined, random = Math.random): number {
  const usual = (WAITS[tries - 1] ?? LONGEST_RETRY_AFTER) * (1 - JITTER + 2 * JITTER * random())
  const asked = retryAfter === undefined ? 0 : secondsIn(retryAfter)
  return Math.max(usual, Math.min(asked, LONGEST_RETRY_AFTER))
}

function secondsIn(retryAfter: string): number {
  if (/^\d{1,10}$/.test(retryAfter)) return Number(retryAfter)
  const at = Date.parse(retryAfter)
  return Number.isNaN(at) ? 0 : Math.max(0, (at - Date.now()) / 1000)
}

async function switchOff(tx: Transaction, webhook: WebhookRow, reason: string): Promise<void> {
  const { id, team, origin } = webhook
  await tx
    .update(webhooks)
    .set({ enabled: false, disabledReason: reason, updatedAt: sql`now()` })
    .where(eq(webhooks.id, id))
  writeAudit(tx, TELLER, { action: 'webhook.disable', detail: { webhookId: id, reason } })
  const data = { webhook: id, origin, reason }
  writeNotice(tx, { type: 'webhook.disabled', team, data, mailedTo: 'admins' })
}
