// What people and programs are told: an outbox of notices, written in the transaction of the change, and who gets them.
import { sql } from 'drizzle-orm'
import {
  bigint,
  bigserial,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  text,
} from 'drizzle-orm/pg-core'
import { at, bytea, oneOf } from '../db/columns.ts'
import {
  deliveryStatuses,
  webhookForms,
  type ChangeType,
  type DeliveryStatus,
  type NoticeType,
  type WebhookForm,
} from '../vocabulary.ts'

export const noticePosition = pgSequence('notice_position')

/** Whom a notice is mailed to. */
export type MailedTo = 'owner' | 'admins' | 'both'

export const notices = pgTable(
  'notices',
  {
    /** In the order of the changes of each cluster, since each change locks the cluster's row. */
    sequence: bigserial('sequence', { mode: 'number' }).primaryKey(),
    /** The same at each delivery, so that a receiver knows what it has had already. */
    id: text('id').notNull(),
    at: at('at').notNull().defaultNow(),
    type: text('type').$type<NoticeType | ChangeType>().notNull(),
    /** `*`: of no team, for those who see all of them. */
    team: text('team').notNull(),
    clusterId: text('cluster_id'),
    jobId: text('job_id'),
    data: jsonb('data').$type<Record<string, unknown>>().notNull(),
    mailedTo: text('mailed_to').$type<MailedTo>(),
    /** Only this target gets it: a test. */
    webhookId: text('webhook_id'),
    isPublished: boolean('is_published').notNull().default(false),
    /** Of the handing on, one after another: what has a later one was committed later. null: not handed on yet. */
    position: bigint('position', { mode: 'number' }),
  },
  (t) => [
    index('notices_position')
      .on(t.position, t.sequence)
      .where(sql`position is not null`),
    index('notices_unpublished')
      .on(t.sequence)
      .where(sql`not is_published`),
    // Written in this order, and read only to forget them.
    index('notices_at').using('brin', t.at),
  ],
)

export const webhooks = pgTable(
  'webhooks',
  {
    id: text('id').primaryKey(),
    /** `*`: of all teams. */
    team: text('team').notNull(),
    /** Of its URL. The rest may be a secret, as it is with Slack. */
    origin: text('origin').notNull(),
    /** None: all of them. */
    types: text('types').array().$type<NoticeType[]>().notNull(),
    form: text('form').$type<WebhookForm>().notNull(),
    /** URL and secrets. */
    sealed: bytea('sealed').notNull(),
    /** The secret of before a rotation signs too, until then. */
    oldSecretUntil: at('old_secret_until'),
    enabled: boolean('enabled').notNull().default(true),
    disabledReason: text('disabled_reason'),
    /** Since when no delivery has succeeded, of those that were tried. */
    failingSince: at('failing_since'),
    createdBy: text('created_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [check('webhooks_form', oneOf('form', webhookForms)), index('webhooks_team').on(t.team, t.id)],
)

export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: text('id').primaryKey(),
    webhookId: text('webhook_id')
      .notNull()
      .references(() => webhooks.id, { onDelete: 'cascade' }),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    status: text('status').$type<DeliveryStatus>().notNull().default('PENDING'),
    tries: integer('tries').notNull().default(0),
    lastTriedAt: at('last_tried_at'),
    nextTryAt: at('next_try_at'),
    /** Of the last try: the status of the answer, its beginning, how long it took; or why there was none. */
    answerStatus: integer('answer_status'),
    answer: text('answer'),
    tookMs: integer('took_ms'),
    problem: text('problem'),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    check('webhook_deliveries_status', oneOf('status', deliveryStatuses)),
    index('webhook_deliveries_webhook').on(t.webhookId, t.sequence),
    index('webhook_deliveries_sequence').on(t.sequence),
    index('webhook_deliveries_created').on(t.createdAt),
  ],
)

/** A team that has been told in a month that it comes near its limit. */
export const quotaNotices = pgTable(
  'quota_notices',
  { team: text('team').notNull(), month: text('month').notNull(), at: at('at').notNull().defaultNow() },
  (t) => [primaryKey({ columns: [t.team, t.month] })],
)

export type NoticeRow = typeof notices.$inferSelect
export type WebhookRow = typeof webhooks.$inferSelect
export type DeliveryRow = typeof webhookDeliveries.$inferSelect
