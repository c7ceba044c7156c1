// The port that tells what still exists of a cluster, by ownership tags and DNS names. Nothing is DESTROYED without it.
import type { Platform } from '../vocabulary.ts'

export type Resource = {
  id: string
  type: string
  name: string
  region: string
  /** By what it was known as the cluster's. */
  key?: 'tag' | 'name' | 'relation' | 'dns'
  madeAt?: string
  /** An estimate of list prices; without it the price is not known. */
  usdPerHour?: number
  /** Where the cloud's console shows it. */
  link?: string
  /** It is deleted, and lingers for a while without a price. */
  billable?: false
}

/** Where a cluster is. */
export type Place = {
  platform: Platform
  region: string
  name: string
  baseDomain: string
  /** The entry of credentials that leads to its account. undefined: those of the environment do. */
  credentials?: string | undefined
  /** It is reached from within its network alone, and has no public records. */
  isPrivate?: boolean | undefined
  /** Subnets that the profile brings. They are in the right account, and in no other. */
  subnets?: string[] | undefined
  /** A private zone that the profile brings: never the cluster's own, but the records under its domain are. */
  hostedZone?: string | undefined
  /** The role by which that zone can be read, where it is another account's. */
  hostedZoneRole?: string | undefined
  /** What the profile says of where in Azure it is. */
  azure?:
    | {
        cloud: string
        subscription?: string | undefined
        baseDomainResourceGroup?: string | undefined
        network?: { resourceGroup: string; virtualNetwork: string } | undefined
      }
    | undefined
  /** On Google Cloud, where it is made. */
  project?: string | undefined
  /** On Google Cloud, a network that the profile brings, and the project that shares it. */
  network?: string | undefined
  networkProject?: string | undefined
  /** What the profile says of where in IBM Cloud it is. */
  ibmcloud?: { account?: string | undefined; resourceGroup?: string | undefined } | undefined
}

export type InventoryQuery = Place & {
  /** undefined: only what carries one of the infraIDs, since another infraID of the cluster must live on. */
  clusterId: string | undefined
  /** Every infraID that the ledger has for the cluster. */
  infraIds: string[]
  /**
   * Which DNS records under its domain count as its own. `all`: it holds the name, so all that did not stand before.
   * `own`: only those that point to what carries one of its infraIDs, since the name may be another cluster's by now.
   * `unclear`: it holds the name, and nobody knows what stood before. Then any other record means "not verified".
   */
  records: 'all' | 'own' | 'unclear'
  /**
   * Ids and names of disks that the cluster's own objects named. What carries one is found. The cluster's users could
   * write there what they liked, so this alone is no ground to delete anything.
   */
  disks?: string[] | undefined
  /** The ids of the records and zones that stood there before anything of the cluster did. */
  stoodBefore?: string[] | undefined
}

/** kind: what was asked for, which is the permission where one is missing. isOptional: nothing is called left for want of it. */
export type NotChecked = { kind: string; why: string; isOptional?: true; isDenied?: true }

export type InventoryAnswer = {
  found: Resource[]
  /** The questions that were answered whole, by what it takes to be told. */
  checked: string[]
  notChecked: NotChecked[]
  /** Where was looked: the account of AWS or IBM Cloud, the subscription, the project. */
  account?: string
  /** The DNS zones whose records were read. */
  zones?: string[]
  /** What is deleted and will go by itself. */
  lingering?: Resource[]
  /** What others have in the cluster's own networks, which holds up their deletion. */
  holders?: Resource[]
}

/** taken: those of what stands that are under the names which the installer is about to make, and where they lead. */
export type RecordsAnswer = { found: Resource[]; taken: Taken[]; notChecked: NotChecked[] }
export type Taken = Resource & { targets: string[] }

/** installationId is undefined for what an earlier release made. */
export type Owned = { clusterId: string; installationId: string | undefined; resource: Resource }

/** Whose resources are looked for, and where clusters of its profiles may be. */
export type Owner = { installationId: string; offered: Omit<Place, 'name'>[] }

export type Inventory = {
  find: (query: InventoryQuery) => Promise<InventoryAnswer>
  /** The DNS records and zones under the cluster's domain, whoever made them. */
  findRecords: (place: Place) => Promise<RecordsAnswer>
  /**
   * Why the credentials are not those of the account that the profile names. undefined: they are, it names none, or the
   * cloud does not tell.
   */
  findMismatch?: (place: Place) => Promise<string | undefined>
  /**
   * Everything that carries the service's own tags, whatever its cluster, but what another installation owns. Throws when
   * the cloud does not tell all.
   */
  findOwned?: (owner: Owner) => AsyncIterable<Owned>
  /** Takes away one thing of the cluster's. It may be there for a while yet. Throws NotAnswered, also of what it cannot take away. */
  remove?: (place: Place, resource: Resource) => Promise<void>
}

/** How late a cloud may be to tell what exists. Where it is asked by an index, that is behind for longer. */
export const lagSecondsOf: Record<Platform, number> = { aws: 60, azure: 120, gcp: 60, ibmcloud: 120 }

/** How many there are of each type. */
export function countTypes(resources: Resource[]): Record<string, number> {
  const types = Map.groupBy(resources, ({ type }) => type)
  return Object.fromEntries(
    [...types].sort(([a], [b]) => (a < b ? -1 : 1)).map(([type, alike]) => [type, alike.length]),
  )
}

export const cloudNames: Record<Platform, string> = {
  aws: 'AWS',
  azure: 'Azure',
  gcp: 'Google Cloud',
  ibmcloud: 'IBM Cloud',
}

const SHOWN_RESOURCES = 20
const SHOWN_KINDS = 3

/** What must be told before anybody may claim that nothing is left, and was not. */
export const unansweredOf = ({ notChecked }: { notChecked: NotChecked[] }): NotChecked[] =>
  notChecked.filter(({ isOptional }) => !isOptional)

/** Nothing else lets a cluster be called DESTROYED. Where nothing was asked, nothing is proved. */
export const isProvedEmpty = (answer: InventoryAnswer): boolean =>
  answer.found.length === 0 && answer.checked.length > 0 && unansweredOf(answer).length === 0

/** Names the first of them, for a sentence. */
export function describeResources(resources: Resource[]): string {
  const shown = resources.slice(0, SHOWN_RESOURCES).map(({ type, id }) => `${type} ${id}`)
  return [...shown, ...(resources.length > SHOWN_RESOURCES ? ['…'] : [])].join(', ') || 'nothing'
}

/** With what a record leads to, from which people see whose it is. */
export const describeTaken = (taken: Taken[]): string =>
  describeResources(
    taken.map(({ targets: [target], ...each }) => ({
      ...each,
      id: `${each.id}${target ? `, which leads to ${target}${whoseIs(target)}` : ''}`,
    })),
  )

/** The installer's load balancers begin with the infraID of their cluster, which ends in five letters of these. */
function whoseIs(target: string): string {
  const [, infraId] =
    /^(?:dualstack\.|kube-)?([a-z0-9-]{1,21}-[bcdfghjklmnpqrstvwxz2456789]{5})[-.]/.exec(target.toLowerCase()) ?? []
  return infraId === undefined ? '' : ` and seems to be of the cluster ${infraId}`
}

/** What was found, what holds it, and what is not known. */
export function describeAnswer(platform: Platform, answer: InventoryAnswer): string {
  const { found, holders = [] } = answer
  const named = holders.map((each) => (each.name === each.id ? each : { ...each, id: `${each.id} (${each.name})` }))
  const unanswered = describeUnanswered(platform, answer)
  return [
    ...(unanswered === undefined ? [describeResources(found)] : [unanswered]),
    ...(unanswered === undefined || found.length === 0 ? [] : [`found already: ${describeResources(found)}`]),
    ...(holders.length === 0
      ? []
      : [`its network is held by what has no tag of the cluster: ${describeResources(named)}`]),
  ].join('; ')
}

/** Lists every missing permission, so that one look is enough. Of other failures it lists a few places. undefined: all was told. */
export function describeUnanswered(platform: Platform, answer: { notChecked: NotChecked[] }): string | undefined {
  const unanswered = unansweredOf(answer)
  if (unanswered.length === 0) return undefined
  const lines = [...Map.groupBy(unanswered, ({ why }) => why)].map(([why, alike]) => {
    const kinds = [...new Set(alike.map(({ kind }) => kind))].sort()
    const shown = alike.some(({ isDenied }) => isDenied) ? kinds : kinds.slice(0, SHOWN_KINDS)
    return `${why} (${shown.join(', ')}${kinds.length > shown.length ? ', …' : ''})`
  })
  return `${cloudNames[platform]} is not verified: ${lines.sort().join('; ')}`
}

/** For `unclear`: these stand, and do not point to anything of the cluster. */
export function unclear(resources: Resource[]): NotChecked {
  const why = `${describeResources(resources)} stands under the cluster's domain, and it is not known whether it stood before the cluster; whoever knows whose it is must look`
  return { kind: 'dns-record', why }
}
