// Takes away one thing that is the cluster's. Google answers before it is gone, so the inventory tells when it is.
import { NotAnswered } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import type { Session } from './session.ts'

/** Lists whose permissions have another name where the thing is global, or regional. */
const global: Record<string, string> = { addresses: 'globalAddresses', forwardingRules: 'globalForwardingRules' }
const regional: Record<string, string> = {
  backendServices: 'regionBackendServices',
  healthChecks: 'regionHealthChecks',
  targetTcpProxies: 'regionTargetTcpProxies',
}

/** Throws NotAnswered. */
export async function removeResource({ at, remove }: Session, { id, type }: Resource): Promise<void> {
  if (type === 'dns-record') return removeRecord({ at, remove }, id)
  const [, scope = '', list = ''] = /^projects\/[^/]+\/(global|(?:zones|regions)\/[^/]+)\/(\w+)\/[^/]+$/.exec(id) ?? []
  if (list === '')
    throw new NotAnswered(`compute.${type}.delete`, `${id} is not the address of a thing in Compute Engine`)
  const named = (scope === 'global' ? global : scope.startsWith('regions/') ? regional : {})[list] ?? list
  return remove({ permission: `compute.${named}.delete`, url: at('compute', `/compute/v1/${id}`) })
}

/** The inventory's ids have names without the dot at the end. */
async function removeRecord({ at, remove }: Pick<Session, 'at' | 'remove'>, id: string): Promise<void> {
  const [, zone = '', name = '', type = ''] =
    /^(projects\/[^/]+\/managedZones\/[^/]+)\/rrsets\/([^/]+)\/([^/]+)$/.exec(id) ?? []
  if (zone === '') throw new NotAnswered('dns.resourceRecordSets.delete', `${id} is not the address of a record`)
  const path = `/dns/v1/${zone}/rrsets/${encodeURIComponent(`${name}.`)}/${type}`
  return remove({ permission: 'dns.resourceRecordSets.delete', url: at('dns', path) })
}
