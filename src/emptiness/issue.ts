// Issues a certificate in the transaction that makes a cluster DESTROYED, and hands it out.
import { createHash } from 'node:crypto'
import { desc, eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor, Caller } from '../auth/principal.ts'
import { clusterFor } from '../clusters/queries.ts'
import type { Db, Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { doubtsOf, type Facts } from './certificate.ts'
import { signingKeyOf } from './signature.ts'
import { certificateKeys, emptinessCertificates } from './tables.ts'

const WORKER: Actor = { kind: 'system', name: 'worker' }

/** Throws when the facts do not bear out that nothing was left. */
export async function issueCertificate(tx: Transaction, { box }: Pick<App, 'box'>, facts: Facts): Promise<void> {
  const [doubt] = doubtsOf(facts)
  if (doubt) throw new Error(`no certificate for ${facts.cluster.id}: ${doubt.field}: ${doubt.why}`)
  const { publicKey, sign } = await signingKeyOf(box)
  const document = `${JSON.stringify(await sign(facts), null, 2)}\n`
  const sha256 = createHash('sha256').update(document).digest('hex')
  const { id, cluster, job } = facts
  await tx.insert(certificateKeys).values({ kid: publicKey.kid, jwk: publicKey }).onConflictDoNothing()
  await tx.insert(emptinessCertificates).values({
    id,
    clusterId: cluster.id,
    jobId: job.id,
    document,
    sha256,
    issuedAt: new Date(facts.issuedAt),
  })
  writeAudit(tx, WORKER, {
    action: 'cluster.certify-emptiness',
    clusterId: cluster.id,
    jobId: job.id,
    detail: { id, sha256, kid: publicKey.kid },
  })
}

/** The newest one of a cluster, as it was signed. Throws NOT_FOUND. */
export async function readCertificate(db: Db, by: Caller, clusterId: string): Promise<string> {
  const cluster = await clusterFor(db, by, 'cluster.read', clusterId)
  // Something may have turned up since the last one.
  if (cluster.status !== 'DESTROYED')
    throw new AppError(
      'NOT_FOUND',
      `${cluster.name} is ${cluster.status}; its certificate is issued in the moment in which it becomes DESTROYED`,
    )
  const [row] = await db
    .select({ document: emptinessCertificates.document })
    .from(emptinessCertificates)
    .where(eq(emptinessCertificates.clusterId, cluster.id))
    .orderBy(desc(emptinessCertificates.id))
    .limit(1)
  if (row) return row.document
  throw new AppError('NOT_FOUND', `${cluster.name} was destroyed by a release that issued no certificates`)
}

/** Those that ever signed, and the one that signs now. */
export async function listPublicKeys({ db, box }: Pick<App, 'db' | 'box'>): Promise<Record<string, unknown>[]> {
  const rows = await db
    .select({ jwk: certificateKeys.jwk })
    .from(certificateKeys)
    .orderBy(desc(certificateKeys.createdAt))
  const { publicKey } = await signingKeyOf(box)
  const older = rows.map(({ jwk }) => jwk).filter((each) => each['kid'] !== publicKey.kid)
  return [publicKey, ...older]
}
