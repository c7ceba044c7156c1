import { emptyProject, type Project, type Thing as Item } from '../gcp-server.ts'
import { isUnder, machineOf, plain, recordsOfCluster, type Base, type Mapped, type Thing } from './world.ts'

const linkTo = (path: string) => `https://www.googleapis.com/compute/v1/${path}`

export function mapGcp(things: Thing[], { domain, googleProject }: Base): Mapped<Record<string, Project>> {
  const base: Project['zones'][number] = { name: 'base', dnsName: `${domain}.`, records: [] }
  const state: Record<string, Project> = {}
  const sources = new Map<unknown, string>()
  const machines: Mapped<unknown>['machines'] = []
  const from = <T>(part: T, { file }: Thing): T => {
    sources.set(part, file)
    return part
  }
  const projectOf = (name: string) => (state[name] ??= { ...emptyProject(), zones: [base] })
  projectOf(googleProject)
  for (const thing of things) {
    const { id, type, name, tags: labels, infraID, target } = thing
    const siblings = things.filter((each) => each.infraID === infraID)
    const nameOf = (each: Thing) => /^projects\/([^/]+)\//.exec(each.id)?.[1]
    const name0 = nameOf(thing) ?? siblings.map(nameOf).find(Boolean) ?? googleProject
    const project = projectOf(name0)
    const records = (base.records ??= [])
    if (type === 'dns-record') {
      const rrdatas = target === undefined ? {} : { rrdatas: [`${target}.`] }
      if (isUnder(name, domain)) records.push(from({ name: `${plain(name)}.`, type: 'CNAME', ...rrdatas }, thing))
    } else if (type === 'managed-zone') {
      const own = recordsOfCluster(plain(name), infraID)
      project.zones.push(
        from(
          {
            name: id.split('/').at(-1) ?? '',
            dnsName: name,
            visibility: 'private',
            labels,
            records: own.map((each) => ({ name: `${each.name}.`, type: 'CNAME', rrdatas: [`${each.target}.`] })),
          },
          thing,
        ),
      )
    } else if (type === 'service-account')
      project.accounts.push(from({ email: id.split('/').at(-1) ?? '', displayName: name }, thing))
    else if (type === 'role-binding') project.members.push(from(name, thing))
    else if (type === 'bucket') project.buckets.push(from({ name, labels }, thing))
    else {
      const [, scope = '', list = ''] = /^projects\/[^/]+\/(global|(?:zones|regions)\/[^/]+)\/(\w+)\//.exec(id) ?? []
      if (list === '') throw new Error(`${thing.file}: Google Cloud has no ${id}`)
      // They come with their network.
      if (list === 'subnetworks') continue
      const part: Item = from({ name, scope, ...relationsOf(thing, siblings, linkTo(`projects/${name0}/`)) }, thing)
      ;(project.compute[list] ??= []).push(part)
      if (type === 'instance') {
        const { machine, ...mapped } = machineOf(thing, 'TERMINATED')
        machines.push({ ...mapped, machine: Object.assign(part, machine) })
      }
    }
  }
  return { state, sources, machines }
}

/** What of a thing tells whose it is, as the list of its kind has it. */
function relationsOf({ type, tags: labels, infraID, of = '' }: Thing, siblings: Thing[], home: string): Partial<Item> {
  const network = `${home}global/networks/${infraID}-network`
  const ofType = (wanted: string) => siblings.filter((each) => each.type === wanted).map(({ id }) => linkTo(id))
  switch (type) {
    case 'network':
      return { subnetworks: ofType('subnetwork') }
    case 'instance':
      return { labels, networkInterfaces: [{ network }] }
    case 'snapshot':
      return { labels, sourceDisk: linkTo(of) }
    case 'disk':
    case 'image':
      return { labels }
    case 'address':
    case 'forwarding-rule':
      return { labels, network }
    case 'firewall':
    case 'router':
    case 'backend-service':
    case 'instance-group':
      return { network }
    default:
      return {}
  }
}
