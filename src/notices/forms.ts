// What a notice looks like to a receiver: as Standard Webhooks 1.0.0 has it, as a CloudEvent, or as a message for Slack.
// All three are signed in the same way. Pure: each try sends the same bytes.
import { createHmac, randomBytes } from 'node:crypto'
import type { WebhookForm } from '../vocabulary.ts'
import type { NoticeRow } from './tables.ts'

const SECRET_PREFIX = 'whsec_'
/** Standard Webhooks asks for 24 to 64. */
const SECRET_BYTES = 32

export const newWebhookSecret = (): string => SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64')

export type Told = Pick<NoticeRow, 'id' | 'sequence' | 'at' | 'type' | 'team' | 'clusterId' | 'jobId' | 'data'>
/** Where the service is reached, and who it is. */
export type Source = { publicUrl: string | undefined; installationId: string }

/** What is told in order: of a cluster, or of none. A test does not wait for what is still tried. */
export const aboutOf = ({ id, type, clusterId }: Pick<Told, 'id' | 'type' | 'clusterId'>): string =>
  type === 'webhook.test' ? id : (clusterId ?? '')

/** The path at which the API shows what a notice is about; undefined: nothing of its own. */
export function pathOf({ clusterId, jobId, type }: Pick<Told, 'clusterId' | 'jobId' | 'type'>): string | undefined {
  if (type === 'job.ended' && jobId !== null) return `/api/v1/jobs/${jobId}`
  if (clusterId !== null) return `/api/v1/clusters/${clusterId}`
  return type === 'finding.filed' ? '/api/v1/findings' : undefined
}

/** Without a public URL, `url` is a path. */
function contentOf(told: Told, { publicUrl }: Source): Record<string, unknown> {
  const { sequence, team, clusterId, jobId, data } = told
  const path = pathOf(told)
  return { sequence, team, clusterId, jobId, url: path === undefined ? null : `${publicUrl ?? ''}${path}`, ...data }
}

export function bodyIn(form: WebhookForm, told: Told, source: Source): { contentType: string; body: string } {
  const { id, at, type, clusterId, sequence } = told
  const data = contentOf(told, source)
  const json = (contentType: string, value: object) => ({ contentType, body: JSON.stringify(value) })
  switch (form) {
    case 'standard':
      return json('application/json', { type, timestamp: at.toISOString(), data })
    case 'cloudevents':
      return json('application/cloudevents+json', {
        specversion: '1.0',
        id,
        source: source.publicUrl ?? `urn:ocpctl:${source.installationId}`,
        type: `dev.ocpctl.${type}.v1`,
        ...(clusterId === null ? {} : { subject: clusterId }),
        time: at.toISOString(),
        // Fixed width, since receivers compare it as text.
        sequence: String(sequence).padStart(20, '0'),
        datacontenttype: 'application/json',
        data,
      })
    case 'slack':
      return json('application/json', { text: escapeForSlack(`${sentenceOf(told)}${linkIn(data)}`) })
  }
}

const linkIn = ({ url }: Record<string, unknown>) =>
  typeof url === 'string' && url.startsWith('http') ? ` ${url}` : ''

/** Slack gives these three a meaning, and shows no more than some thousand characters well. */
const escapeForSlack = (text: string) =>
  text.slice(0, 3000).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** `webhook-signature`, one for each secret. `seconds`: the time of this try. Throws for what is no secret of ours. */
export function signatureOf(secrets: readonly string[], id: string, seconds: number, body: string): string {
  return secrets
    .map((secret) => {
      if (!secret.startsWith(SECRET_PREFIX)) throw new Error('the secret of a webhook is not one')
      const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
      return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`
    })
    .join(' ')
}

const textIn = (data: Record<string, unknown>, key: string): string => {
  const value = data[key]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
const because = (data: Record<string, unknown>) => (textIn(data, 'reason') === '' ? '' : `: ${textIn(data, 'reason')}`)

/** One sentence that a person understands. */
export function sentenceOf({ type, team, data }: Pick<Told, 'type' | 'team' | 'data'>): string {
  const text = (key: string) => textIn(data, key)
  const cluster = `Cluster ${text('name')} of team ${team}`
  switch (type) {
    case 'cluster.requested':
      return `${cluster} is asked for. It ends ${text('destroyAt')}.`
    case 'cluster.creating':
      return `${cluster} is being installed.`
    case 'cluster.ready':
      return `${cluster} is ready. It ends ${text('destroyAt')}.`
    case 'cluster.hibernated':
      return `${cluster} sleeps. It ends ${text('destroyAt')}.`
    case 'cluster.sleep_near':
      return `${cluster} is put to sleep ${text('at')}, in ${text('in')}: ${text('why')}.`
    case 'cluster.wake_near':
      return `${cluster} is woken ${text('at')}, in ${text('in')}, and kept awake for a day: ${text('why')}.`
    case 'cluster.failed':
      return `${cluster} has failed${because(data)}`
    case 'cluster.destroying':
      return `${cluster} is being destroyed.`
    case 'cluster.destroyed':
      return `${cluster} is gone, proved empty, cost ${Number(data['usd'] ?? 0).toFixed(2)} USD.`
    case 'cluster.destroy_failed':
      return `${cluster} could not be destroyed; it is tried again${because(data)}`
    case 'cluster.end_moved':
      return `${cluster} now ends ${text('destroyAt')}.`
    case 'cluster.end_near':
      return data['kind'] === 'past'
        ? `${cluster} is past its end since ${text('endedAt')}, and still costs money: it is protected until ${text('protectedUntil')} (${text('protectedReason')}).`
        : data['kind'] === 'time'
          ? `${cluster} comes to its end ${text('endedAt')}, in ${text('in')}, but lives on: it is protected until ${text('protectedUntil')} (${text('protectedReason')}).`
          : `${cluster} will be destroyed ${text('destroyAt')}, in ${text('in')}.`
    case 'job.ended':
      return `${text('job')} of cluster ${text('name')} of team ${team} has ended: ${text('status')}${because(data)}`
    case 'quota.near':
      return `Team ${team} comes to ${text('usd')} of ${text('limit')} USD in ${text('month')}.`
    case 'finding.filed':
      return `Found ${text('type')} of ${text('subject')}: ${text('detail')}`
    case 'webhook.disabled':
      return `Webhook ${text('origin')} of team ${team} is switched off: ${text('reason')}`
    case 'cluster.changed':
    case 'job.changed':
      return `${cluster} has changed.`
    case 'webhook.test':
      return `This is a test of the webhook of team ${team}.`
  }
}
