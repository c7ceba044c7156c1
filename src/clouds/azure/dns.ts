// Zones, and records under the cluster's domain. Azure lets several zones of one name stand in different groups.
import { z } from 'zod'
import { NotAnswered } from '../asking.ts'
import { unclear, type Place, type RecordsAnswer, type Resource } from '../inventory.ts'
import { installersNames, ownNames } from '../names.ts'
import type { Ownership } from './ownership.ts'
import { apiVersions, groupOf, listAll, lower, tags, type Session } from './session.ts'

type Zone = { id: string; name: string; group: string; isPrivate: boolean; tags: z.infer<typeof tags> }
type Standing = Resource & { zone: Zone; targets: string[]; pointsToOurs: boolean; isOfAnother: boolean }

const kinds = {
  public: { path: 'dnsZones', all: 'all', version: apiVersions.dnsZones, type: 'microsoft.network/dnszones' },
  private: {
    path: 'privateDnsZones',
    all: 'ALL',
    version: apiVersions.privateDnsZones,
    type: 'microsoft.network/privatednszones',
  },
}
const kindOf = ({ id }: Zone) => (id.includes('/privatednszones/') ? kinds.private : kinds.public)

const zoneSchema = z.object({
  id: lower,
  name: lower,
  tags,
  properties: z.object({ zoneType: z.string().nullish() }).nullish(),
})

const alias = z.object({ cname: lower.nullish() }).nullish()
const recordSchema = z.object({
  id: lower,
  name: lower,
  properties: z
    .object({
      metadata: tags,
      targetResource: z.object({ id: lower.nullish() }).nullish(),
      // The two services write it differently.
      CNAMERecord: alias,
      cnameRecord: alias,
    })
    .nullish(),
})

/** What of the records and zones under the cluster's domain is its own. */
export async function findOwnRecords(session: Session, ownership: Ownership): Promise<Resource[]> {
  const { query } = session
  const { ownZones, records } = await readDomain(session, ownership)
  const isOurs = (zone: Zone) => ownership.isTagged(zone.tags) || ownership.isInOwnGroup(zone.group)
  const areOurs = records.filter(({ pointsToOurs, zone }) => pointsToOurs || isOurs(zone))
  const ours = [...ownZones.filter(isOurs).map(showZone), ...areOurs.map(show)]
  // Of zones only those of the domain itself are a cluster's; the others are everybody's, whoever has tagged them.
  const zonesOfOthers = ownZones.filter((zone) => !isOurs(zone) && ownership.isOfAnother(zone.tags))
  const others = [
    ...ownZones.filter((zone) => !isOurs(zone) && !zonesOfOthers.includes(zone)).map(showZone),
    ...records
      .filter((each) => !areOurs.includes(each) && !each.isOfAnother && !zonesOfOthers.includes(each.zone))
      .map(show),
  ]
  const madeSince = others.filter(({ id }) => !query.stoodBefore?.includes(id))
  if (query.records === 'unclear' && madeSince.length > 0) session.heard.notChecked.push(unclear(madeSince))
  return query.records === 'all' ? [...ours, ...madeSince] : ours
}

/** What stands under the cluster's domain, whoever made it. */
export async function findStanding(session: Session, ownership: Ownership): Promise<RecordsAnswer> {
  const { ownZones, records } = await readDomain(session, ownership)
  const { api, apiInt, apps } = installersNames(domainOf(session))
  const isTaken = ({ name, zone }: Standing) => [api, apps].includes(name) || (zone.isPrivate && name === apiInt)
  const taken = records.filter(isTaken).map((each) => ({ ...show(each), targets: each.targets }))
  return { found: [...ownZones.map(showZone), ...records.map(show)], taken, notChecked: [] }
}

const domainOf = ({ query }: Session) => `${query.name}.${query.baseDomain}`.toLowerCase()
const isUnder = (name: string, parent: string) => name === parent || name.endsWith(`.${parent}`)
const show = ({ id, type, name, region }: Resource): Resource => ({ id, type, name, region, key: 'dns' })
const showZone = (zone: Zone): Resource => ({
  id: zone.id,
  type: kindOf(zone).type,
  name: zone.name,
  region: 'global',
  key: 'dns',
})

async function readDomain(session: Session, ownership: Ownership) {
  const { query } = session
  const domain = domainOf(session)
  const zones = await listZones(session)
  await requireSubscription(session, query, zones)
  const ownZones = zones.filter((zone) => zone.isPrivate && zone.name === domain)
  const read: Standing[] = []
  for (const zone of zones) if (isUnder(domain, zone.name)) read.push(...(await listRecords(session, ownership, zone)))

  // In other zones, only the installer's own names tell that a cluster of this name is meant.
  const written = new Set([...zones.filter((zone) => isBase(zone, query)), ...ownZones].map(({ id }) => id))
  const names = Object.values(installersNames(domain))
  const isOwnName = ownNames(domain, read.map(({ name }) => name)) // prettier-ignore
  const records = read.filter(({ zone, name }) => isOwnName(name) && (names.includes(name) || written.has(zone.id)))
  return { ownZones, records }
}

export async function listZones(session: Session): Promise<Zone[]> {
  const listed = []
  for (const { path, version } of Object.values(kinds))
    listed.push(
      ...(await listAll(session, {
        permission: `Microsoft.Network/${path}/read`,
        url: `${session.home}/providers/Microsoft.Network/${path}?api-version=${version}`,
        item: zoneSchema,
      })),
    )
  return listed.map(({ id, name, tags: given, properties }) => ({
    id,
    name,
    tags: given,
    group: groupOf(id),
    // Old private zones stand among the public ones.
    isPrivate: id.includes('/privatednszones/') || properties?.zoneType === 'Private',
  }))
}

const isBase = ({ name, isPrivate, group }: Zone, { baseDomain, azure }: Omit<Place, 'name'>) =>
  !isPrivate &&
  name === baseDomain.toLowerCase() &&
  (azure?.baseDomainResourceGroup === undefined || group === azure.baseDomainResourceGroup.toLowerCase())

/**
 * In a wrong subscription everything looks empty. The right one has the zone that holds the public records. For a
 * private cluster, which has none, it has the profile's network, or it is the one that the profile names.
 */
export async function requireSubscription(
  { rest, home, subscriptionId }: Session,
  place: Omit<Place, 'name'>,
  zones: Zone[],
): Promise<void> {
  const { baseDomain, azure, isPrivate = false } = place
  const wanted = azure?.subscription?.toLowerCase()
  if (wanted !== undefined && wanted !== subscriptionId)
    throw new NotAnswered(
      'Microsoft.Resources/subscriptions/read',
      `the credentials are of the subscription ${subscriptionId}, and the profile is of ${wanted}`,
    )
  if (azure?.network) {
    const { resourceGroup, virtualNetwork } = azure.network
    const permission = 'Microsoft.Network/virtualNetworks/read'
    const path = `resourceGroups/${encodeURIComponent(resourceGroup)}/providers/Microsoft.Network/virtualNetworks/${encodeURIComponent(virtualNetwork)}`
    const network = await rest.find({ permission, url: `${home}/${path}?api-version=${apiVersions.networks}` })
    if (network === undefined)
      throw new NotAnswered(
        permission,
        `the subscription ${subscriptionId} has not the network ${virtualNetwork} of the profile in ${resourceGroup}`,
      )
  }
  if (zones.some((zone) => isBase(zone, place))) return
  const where = azure?.baseDomainResourceGroup === undefined ? '' : ` in ${azure.baseDomainResourceGroup}`
  const lack = `the subscription ${subscriptionId} has no public zone ${baseDomain}${where}`
  if (!isPrivate) throw new NotAnswered('Microsoft.Network/dnsZones/read', lack)
  if (!azure?.network && azure?.subscription === undefined)
    throw new NotAnswered(
      'Microsoft.Network/dnsZones/read',
      `${lack}, and the profile names neither a network nor a subscription to know it by`,
    )
}

/** The records below the cluster's domain. Azure is asked for names that end so, and may answer more. */
async function listRecords(session: Session, ownership: Ownership, zone: Zone): Promise<Standing[]> {
  const kind = kindOf(zone)
  const domain = domainOf(session)
  const suffix = domain === zone.name ? '' : `&$recordsetnamesuffix=${domain.slice(0, -zone.name.length - 1)}`
  const permission = `Microsoft.Network/${kind.path}/${kind.all}/read`
  let isMissing = false
  const records = await listAll(session, {
    permission,
    url: `${session.origin}${zone.id}/${kind.all}?api-version=${kind.version}${suffix}`,
    item: recordSchema,
    onMissing: () => (isMissing = true),
  })
  if (isMissing) {
    const url = `${session.origin}${zone.id}?api-version=${kind.version}`
    const isThere = (await session.rest.find({ permission: `Microsoft.Network/${kind.path}/read`, url })) !== undefined
    if (isThere) throw new NotAnswered(permission, `the zone ${zone.name} is there, and its records are not`)
  }
  session.heard.zones.add(`${zone.name} (${zone.id})`)
  return records.map(({ id, name, properties }) => {
    const { metadata = {}, targetResource, CNAMERecord, cnameRecord } = properties ?? {}
    const target = (CNAMERecord ?? cnameRecord)?.cname ?? ''
    const aliased = targetResource?.id ?? ''
    return {
      id,
      type: 'dns-record',
      name: name === '@' ? zone.name : `${name}.${zone.name}`,
      region: 'global',
      zone,
      targets: [target, aliased.split('/').at(-1) ?? ''].filter((each) => each !== ''),
      pointsToOurs:
        ownership.isTagged(metadata) ||
        ownership.isInOwnGroup(groupOf(aliased)) ||
        ownership.isNamed(target) ||
        session.query.infraIds.some((infraId) => target.startsWith(`${infraId}.`)),
      isOfAnother: ownership.isOfAnother(metadata),
    }
  })
}
