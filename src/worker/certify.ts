// What a proof of emptiness is made of, for its certificate.
import { lagSecondsOf, type InventoryAnswer } from '../clouds/inventory.ts'
import { queryOfWhole } from '../clusters/inventory-query.ts'
import { TYPE, type Facts, type Look } from '../emptiness/certificate.ts'
import { newId } from '../ids.ts'
import type { Operation } from './operation.ts'

/** `ran`: the installer's destroyer did. `told`: what is worth knowing of it. */
export type Proved = { ran: boolean; looks: Look[]; told?: string }

export const lookOf = (at: Date, answer: InventoryAnswer): Look => ({
  at: at.toISOString(),
  account: answer.account ?? null,
  zones: answer.zones ?? [],
  checked: answer.checked,
  notChecked: answer.notChecked.map(({ kind, why, isOptional = false }) => ({ kind, why, isOptional })),
  found: answer.found.length,
  lingering: (answer.lingering ?? []).map(({ id, type, name, region }) => ({ id, type, name, region })),
})

export async function factsOf({ app, claim }: Operation, { ran, looks, told }: Proved): Promise<Facts> {
  const { cluster, job } = claim
  const { id, name, platform, region, baseDomain, team, owner, requestedBy, createdAt } = cluster
  const query = await queryOfWhole(app.db, cluster)
  return {
    type: TYPE,
    id: newId('crt'),
    issuedAt: new Date().toISOString(),
    installation: app.installationId,
    isSimulated: app.config.installerDir === undefined,
    cluster: {
      id,
      name,
      platform,
      region,
      baseDomain,
      team,
      owner,
      requestedBy,
      createdAt: createdAt.toISOString(),
      infraIds: query.infraIds,
    },
    job: { id: job.id, type: job.type },
    askedBy: {
      clusterTag: `ocpctl-cluster-id=${id}`,
      infraIds: query.infraIds,
      namePrefixes: query.infraIds.map((infraId) => `${infraId}-`),
      domain: `${name}.${baseDomain}`,
      records: query.records,
      stoodBefore: query.stoodBefore ?? [],
    },
    lagSeconds: lagSecondsOf[platform],
    looks,
    installer: { ran, warning: told ?? null },
    result: 'empty',
  }
}
