import { emptySubscription, type Subscription } from '../azure-server.ts'
import { isUnder, machineOf, plain, recordsOfCluster, type Base, type Mapped, type Thing } from './world.ts'

export function mapAzure(things: Thing[], { domain, azureGroup }: Base): Mapped<Subscription> {
  const state = emptySubscription()
  const sources = new Map<unknown, string>()
  const machines: Mapped<unknown>['machines'] = []
  const from = <T>(part: T, { file }: Thing): T => {
    sources.set(part, file)
    return part
  }
  const base: Subscription['zones'][number] = { name: domain, group: azureGroup, isPrivate: false, records: [] }
  state.groups.push({ name: azureGroup })
  state.zones.push(base)
  for (const thing of things) {
    const { id, type, name, tags, infraID, target } = thing
    if (type === 'dns-record') {
      if (!isUnder(name, domain)) continue
      const relative = plain(name).slice(0, -domain.length - 1)
      base.records.push(
        from({ name: relative, type: 'CNAME', ...(target === undefined ? {} : { cname: target }) }, thing),
      )
      continue
    }
    const [, group, path] = /\/resourceGroups\/([^/]+)(?:\/providers\/(.+))?$/.exec(id) ?? []
    if (group === undefined) throw new Error(`${thing.file}: Azure has no ${id}`)
    if (path === undefined) {
      state.groups.push(from({ name: group, tags }, thing))
      continue
    }
    const [provider, ...parts] = path.split('/')
    const kinds = parts.filter((_, n) => n % 2 === 0)
    const names = parts.filter((_, n) => n % 2 === 1)
    if (type === 'private-dns-zone') {
      const zone = names.join('/')
      const records = recordsOfCluster(zone, infraID).map((each) => ({
        name: each.name.slice(0, -zone.length - 1),
        type: 'CNAME',
        cname: each.target,
      }))
      state.zones.push(from({ name: zone, group, isPrivate: true, tags, records }, thing))
    } else {
      const mapped = machineOf(thing, 'deallocated')
      const isMachine = type === 'virtual-machine'
      if (isMachine) machines.push(mapped)
      const part = { name: names.join('/'), type: [provider, ...kinds].join('/'), group, tags }
      state.things.push(from(isMachine ? { ...part, machine: mapped.machine } : part, thing))
    }
  }
  return { state, sources, machines }
}
