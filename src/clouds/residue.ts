// What the destroyers of the installer are known to leave on each cloud, although they end well. Pure.
import type { Platform } from '../vocabulary.ts'
import type { InventoryQuery, Place, Resource } from './inventory.ts'
import { installersNames } from './names.ts'

/**
 * `canGo`: it was found by what only the cluster's own things have, and not by its name alone. Of DNS records, only those
 * under the installer's own names can go: others may have made the rest.
 */
export type Residue = { resource: Resource; why: string; canGo: boolean }

/** In the order in which the things can be taken away. */
const known: Record<Platform, { types: string[]; why: string }[]> = {
  aws: [
    {
      types: ['dns-record'],
      why: 'public records are found by those of the private zone, and not any more once that is gone',
    },
    { types: ['volume', 'snapshot'], why: 'the storage driver made it, and was gone before it could take it away' },
    { types: ['iam-role'], why: 'IAM deletes no role to which somebody has attached another policy' },
  ],
  azure: [
    {
      types: ['dns-record'],
      why: 'public records are found by those of the private zone, and not any more once the resource group is gone',
    },
    {
      types: ['microsoft.compute/snapshots', 'microsoft.compute/disks'],
      why: "it stands outside of the cluster's resource group, and only that group is deleted",
    },
  ],
  gcp: [
    { types: ['dns-record'], why: 'public records are skipped when the private zone is not there' },
    {
      types: ['forwarding-rule', 'target-tcp-proxy', 'target-pool', 'backend-service', 'instance-group', 'health-check', 'http-health-check', 'firewall'], // prettier-ignore
      why: 'the cloud provider made it for a service, under a name of its own, and nobody waited for its deletion',
    },
    { types: ['address'], why: 'addresses of services are not waited for' },
    { types: ['disk', 'snapshot', 'resource-policy'], why: 'it was made for a volume claim, and is named after that' },
  ],
  ibmcloud: [
    {
      types: ['dns-record'],
      why: "records have the cluster's name and not its infraID, and are not always looked for",
    },
    {
      types: ['load-balancer', 'endpoint-gateway', 'floating-ip', 'instance', 'public-gateway', 'image', 'security-group'], // prettier-ignore
      why: 'the destroyer reads the first page of this list alone, or does not read it',
    },
    { types: ['snapshot', 'volume'], why: 'it was made for a volume claim, and is not looked for' },
    { types: ['iam-authorization', 'service-id'], why: 'it stands in the account, and not in the network' },
  ],
}

/** They carry no tags and belong to nothing. So one with an infraID in its name goes if it was made in the cluster's time. */
const MADE_IN_ITS_TIME = ['service-id']

/**
 * Which of what was found the installer is known to leave, in the order in which it can go. `since`: when the cluster was
 * asked for.
 */
export function planResidue({ platform, name, baseDomain }: Place, found: Resource[], since: Date): Residue[] {
  const names = Object.values(installersNames(`${name}.${baseDomain}`.toLowerCase()))
  const canGo = (each: Resource) =>
    each.key !== undefined &&
    (each.key !== 'name' || (MADE_IN_ITS_TIME.includes(each.type) && new Date(each.madeAt ?? 0) >= since)) &&
    (each.type !== 'dns-record' || names.includes(each.name.toLowerCase().replace(/\.$/, '')))
  return known[platform].flatMap(({ types, why }) =>
    types.flatMap((type) =>
      found
        .filter((resource) => resource.type === type && resource.billable !== false)
        .map((resource) => ({ resource, why, canGo: canGo(resource) })),
    ),
  )
}

/** What a destroyer of this cloud is known to leave. */
export const knownResidue = (platform: Platform): { types: string[]; why: string }[] => known[platform]

/**
 * What keeps the destroyer of a cloud waiting for ever, so that it must go first. On Google Cloud that is every firewall
 * rule in the cluster's own networks whose name does not begin with an infraID of the cluster.
 */
export function inTheWay(
  { platform, infraIds }: Pick<InventoryQuery, 'platform' | 'infraIds'>,
  things: Resource[],
): Resource[] {
  if (platform !== 'gcp') return []
  const isNamed = (name: string) => infraIds.some((infraId) => name.startsWith(`${infraId}-`))
  return things.filter(({ type, name }) => type === 'firewall' && !isNamed(name))
}
