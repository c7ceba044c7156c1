// Zones and records under the cluster's names.
import type { ListResourceRecordSetsRequest, ResourceRecordSet } from '@aws-sdk/client-route-53'
import type { Resource } from '../inventory.ts'
import { NotAnswered, unlessMissing } from './answers.ts'
import type { Search, Session } from './session.ts'

type RecordsFrom = Omit<ListResourceRecordSetsRequest, 'HostedZoneId'>

export function dnsSearch({ sdk: { route53 }, clients, ask, stop, query }: Session): Search {
  const domain = `${query.name}.${query.baseDomain}.`.toLowerCase()
  const names = [`api.${domain}`, `api-int.${domain}`, `*.apps.${domain}`]
  const isUnder = (name: string, parent: string) => name === parent || name.endsWith(`.${parent}`)

  const pointsToOurs = ({ AliasTarget, ResourceRecords }: ResourceRecordSet) =>
    [AliasTarget?.DNSName, ...(ResourceRecords ?? []).map(({ Value }) => Value)].some((target) =>
      query.infraIds.some((infraId) =>
        target
          ?.toLowerCase()
          .replace(/^dualstack\./, '')
          .startsWith(`${infraId}-`),
      ),
    )

  /** Names are sorted by reversed labels, so everything under the cluster's domain comes in one piece. */
  async function* listFromDomain(HostedZoneId: string) {
    let start: RecordsFrom = { StartRecordName: domain }
    for (;;) {
      const page = await clients.route53.send(
        new route53.ListResourceRecordSetsCommand({ HostedZoneId, ...start }),
        stop,
      )
      yield page
      if (!page.IsTruncated) return
      if (!page.NextRecordName) throw new Error('the answer does not say where it goes on')
      if (!isUnder(page.NextRecordName, domain)) return
      start = {
        StartRecordName: page.NextRecordName,
        StartRecordType: page.NextRecordType,
        StartRecordIdentifier: page.NextRecordIdentifier,
      }
    }
  }

  async function listRecords(zoneId: string): Promise<Resource[]> {
    const records = await ask(
      'route53:ListResourceRecordSets',
      listFromDomain(zoneId),
      ({ ResourceRecordSets }) => ResourceRecordSets,
    ).catch(unlessMissing)
    return records
      .map((record) => ({ record, name: (record.Name ?? '').toLowerCase().replace('\\052', '*'), Type: record.Type }))
      .filter(({ record, name }) => names.includes(name) && (query.records === 'all' || pointsToOurs(record)))
      .map(({ name, Type }) => {
        const plain = name.slice(0, -1)
        return { id: `${zoneId}/${plain}/${Type}`, type: 'dns-record', name: plain, region: 'global' }
      })
  }

  return {
    knows: ({ service, type }) => service === 'route53' && type === 'hostedzone',
    async run(candidates) {
      const zones = await ask(
        'route53:ListHostedZones',
        route53.paginateListHostedZones({ client: clients.route53 }, {}, stop),
        ({ HostedZones }) =>
          HostedZones?.map(({ Id = '', Name = '', Config }) => ({
            id: Id.replace('/hostedzone/', ''),
            name: Name.toLowerCase(),
            isPrivate: Config?.PrivateZone === true,
          })),
      )
      // Only this zone holds the cluster's public records. In an account without it, all the rest would look empty too.
      if (!zones.some(({ name, isPrivate }) => !isPrivate && name === `${query.baseDomain}.`.toLowerCase()))
        throw new NotAnswered('route53:ListHostedZones', `this account has no public zone ${query.baseDomain}`)
      const tagged = new Set(candidates.map(({ resource }) => resource.replace('hostedzone/', '')))
      const found = zones
        .filter(
          ({ id, name, isPrivate }) => tagged.has(id) || (isPrivate && name === domain && query.records === 'all'),
        )
        .map(({ id, name }) => ({ id, type: 'hosted-zone', name: name.slice(0, -1), region: 'global' }))
      for (const { id, name } of zones) if (isUnder(domain, name)) found.push(...(await listRecords(id)))
      return found
    },
  }
}
