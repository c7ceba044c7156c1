// Links in a warning, by which its reader answers it. A link is a sealed text: for whom, what, of which cluster, until
// when. The end's revision is in it, so that any move of the end, by a link or otherwise, makes it void.
import { eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import { explain } from '../auth/permissions.ts'
import { type Caller, type Origin, principalName } from '../auth/principal.ts'
import { destroyCluster } from '../clusters/commands.ts'
import { extendCluster, timeOf } from '../clusters/end.ts'
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

type LinkAction = 'extend' | 'destroy'
type Link = { clusterId: string; endRevision: number; action: LinkAction; to: string; until: number }
export type Offer = { says: string; url: string }

/** What the reader of a warning of this end may do by a link. None where the service does not know its own address. */
export function linksFor({ box, config }: Pick<App, 'box' | 'config'>, cluster: ClusterRow, to: string): Offer[] {
  if (config.publicUrl === undefined || !hasOpenEnd(cluster.status)) return []
  const { at } = latestEnd(cluster.profileSnapshot.lifecycle, cluster.createdAt, new Date())
  const offers: { action: LinkAction; says: string }[] = []
  if (at.getTime() > cluster.destroyAt.getTime() + MINUTE_MS)
    offers.push({ action: 'extend', says: 'Let it live as long as is allowed' })
  if (!cluster.protected) offers.push({ action: 'destroy', says: 'Destroy it now' })
  const until = destroyStartsAt(cluster).getTime()
  return offers.map(({ action, says }) => {
    const link: Link = { clusterId: cluster.id, endRevision: cluster.endRevision, action, to, until }
    const token = box.seal(JSON.stringify(link), CONTEXT).toString('base64url')
    return { says, url: `${config.publicUrl}/links/${token}` }
  })
}

/** What a link would do, for the page that asks. */
export type Question = { action: LinkAction; to: string; cluster: ClusterRow; extendedTo: Date }

/** Throws NOT_FOUND for what is no link, NOT_IN_STATE for one that is used or void. */
export async function readLink(app: Pick<App, 'db' | 'box'>, token: string): Promise<Question> {
  const link = openLink(app, token)
  const [cluster] = await app.db.select().from(clusters).where(eq(clusters.id, link.clusterId))
  return questionOf(link, cluster, new Date())
}

function questionOf(link: Link, cluster: ClusterRow | undefined, now: Date): Question {
  if (!cluster) throw new AppError('NOT_FOUND', 'the cluster of this link is not known here')
  if (cluster.endRevision !== link.endRevision || !hasOpenEnd(cluster.status) || now.getTime() > link.until)
    throw new AppError('NOT_IN_STATE', `this link is used up or over: cluster ${cluster.name} is ${cluster.status}, and its end has been moved, has come, or was answered`) // prettier-ignore
  const { at } = latestEnd(cluster.profileSnapshot.lifecycle, cluster.createdAt, now)
  return { action: link.action, to: link.to, cluster, extendedTo: at }
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
): Promise<ClusterRow> {
  const link = openLink(app, token)
  const [locked, now] = await Promise.all([lockCluster(tx, link.clusterId), timeOf(tx)])
  const { cluster, extendedTo } = questionOf(link, locked, now)
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
  const wanted = link.action === 'extend' ? 'cluster.extend' : 'cluster.destroy'
  const verdict = explain(by, wanted, cluster)
  if (!verdict.allowed)
    throw new AppError('FORBIDDEN', `${principalName(principal)} may not do this: ${verdict.because}. A role that comes from a group counts only for those who sign in`) // prettier-ignore
  if (link.action === 'extend') return (await extendCluster(app, tx, by, cluster.id, { until: extendedTo })).cluster
  return (await destroyCluster(app, tx, by, cluster.id)).cluster
}

function openLink({ box }: Pick<App, 'box'>, token: string): Link {
  try {
    return JSON.parse(box.open(Buffer.from(token, 'base64url'), CONTEXT).toString()) as Link // as linksFor wrote it
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error
    throw new AppError('NOT_FOUND', 'this is not a link of this service, or it was cut off')
  }
}
