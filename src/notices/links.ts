// Links in a warning, by which its reader answers it. A link is a sealed text: for whom, what, of which cluster, until
// when. The end's revision or the time of the sleep is in it, so that what moves these, a link or otherwise, makes it void.
import { eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import { explain } from '../auth/permissions.ts'
import { type Caller, type Origin, principalName } from '../auth/principal.ts'
import { destroyCluster } from '../clusters/commands.ts'
import { extendCluster, timeOf } from '../clusters/end.ts'
import { overrideOffHours } from '../clusters/off-hours.ts'
import { hasOpenEnd } from '../clusters/lifecycle.ts'
import { lockCluster } from '../clusters/queries.ts'
import { clusters, type ClusterRow } from '../clusters/tables.ts'
import type { Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { destroyStartsAt, latestEnd } from '../policy/end.ts'
import { SecretUnreadable } from '../secrets.ts'
import { principalOf } from './addresses.ts'

const CONTEXT = 'links'
const MINUTE_MS = 60_000
/** A sleep that is held up can still be skipped. */
const SLEEP_MS = 60 * MINUTE_MS

type Meant = { action: 'extend' | 'destroy'; endRevision: number } | { action: 'skip-sleep'; sleepAt: string }
type Link = { clusterId: string; to: string; until: number } & Meant
export type Offer = { says: string; url: string }
type Linking = Pick<App, 'box' | 'config'>

/** What the reader of a warning of this end may do by a link. None where the service does not know its own address. */
export function linksFor(app: Linking, cluster: ClusterRow, to: string): Offer[] {
  if (!hasOpenEnd(cluster.status)) return []
  const { endRevision } = cluster
  const { at } = latestEnd(cluster.profileSnapshot.lifecycle, cluster.createdAt, new Date())
  const until = destroyStartsAt(cluster).getTime()
  return [
    ...(at.getTime() > cluster.destroyAt.getTime() + MINUTE_MS
      ? offer(app, cluster, to, until, { action: 'extend', endRevision }, 'Let it live as long as is allowed')
      : []),
    ...(cluster.protected ? [] : offer(app, cluster, to, until, { action: 'destroy', endRevision }, 'Destroy it now')),
  ]
}

/** As linksFor, of the sleep that its owner was told of last. */
export function sleepLinksFor(app: Linking, cluster: ClusterRow, to: string): Offer[] {
  const { announcedFor } = cluster
  if (cluster.status !== 'READY' || announcedFor === null) return []
  const meant: Meant = { action: 'skip-sleep', sleepAt: announcedFor.toISOString() }
  return offer(app, cluster, to, announcedFor.getTime() + SLEEP_MS, meant, 'Skip this sleep')
}

function offer(
  { box, config }: Linking,
  { id }: ClusterRow,
  to: string,
  until: number,
  meant: Meant,
  says: string,
): Offer[] {
  if (config.publicUrl === undefined) return []
  const link: Link = { clusterId: id, to, until, ...meant }
  const token = box.seal(JSON.stringify(link), CONTEXT).toString('base64url')
  return [{ says, url: `${config.publicUrl}/links/${token}` }]
}

/** What a link would do, for the page that asks. */
export type Question = { to: string; cluster: ClusterRow } & (
  | { action: 'extend'; extendedTo: Date }
  | { action: 'destroy' }
  | { action: 'skip-sleep'; sleepAt: Date }
)

/** Throws NOT_FOUND for what is no link, NOT_IN_STATE for one that is used or void. */
export async function readLink(app: Pick<App, 'db' | 'box'>, token: string): Promise<Question> {
  const link = openLink(app, token)
  const [cluster] = await app.db.select().from(clusters).where(eq(clusters.id, link.clusterId))
  return questionOf(link, cluster, new Date())
}

function questionOf(link: Link, cluster: ClusterRow | undefined, now: Date): Question {
  if (!cluster) throw new AppError('NOT_FOUND', 'the cluster of this link is not known here')
  const { to } = link
  const isOver = now.getTime() > link.until
  if (link.action === 'skip-sleep') {
    if (isOver || cluster.status !== 'READY' || cluster.announcedFor?.toISOString() !== link.sleepAt)
      throw new AppError('NOT_IN_STATE', `this link is used up or over: cluster ${cluster.name} is ${cluster.status}, and this sleep has begun, was skipped or is no longer to come`) // prettier-ignore
    return { action: link.action, to, cluster, sleepAt: new Date(link.sleepAt) }
  }
  if (cluster.endRevision !== link.endRevision || !hasOpenEnd(cluster.status) || isOver)
    throw new AppError('NOT_IN_STATE', `this link is used up or over: cluster ${cluster.name} is ${cluster.status}, and its end has been moved, has come, or was answered`) // prettier-ignore
  if (link.action === 'destroy') return { action: link.action, to, cluster }
  const { at } = latestEnd(cluster.profileSnapshot.lifecycle, cluster.createdAt, now)
  return { action: link.action, to, cluster, extendedTo: at }
}

/**
 * Does what the link says, as the one it was made for, with the roles that are given to this principal itself now.
 * Throws as readLink, and as extendCluster and destroyCluster.
 */
export async function useLink(
  app: Pick<App, 'db' | 'box' | 'authenticators' | 'catalog' | 'queue'>,
  tx: Transaction,
  token: string,
  origin: Origin,
): Promise<{ cluster: ClusterRow; action: Question['action'] }> {
  const link = openLink(app, token)
  const [locked, now] = await Promise.all([lockCluster(tx, link.clusterId), timeOf(tx)])
  const asked = questionOf(link, locked, now)
  const { cluster } = asked
  const principal = principalOf(link.to)
  if (!principal) throw new AppError('NOT_FOUND', 'this link is of nobody')
  const by: Caller = {
    kind: 'caller',
    principal,
    groups: [],
    session: 'link',
    tokenId: undefined,
    scopes: ['read', 'write'],
    bindings: await app.authenticators.access.bindingsOf([principal], tx),
    origin,
  }
  const verdict = explain(by, actionOf[link.action], cluster)
  if (!verdict.allowed)
    throw new AppError('FORBIDDEN', `${principalName(principal)} may not do this: ${verdict.because}. A role that comes from a group counts only for those who sign in`) // prettier-ignore
  return { cluster: await answer(app, tx, by, asked), action: asked.action }
}

async function answer(
  app: Pick<App, 'db' | 'catalog' | 'queue'>,
  tx: Transaction,
  by: Caller,
  asked: Question,
): Promise<ClusterRow> {
  const { id } = asked.cluster
  switch (asked.action) {
    case 'extend':
      return (await extendCluster(app, tx, by, id, { until: asked.extendedTo })).cluster
    case 'skip-sleep':
      return overrideOffHours(tx, by, id, { skipNext: true })
    case 'destroy':
      return (await destroyCluster(app, tx, by, id)).cluster
  }
}

const actionOf = { extend: 'cluster.extend', destroy: 'cluster.destroy', 'skip-sleep': 'cluster.sleep' } as const

function openLink({ box }: Pick<App, 'box'>, token: string): Link {
  try {
    return JSON.parse(box.open(Buffer.from(token, 'base64url'), CONTEXT).toString()) as Link // as it was sealed above
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error
    throw new AppError('NOT_FOUND', 'this is not a link of this service, or it was cut off')
  }
}
