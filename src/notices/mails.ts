// What is told by mail, and to whom it is told.
import { createHash } from 'node:crypto'
import { eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import { hasOpenEnd } from '../clusters/lifecycle.ts'
import { clusters, type ClusterRow } from '../clusters/tables.ts'
import { hasCode } from '../errors.ts'
import type { Mail } from '../queue/queue.ts'
import { addressOf } from './addresses.ts'
import { pathOf, sentenceOf } from './forms.ts'
import { linksFor, sleepLinksFor, type Offer } from './links.ts'
import { notices, type NoticeRow } from './tables.ts'

/** An SMTP answer from here on is for good (RFC 5321, 4.2.1), where it is about this mail and not about us. */
const PERMANENT = 500
const ABOUT_THE_MAIL = ['EENVELOPE', 'EMESSAGE']

/** Throws when the server does not take it now. */
export async function sendMail(
  app: Pick<App, 'db' | 'box' | 'config' | 'mailer' | 'log'>,
  { sequence, to }: Mail,
): Promise<void> {
  const address = addressOf(to)
  const [notice] = await app.db.select().from(notices).where(eq(notices.sequence, sequence))
  if (!app.mailer || !notice || address === undefined) return
  const [cluster] =
    notice.clusterId === null ? [] : await app.db.select().from(clusters).where(eq(clusters.id, notice.clusterId))
  if (cluster && isVoid(notice, cluster)) return
  const offers = cluster?.owner === to ? (offersOf[notice.type]?.(app, cluster, to) ?? []) : []
  const id = `${notice.id}.${createHash('sha256').update(to).digest('hex').slice(0, 12)}`
  try {
    await app.mailer.send({ id, to: address, ...mailOf(notice, offers, app.config.publicUrl) })
  } catch (error) {
    const { responseCode } = error as { responseCode?: unknown } // of nodemailer
    const isPermanent = typeof responseCode === 'number' && responseCode >= PERMANENT
    if (!isPermanent || !hasCode(error, ...ABOUT_THE_MAIL)) throw error
    app.log.warn({ err: error, notice: notice.id }, 'the mail server refuses a mail for good')
  }
}

const offersOf: Partial<Record<NoticeRow['type'], typeof linksFor>> = {
  'cluster.end_near': linksFor,
  'cluster.sleep_near': sleepLinksFor,
}

/** A mail that was held up must not warn of an end or a sleep that has been moved. */
function isVoid({ type, data }: NoticeRow, cluster: ClusterRow): boolean {
  if (type === 'cluster.end_near') return data['endRevision'] !== cluster.endRevision || !hasOpenEnd(cluster.status)
  if (type === 'cluster.sleep_near') return cluster.status !== 'READY' || data['at'] !== cluster.announcedFor?.toISOString() // prettier-ignore
  return false
}

function mailOf(notice: NoticeRow, offers: readonly Offer[], publicUrl: string | undefined) {
  const sentence = sentenceOf(notice)
  const path = pathOf(notice)
  const { name } = notice.data
  const about = typeof name === 'string' ? name : `team ${notice.team}`
  const lines = [
    sentence,
    ...(offers.length > 0 ? ['', 'Each of these asks before it does anything, works once, and only for you:'] : []),
    ...offers.flatMap(({ says, url }) => ['', `${says}:`, url]),
    ...(publicUrl !== undefined && path !== undefined ? ['', `More: ${publicUrl}${path}`] : []),
    '',
  ]
  return { subject: `${about}: ${subjects[notice.type] ?? notice.type}`, text: lines.join('\n') }
}

const subjects: Partial<Record<NoticeRow['type'], string>> = {
  'cluster.ready': 'ready',
  'cluster.failed': 'failed',
  'cluster.destroyed': 'gone',
  'cluster.destroy_failed': 'could not be destroyed',
  'cluster.end_near': 'its end',
  'cluster.sleep_near': 'goes to sleep',
  'cluster.wake_near': 'is woken',
  'quota.near': 'near its limit',
  'webhook.disabled': 'a webhook is switched off',
}
