// Takes away one thing that is the cluster's: a DNS record, or a disk that stands outside of the cluster's group.
import { NotAnswered } from '../asking.ts'
import type { Resource } from '../inventory.ts'
import { apiVersions, type Session } from './session.ts'

/** Throws NotAnswered. */
export async function removeResource({ rest, origin }: Session, { id, type }: Resource): Promise<void> {
  // An id is a path: provider, kind, name, and for a record its own kind and name.
  const [, provider = '', path = ''] = /\/providers\/([^/]+)\/(.+)$/.exec(id) ?? []
  const [kind = '', , part] = path.split('/')
  const version = versions[`${provider}/${kind}`]
  const permission = [provider, kind, ...(part === undefined ? [] : [part.toUpperCase()]), 'delete'].join('/')
  if (version === undefined || (type === 'dns-record') !== (part !== undefined))
    throw new NotAnswered(permission, `${id} is nothing that this service takes away`)
  return rest.remove({ permission, url: `${origin}${id}?api-version=${version}` })
}

/** Of what may be taken away. */
const versions: Record<string, string> = {
  'microsoft.network/dnszones': apiVersions.dnsZones,
  'microsoft.network/privatednszones': apiVersions.privateDnsZones,
  'microsoft.compute/disks': apiVersions.disks,
  'microsoft.compute/snapshots': apiVersions.disks,
}
