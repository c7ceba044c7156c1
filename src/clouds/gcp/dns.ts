// Zones, and records under the cluster's domain, in the project and in that of its network.
import { z } from 'zod'
import { NotAnswered, timeOf } from '../asking.ts'
import { unclear, type RecordsAnswer, type Resource } from '../inventory.ts'
import { installersNames, ownNames } from '../names.ts'
import type { Owners } from './owners.ts'
import type { Labels, Session } from './session.ts'

const zoneForm = z.looseObject({
  name: z.string(),
  dnsName: z.string(),
  visibility: z.string().default('public'),
  labels: z.record(z.string(), z.string()).default({}),
  creationTime: z.string().optional(),
})
const recordForm = z.looseObject({ name: z.string(), type: z.string(), rrdatas: z.array(z.string()).default([]) })

type Zone = {
  id: string
  project: string
  name: string
  domain: string
  isPrivate: boolean
  labels: Labels
  madeAt?: string
}
type Standing = Resource & { zone: Zone; targets: string[] }

const ZONES = 'dns.managedZones.list'
const RECORDS = 'dns.resourceRecordSets.list'

/** `ips`: the addresses that are the cluster's. */
export async function findRecords(session: Session, owners: Owners, ips: Set<string>): Promise<Resource[]> {
  const { query } = session
  const isOurs = ({ name, labels }: Zone) => owners.isName(name) || owners.isLabelled(labels)
  // The records of the cluster's own zone go with it.
  const { zones, ownZones, records } = await readDomain(session, isOurs)
  const pointsToOurs = ({ targets }: Standing) =>
    targets.some((target) => ips.has(target) || owners.isName(plain(target)))
  const keyOf = ({ labels }: Zone) => (owners.isLabelled(labels) ? 'tag' : 'name')
  const ours = [
    ...zones.filter(isOurs).map((zone) => showZone(zone, keyOf(zone))),
    ...records.filter(pointsToOurs).map(show),
  ]
  const others = [...ownZones.map((zone) => showZone(zone)), ...records.filter((each) => !pointsToOurs(each)).map(show)]
  const madeSince = others.filter(({ id }) => !query.stoodBefore?.includes(id))
  if (query.records === 'unclear' && madeSince.length > 0) session.heard.notChecked.push(unclear(madeSince))
  return query.records === 'all' ? [...ours, ...madeSince] : ours
}

/** What stands under the cluster's domain, whoever made it. */
export async function findStanding(session: Session): Promise<RecordsAnswer> {
  const { ownZones, records } = await readDomain(session, () => false)
  const { api, apiInt, apps } = installersNames(domainOf(session))
  const isTaken = ({ name, zone }: Standing) => [api, apps].includes(name) || (zone.isPrivate && name === apiInt)
  return {
    found: [...ownZones.map((zone) => showZone(zone)), ...records.map(show)],
    taken: records.filter(isTaken).map((each) => ({ ...show(each), targets: each.targets })),
    notChecked: [],
  }
}

export async function listZones(session: Session): Promise<Zone[]> {
  const found: Zone[] = []
  for (const project of session.projects) {
    const url = session.at('dns', `/dns/v1/projects/${project}/managedZones`, { maxResults: '1000' })
    for (const each of await session.list({ permission: ZONES, url }, 'managedZones', zoneForm))
      found.push({
        id: `projects/${project}/managedZones/${each.name}`,
        project,
        name: each.name,
        domain: plain(each.dnsName),
        isPrivate: each.visibility === 'private',
        labels: each.labels,
        ...timeOf(each.creationTime),
      })
  }
  return found
}

const domainOf = ({ query }: Session) => `${query.name}.${query.baseDomain}`.toLowerCase()
const isUnder = (name: string, parent: string) => name === parent || name.endsWith(`.${parent}`)
const plain = (name: string) => name.toLowerCase().replace(/\.$/, '')
const show = ({ id, type, name, region }: Resource): Resource => ({ id, type, name, region, key: 'dns' })
export const showZone = ({ id, name, madeAt }: Zone, key: Resource['key'] = 'dns'): Resource => ({
  id,
  type: 'managed-zone',
  name,
  region: 'global',
  ...(key && { key }),
  ...(madeAt === undefined ? {} : { madeAt }),
})

async function readDomain(session: Session, isOurs: (zone: Zone) => boolean) {
  const domain = domainOf(session)
  const baseDomain = session.query.baseDomain.toLowerCase()
  const zones = await listZones(session)
  const base = zones.find((zone) => !zone.isPrivate && zone.domain === baseDomain)
  // Where nobody can see the zone of the public records, nobody can tell that they are gone.
  if (!base && !session.query.isPrivate)
    throw new NotAnswered(ZONES, `${session.projects.join(' and ')} has no public zone ${baseDomain}`)
  const ownZones = zones.filter((zone) => zone.isPrivate && zone.domain === domain && !isOurs(zone))
  const read: Standing[] = []
  for (const zone of zones)
    if (isUnder(domain, zone.domain) && !isOurs(zone)) read.push(...(await listRecords(session, zone, domain)))
  // In other zones, only the installer's own names tell that a cluster of this name is meant.
  const written = new Set([base?.id, ...ownZones.map(({ id }) => id)])
  const names = Object.values(installersNames(domain))
  const isOwnName = ownNames(domain, read.map(({ name }) => name)) // prettier-ignore
  const records = read.filter(({ zone, name }) => isOwnName(name) && (names.includes(name) || written.has(zone.id)))
  return { zones, ownZones, records }
}

async function listRecords(session: Session, zone: Zone, domain: string): Promise<Standing[]> {
  const filter = `name=has_suffix("${domain}.")`
  const url = session.at('dns', `/dns/v1/${zone.id}/rrsets`, { maxResults: '1000', filter })
  const records = await session.list({ permission: RECORDS, url }, 'rrsets', recordForm)
  session.heard.zones.add(`${zone.domain} (${zone.id})`)
  return records.map(({ name, type, rrdatas }) => ({
    id: `${zone.id}/rrsets/${plain(name)}/${type}`,
    type: 'dns-record',
    name: plain(name),
    region: 'global',
    zone,
    targets: rrdatas,
  }))
}
