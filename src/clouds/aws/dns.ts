// Zones, and records under the cluster's domain.
import type { ListResourceRecordSetsRequest, ResourceRecordSet } from '@aws-sdk/client-route-53'
import { describeUnanswered, unclear, type Place, type RecordsAnswer, type Resource } from '../inventory.ts'
import { installersNames, ownNames } from '../names.ts'
import { NotAnswered, showRefusal } from '../asking.ts'
import { unlessMissing } from './answers.ts'
import { listSubnets } from './ec2.ts'
import { onePage, type Search, type Session } from './session.ts'

type RecordsFrom = Omit<ListResourceRecordSetsRequest, 'HostedZoneId'>
type Zone = { id: string; name: string; isPrivate: boolean }
type Client = Session['clients']['route53']
type Standing = Resource & { zone: Zone; targets: string[]; record: ResourceRecordSet; client: Client }

export function dnsSearch(session: Session): Search {
  const { query } = session
  return {
    knows: ({ service, type }) => service === 'route53' && type === 'hostedzone',
    async run(candidates) {
      const { zones, ownZones, records } = await readDomain(session)
      const tagged = new Set(candidates.map(({ resource }) => resource.replace('hostedzone/', '')))
      const isOurs = ({ id }: Zone) => tagged.has(id) && id !== query.hostedZone
      const areOurs = records.filter((each) => pointsToOurs(query.infraIds, each) || isOurs(each.zone))
      const ours = [...zones.filter(isOurs).map((zone) => showZone(zone, 'tag')), ...areOurs.map(show)]
      const others = [
        ...ownZones.filter((zone) => !isOurs(zone)).map((zone) => showZone(zone, 'dns')),
        ...records.filter((each) => !areOurs.includes(each)).map(show),
      ]
      const madeSince = others.filter(({ id }) => !query.stoodBefore?.includes(id))
      if (query.records === 'unclear' && madeSince.length > 0) session.heard.notChecked.push(unclear(madeSince))
      return query.records === 'all' ? [...ours, ...madeSince] : ours
    },
  }
}

/** What stands under the cluster's domain, whoever made it. */
export async function findStanding(session: Session): Promise<RecordsAnswer> {
  const { ownZones, records } = await readDomain(session)
  const { api, apiInt, apps } = installersNames(domainOf(session))
  const isTaken = ({ name, zone }: Standing) => [api, apps].includes(name) || (zone.isPrivate && name === apiInt)
  const taken = records.filter(isTaken).map((each) => ({ ...show(each), targets: each.targets }))
  return { found: [...ownZones.map((zone) => showZone(zone, 'dns')), ...records.map(show)], taken, notChecked: [] }
}

/** Those of one name and type, which differ by their routing. Throws NotAnswered. */
export async function removeRecords(session: Session, id: string): Promise<void> {
  const { sdk: { route53 }, ask, stop } = session // prettier-ignore
  const { records } = await readDomain(session)
  const meant = records.filter((each) => each.id === id)
  const [first] = meant
  if (!first) return
  const Changes = meant.map(({ record }) => ({ Action: 'DELETE' as const, ResourceRecordSet: record }))
  const asked = { HostedZoneId: first.zone.id, ChangeBatch: { Changes } }
  await ask(
    'route53:ChangeResourceRecordSets',
    onePage(() => first.client.send(new route53.ChangeResourceRecordSetsCommand(asked), stop)),
    () => [],
  )
}

const domainOf = ({ query }: Session) => `${query.name}.${query.baseDomain}`.toLowerCase()
const isUnder = (name: string, parent: string) => name === parent || name.endsWith(`.${parent}`)
const plain = (name = '') => name.toLowerCase().replace(/\.$/, '').replace('\\052', '*')
const show = ({ id, type, name, region }: Resource): Resource => ({ id, type, name, region, key: 'dns' })
const showZone = ({ id, name }: Zone, key: 'tag' | 'dns'): Resource => ({
  id,
  type: 'hosted-zone',
  name,
  region: 'global',
  key,
})

async function readDomain(session: Session) {
  const { query, clients } = session
  const domain = domainOf(session)
  const zones = await listZones(session)
  const base = findBase(zones, query)
  await requireAccount(session, query, base)
  const isBrought = ({ id }: Zone) => id === query.hostedZone
  const ownZones = zones.filter((zone) => zone.isPrivate && zone.name === domain && !isBrought(zone))
  const read: Standing[] = []
  for (const zone of zones)
    if (isUnder(domain, zone.name))
      read.push(...(await listRecords(session, clients.route53, zone).catch(unlessMissing)))
  if (query.hostedZone !== undefined && query.hostedZoneRole !== undefined) {
    const elsewhere = { id: query.hostedZone, name: domain, isPrivate: true }
    read.push(...(await listRecords(session, await openElsewhere(session, query.hostedZoneRole), elsewhere)))
  } else if (query.hostedZone !== undefined && !zones.some(isBrought))
    throw new NotAnswered('route53:ListHostedZones', `this account has not the zone ${query.hostedZone} of the profile`)

  // In other zones, only the installer's own names tell that a cluster of this name is meant.
  const written = new Set([base?.id, query.hostedZone, ...ownZones.map(({ id }) => id)])
  const names = Object.values(installersNames(domain))
  const isOwnName = ownNames(domain, read.map(({ name }) => name)) // prettier-ignore
  const records = read.filter(({ zone, name }) => isOwnName(name) && (names.includes(name) || written.has(zone.id)))
  return { zones, ownZones, records }
}

function listZones({ sdk: { route53 }, clients, ask, stop }: Session): Promise<Zone[]> {
  const pages = route53.paginateListHostedZones({ client: clients.route53 }, {}, stop)
  return ask('route53:ListHostedZones', pages, ({ HostedZones }) =>
    HostedZones?.map(({ Id = '', Name, Config }) => ({
      id: Id.replace('/hostedzone/', ''),
      name: plain(Name),
      isPrivate: Config?.PrivateZone === true,
    })),
  )
}

/**
 * In a wrong account everything looks empty. The right one has the zone that holds the public records. For a private
 * cluster, which has none, it has the subnets of the profile.
 */
async function requireAccount(
  session: Session,
  { baseDomain, region, subnets = [], isPrivate = false }: Omit<Place, 'name'>,
  base: Zone | undefined,
): Promise<void> {
  if (subnets.length > 0) {
    const there = await listSubnets(session, subnets)
    const missing = subnets.filter((id) => !there.some((each) => each.id === id))
    if (missing.length > 0)
      throw new NotAnswered(
        'ec2:DescribeSubnets',
        `this account has not the subnets ${missing.join(', ')} of the profile in ${region}`,
      )
  }
  if (!base && !(isPrivate && subnets.length > 0)) {
    const also = isPrivate ? ', and the profile names no subnets to know the account by' : ''
    throw new NotAnswered('route53:ListHostedZones', `this account has no public zone ${baseDomain}${also}`)
  }
}

/** Why clusters at none of these places, which are in the session's region, may be in this account. */
export async function doubtAccount(session: Session, places: Omit<Place, 'name'>[]): Promise<string | undefined> {
  try {
    const zones = await listZones(session)
    await Promise.any(places.map((place) => requireAccount(session, place, findBase(zones, place))))
    return undefined
  } catch (error) {
    const errors: unknown[] = error instanceof AggregateError ? error.errors : [error]
    const notChecked = errors.map((each) => {
      if (each instanceof NotAnswered) return showRefusal(each)
      throw each
    })
    return describeUnanswered('aws', { notChecked })
  }
}

const findBase = (zones: Zone[], { baseDomain }: Pick<Place, 'baseDomain'>) =>
  zones.find(({ name, isPrivate }) => !isPrivate && name === baseDomain.toLowerCase())

/** A client with the rights of the role. */
async function openElsewhere({ sdk: { sts }, clients, ask, stop, route53As }: Session, RoleArn: string) {
  const asked = { RoleArn, RoleSessionName: 'ocpctl-inventory', DurationSeconds: 900 }
  const [credentials] = await ask(
    'sts:AssumeRole',
    onePage(() => clients.sts.send(new sts.AssumeRoleCommand(asked), stop)),
    ({ Credentials }) => Credentials && [Credentials],
  )
  return route53As({
    accessKeyId: credentials?.AccessKeyId ?? '',
    secretAccessKey: credentials?.SecretAccessKey ?? '',
    sessionToken: credentials?.SessionToken ?? '',
  })
}

/** The records at and under the cluster's domain. */
async function listRecords(session: Session, client: Client, zone: Zone): Promise<Standing[]> {
  const { ask } = session
  const records = await ask(
    'route53:ListResourceRecordSets',
    recordPages(session, client, zone.id),
    ({ ResourceRecordSets }) => ResourceRecordSets,
  )
  session.heard.zones.add(`${zone.name} (${zone.id})`)
  return records.map((record) => {
    const name = plain(record.Name)
    return {
      id: `${zone.id}/${name}/${record.Type}`,
      type: 'dns-record',
      name,
      region: 'global',
      zone,
      targets: targetsOf(record),
      record,
      client,
    }
  })
}

const targetsOf = ({ AliasTarget, ResourceRecords }: ResourceRecordSet): string[] =>
  [AliasTarget?.DNSName, ...(ResourceRecords ?? []).map(({ Value }) => Value)].flatMap(
    (target) => target?.toLowerCase().replace(/^dualstack\./, '') ?? [],
  )

const pointsToOurs = (infraIds: string[], { targets }: Standing) =>
  targets.some((target) => infraIds.some((infraId) => target.startsWith(`${infraId}-`)))

/** Names are sorted by reversed labels, so everything under the cluster's domain comes in one piece. */
async function* recordPages(session: Session, client: Client, HostedZoneId: string) {
  const { sdk: { route53 }, stop } = session // prettier-ignore
  const domain = domainOf(session)
  let start: RecordsFrom = { StartRecordName: domain }
  for (;;) {
    const page = await client.send(new route53.ListResourceRecordSetsCommand({ HostedZoneId, ...start }), stop)
    yield page
    if (!page.IsTruncated) return
    if (!page.NextRecordName) throw new Error('the answer does not say where it goes on')
    if (!isUnder(plain(page.NextRecordName), domain)) return
    start = {
      StartRecordName: page.NextRecordName,
      StartRecordType: page.NextRecordType,
      StartRecordIdentifier: page.NextRecordIdentifier,
    }
  }
}
