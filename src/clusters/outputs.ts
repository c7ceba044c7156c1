// What a READY cluster gives its owner. Credentials are sealed, and each reading of one is an audit event.
import { and, eq, sql } from 'drizzle-orm'
import { parse } from 'yaml'
import { z } from 'zod'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { Results } from '../installer/results.ts'
import { SecretUnreadable, type SecretBox } from '../secrets.ts'
import { infraLedger } from './infra-tables.ts'
import { clusterFor } from './queries.ts'
import { clusterOutputs } from './tables.ts'

const kubeconfigShape = z.looseObject({
  clusters: z.array(z.looseObject({ cluster: z.looseObject({ server: z.url() }) })).min(1),
})

export type Credential = 'kubeconfig' | 'kubeadmin-password'

export const contextOf = (clusterId: string, credential: Credential) => `cluster_outputs:${clusterId}:${credential}`

/**
 * The kubeconfig of a cluster that was READY and that no destroyer has touched yet, for the service's own use. Throws
 * SecretUnreadable.
 */
export async function openKubeconfig(db: Reader, box: SecretBox, clusterId: string): Promise<string | undefined> {
  const untouched = sql`exists (select 1 from ${infraLedger} l where l.cluster_id = ${clusterId} and l.empty_at is null and l.bootstrapped_at is not null)`
  const [row] = await db
    .select({ sealed: clusterOutputs.kubeconfigSealed })
    .from(clusterOutputs)
    .where(and(eq(clusterOutputs.clusterId, clusterId), untouched))
  return row && box.open(row.sealed, contextOf(clusterId, 'kubeconfig')).toString()
}

export type SealedOutputs = typeof clusterOutputs.$inferInsert

/** Throws when the kubeconfig is not a valid one. */
export function sealOutputs(box: SecretBox, clusterId: string, outputs: Results): SealedOutputs {
  // A pretty error would show the lines around the mistake, including credentials.
  const { clusters } = kubeconfigShape.parse(parse(outputs.kubeconfig, { prettyErrors: false }))
  return {
    clusterId,
    apiUrl: clusters[0]?.cluster.server ?? '',
    consoleUrl: outputs.consoleUrl,
    kubeconfigSealed: box.seal(outputs.kubeconfig, contextOf(clusterId, 'kubeconfig')),
    kubeadminPasswordSealed: box.seal(outputs.kubeadminPassword, contextOf(clusterId, 'kubeadmin-password')),
  }
}

export async function recordOutputs(tx: Transaction, outputs: SealedOutputs): Promise<void> {
  await tx.insert(clusterOutputs).values(outputs).onConflictDoUpdate({ target: clusterOutputs.clusterId, set: outputs })
}

/** Throws NOT_FOUND, FORBIDDEN, or NOT_IN_STATE unless the cluster is READY. */
export async function readOutputs(tx: Transaction, by: Actor, id: string) {
  const cluster = await clusterFor(tx, by, 'cluster.credentials', id)
  if (cluster.status !== 'READY' && cluster.status !== 'SCALING')
    throw new AppError('NOT_IN_STATE', `the cluster is ${cluster.status}; it has outputs when it is READY`)
  const [row] = await tx.select().from(clusterOutputs).where(eq(clusterOutputs.clusterId, id))
  if (!row) throw new AppError('NOT_FOUND', `${id} has no outputs`)
  return row
}

/**
 * As readOutputs, and throws UNAVAILABLE when the key of the credential is not configured. The reading is audited in
 * the same transaction.
 */
export async function readCredential(
  tx: Transaction,
  box: SecretBox,
  by: Actor,
  id: string,
  credential: Credential,
): Promise<string> {
  const row = await readOutputs(tx, by, id)
  writeAudit(tx, by, { action: `cluster.read-${credential}`, clusterId: id })
  const sealed = credential === 'kubeconfig' ? row.kubeconfigSealed : row.kubeadminPasswordSealed
  try {
    return box.open(sealed, contextOf(id, credential)).toString()
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error
    throw new AppError('UNAVAILABLE', `the ${credential} of ${id} does not open: ${error.message}`)
  }
}
