// Records under the cluster's domain: in Internet Services, whose zones are public, and in DNS Services, whose zones are
// private. No zone is ever the cluster's own, so the records outlive its network and its resource group.
import { z } from 'zod'
import { askAll, NotAnswered, showRefusal, type Told } from '../asking.ts'
import { unclear, type Place, type RecordsAnswer, type Resource } from '../inventory.ts'
import { installersNames, ownNames } from '../names.ts'
import { listDnsServices, listInternetServices, type Instance } from './account.ts'
import type { Session } from './session.ts'

const ZONES_A_PAGE = '1000'
const RECORDS_A_PAGE = '1000'
const MOST_DNS_SERVICES = '200'
const ZONES = 'Reader of internet-svcs'
const PRIVATE_ZONES = 'Reader of dns-svcs'

type Zone = { id: string; name: string; isPrivate: boolean; url: string }
/** `url`: its own, where the id stands for all of its name and type. */
export type StandingRecord = { id: string; name: string; zone: Zone; target: string | undefined; url: string }
export type Domain = { zones: Zone[]; records: StandingRecord[] }

const pageNumbers = z.object({ page: z.number(), per_page: z.number(), total_count: z.number() })
const zoneShape = z.object({ id: z.string(), name: z.string() })
const recordShape = z.object({ id: z.string(), name: z.string(), type: z.string(), content: z.string().optional() })
const privateRecordShape = recordShape.extend({
  rdata: z.looseObject({ cname: z.string().optional(), ip: z.string().optional() }).optional(),
})
const offsets = z.object({ offset: z.number(), total_count: z.number() })

const domainOf = ({ name, baseDomain }: Place) => `${name}.${baseDomain}`.toLowerCase()
const isUnder = (name: string, parent: string) => name === parent || name.endsWith(`.${parent}`)
const plain = (name: string) => name.toLowerCase().replace(/\.$/, '')
export const showRecord = ({ id, name }: StandingRecord): Resource => ({
  id,
  type: 'dns-record',
  name,
  region: 'global',
  key: 'dns',
})

/** What stands under the cluster's domain, whoever made it. Throws NotAnswered, also in an account that is not the cluster's. */
export async function readDomain(session: Session): Promise<Domain> {
  const zones = await listZones(session)
  requireBase([session.query], zones)
  const domain = domainOf(session.query)
  const near = zones.filter(({ name }) => isUnder(domain, name) || isUnder(name, domain))
  const read = orThrow(session, await askAll(near.map((zone) => () => listRecords(session, zone))))
  // In other zones, only the installer's own names tell that a cluster of this name is meant.
  const names = Object.values(installersNames(domain))
  const isOwnName = ownNames(domain, read.map(({ name }) => name)) // prettier-ignore
  const isWritten = ({ name }: Zone) => name === session.query.baseDomain.toLowerCase()
  const records = read.filter(({ zone, name }) => isOwnName(name) && (names.includes(name) || isWritten(zone)))
  return { zones, records }
}

/** In a wrong account everything looks empty. The right one has a zone that the installer writes into. Throws NotAnswered. */
export function requireBase(places: Omit<Place, 'name'>[], zones: Zone[]): void {
  const [place, ...others] = places
  if (place === undefined || others.some((each) => isBaseOf(each, zones)) || isBaseOf(place, zones)) return
  const [role, where] = place.isPrivate ? [PRIVATE_ZONES, 'DNS Services'] : [ZONES, 'Internet Services']
  throw new NotAnswered(role, `this account has no zone ${place.baseDomain} in ${where}`)
}

const isBaseOf = ({ baseDomain, isPrivate = false }: Omit<Place, 'name'>, zones: Zone[]) =>
  zones.some((zone) => zone.isPrivate === isPrivate && zone.name === baseDomain.toLowerCase())

/** Which of them the cluster has. `hostnames`: of its load balancers. */
export function ownRecords({ query, heard }: Session, { records }: Domain, hostnames: string[]): Resource[] {
  const { records: which, stoodBefore = [] } = query
  const pointsToOurs = ({ target }: StandingRecord) => target !== undefined && hostnames.includes(target)
  const ours = records.filter(pointsToOurs).map(showRecord)
  const others = records.filter((each) => !pointsToOurs(each)).map(showRecord)
  const madeSince = others.filter(({ id }) => !stoodBefore.includes(id))
  if (which === 'unclear' && madeSince.length > 0) heard.notChecked.push(unclear(madeSince))
  return which === 'all' ? [...ours, ...madeSince] : ours
}

export async function findStanding(session: Session): Promise<RecordsAnswer> {
  const { records } = await readDomain(session)
  const names = Object.values(installersNames(domainOf(session.query)))
  const taken = records
    .filter(({ name }) => names.includes(name))
    .map((each) => ({ ...showRecord(each), targets: each.target === undefined ? [] : [each.target] }))
  return { found: records.map(showRecord), taken, notChecked: [] }
}

export async function listZones(session: Session): Promise<Zone[]> {
  const services = await Promise.all([
    askAll([() => listInternetServices(session)]),
    askAll([() => listDnsServices(session)]),
  ])
  const [internet, dns] = services.map(({ answers }) => answers)
  const zones = await askAll([
    ...(internet ?? []).map((service) => () => listZonesOfInternetServices(session, service)),
    ...(dns ?? []).map((service) => () => listZonesOfDnsServices(session, service)),
  ])
  return orThrow(session, { ...zones, refusals: [...services.flatMap(({ refusals }) => refusals), ...zones.refusals] })
}

/** Throws the first of what was refused, and keeps the others. */
function orThrow<T>({ heard }: Session, { answers, refusals: [first, ...others] }: Told<T>): T[] {
  if (first === undefined) return answers
  heard.notChecked.push(...others.map(showRefusal))
  throw first
}

async function listZonesOfInternetServices({ list, endpoints }: Session, { crn }: Instance): Promise<Zone[]> {
  const url = `${endpoints.internetServices}/v1/${encodeURIComponent(crn)}/zones`
  const zones = await list({
    role: ZONES,
    url,
    params: { per_page: ZONES_A_PAGE },
    shape: z.object({ result: z.array(zoneShape), result_info: pageNumbers }),
    items: ({ result }) => result,
    more: ({ result_info }) => nextNumber(result_info),
  })
  return zones.map(({ id, name }) => ({ id, name: plain(name), isPrivate: false, url: `${url}/${id}/dns_records` }))
}

async function listZonesOfDnsServices({ list, endpoints }: Session, { guid }: Instance): Promise<Zone[]> {
  const url = `${endpoints.dnsServices}/v1/instances/${guid}/dnszones`
  const zones = await list({
    role: PRIVATE_ZONES,
    url,
    params: { limit: MOST_DNS_SERVICES },
    shape: offsets.extend({ dnszones: z.array(zoneShape) }),
    items: ({ dnszones }) => dnszones,
    more: ({ offset, total_count, dnszones }) => nextOffset(offset + dnszones.length, total_count),
  })
  return zones.map(({ id, name }) => ({
    id,
    name: plain(name),
    isPrivate: true,
    url: `${url}/${encodeURIComponent(id)}/resource_records`,
  }))
}

async function listRecords(session: Session, zone: Zone): Promise<StandingRecord[]> {
  const records = await (zone.isPrivate ? listPrivateRecords(session, zone) : listPublicRecords(session, zone))
  session.heard.zones.add(`${zone.name} (${zone.id})`)
  return records
}

async function listPublicRecords({ list }: Session, zone: Zone): Promise<StandingRecord[]> {
  const records = await list({
    role: ZONES,
    url: zone.url,
    params: { per_page: RECORDS_A_PAGE },
    shape: z.object({ result: z.array(recordShape), result_info: pageNumbers }),
    items: ({ result }) => result,
    more: ({ result_info }) => nextNumber(result_info),
  })
  return records.map((record) => standing(zone, record, record.content))
}

async function listPrivateRecords({ list }: Session, zone: Zone): Promise<StandingRecord[]> {
  const records = await list({
    role: PRIVATE_ZONES,
    url: zone.url,
    params: { limit: MOST_DNS_SERVICES },
    shape: offsets.extend({ resource_records: z.array(privateRecordShape) }),
    items: ({ resource_records }) => resource_records,
    more: ({ offset, total_count, resource_records }) => nextOffset(offset + resource_records.length, total_count),
  })
  return records.map((record) => standing(zone, record, record.rdata?.cname ?? record.rdata?.ip))
}

function standing(zone: Zone, record: z.infer<typeof recordShape>, target: string | undefined): StandingRecord {
  const name = plain(record.name)
  return {
    id: `${zone.id}/${name}/${record.type}`,
    name,
    zone,
    target: target && plain(target),
    url: `${zone.url}/${encodeURIComponent(record.id)}`,
  }
}

/** `count` is the number on the page, and `total_count` of all. */
const nextNumber = ({ page, per_page, total_count }: z.infer<typeof pageNumbers>) =>
  page * per_page < total_count ? { page: String(page + 1) } : undefined

const nextOffset = (reached: number, total: number) => (reached < total ? { offset: String(reached) } : undefined)
