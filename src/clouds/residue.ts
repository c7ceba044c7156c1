// What the destroyers of the installer are known to leave on each cloud, although they end well. Pure.
import type { Platform } from '../vocabulary.ts'
import type { Resource } from './inventory.ts'

/** `canGo`: it was found by what only the cluster's own things have, and not by its name alone, unless it can have nothing else. */
export type Residue = { resource: Resource; why: string; canGo: boolean }

/** In the order in which the things can be taken away. */
const known: Record<Platform, { types: string[]; why: string; hasNameAlone?: true }[]> = {
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
    { types: ['iam-authorization'], why: 'it stands in the account, and not in the network' },
    { types: ['service-id'], why: 'it stands in the account, and not in the network', hasNameAlone: true },
  ],
}

/** Which of what was found the installer is known to leave, in the order in which it can go. */
export function planResidue(platform: Platform, found: Resource[]): Residue[] {
  return known[platform].flatMap(({ types, why, hasNameAlone = false }) =>
    types.flatMap((type) =>
      found
        .filter((resource) => resource.type === type && resource.billable !== false)
        .map((resource) => ({
          resource,
          why,
          canGo: resource.key !== undefined && (hasNameAlone || resource.key !== 'name'),
        })),
    ),
  )
}

/** In words: what a destroyer of this cloud is known to leave. */
export const describeKnown = (platform: Platform): { types: string[]; why: string }[] =>
  known[platform].map(({ types, why }) => ({ types, why }))

/**
 * What keeps the destroyer of a cloud waiting for ever, so that it must go first. On Google Cloud that is every firewall rule in the cluster's own
 * network whose name does not begin with the infraID.
 */
export function inTheWay(platform: Platform, infraId: string, things: Resource[]): Resource[] {
  if (platform !== 'gcp') return []
  return things.filter(({ type, name }) => type === 'firewall' && !name.startsWith(`${infraId}-`))
}
