// What a region has of VPC Infrastructure. No list can be filtered by how a name begins, but most can by resource group.
import { z } from 'zod'
import type { Group } from './account.ts'
import type { Session } from './session.ts'

/** Every version since has the same forms. It must be named in each request. */
const VERSION = '2025-04-08'
export const VERSIONED = { version: VERSION, generation: '2' }
export const MOST_ITEMS = '100'

const reference = z.object({ id: z.string() }).optional()

const thingShape = z.object({
  id: z.string(),
  name: z.string(),
  resource_group: reference,
  vpc: reference,
  user_tags: z.array(z.string()).optional(),
  /** Of a load balancer: where DNS records point to. */
  hostname: z.string().optional(),
  /** Where a load balancer or a network ACL is. */
  subnets: z.array(z.object({ id: z.string() })).optional(),
  /** What an address or a network interface belongs to. */
  target: z.object({ id: z.string().optional() }).optional(),
  /** What a snapshot is of. */
  source_volume: reference,
  /** Of a volume. */
  volume_attachments: z.array(z.object({ instance: reference })).optional(),
  created_at: z.string().optional(),
  /** Of an instance: the type of its machine. */
  profile: z.looseObject({ name: z.string().optional() }).optional(),
  /** Of a volume, in GB. */
  capacity: z.number().optional(),
  /** Of an instance. */
  network_interfaces: z.array(z.object({ id: z.string() })).optional(),
})

/** `type`: as a CRN and we call it. */
export type Thing = z.infer<typeof thingShape> & { type: string }

type Kind = {
  type: string
  path: string
  list?: string
  params?: Record<string, string>
  /** Its list knows no filter by resource group. `whole`: it is read though no group stands. */
  unfiltered?: 'within' | 'whole'
}

export const kinds: readonly Kind[] = [
  { type: 'vpc', path: 'vpcs' },
  { type: 'subnet', path: 'subnets' },
  { type: 'security-group', path: 'security_groups' },
  { type: 'network-acl', path: 'network_acls' },
  { type: 'public-gateway', path: 'public_gateways' },
  { type: 'floating-ip', path: 'floating_ips' },
  { type: 'endpoint-gateway', path: 'endpoint_gateways' },
  { type: 'load-balancer', path: 'load_balancers', unfiltered: 'within' },
  { type: 'instance', path: 'instances' },
  { type: 'virtual-network-interface', path: 'virtual_network_interfaces' },
  { type: 'volume', path: 'volumes', unfiltered: 'whole' },
  { type: 'snapshot', path: 'snapshots' },
  // Those of IBM are hundreds.
  { type: 'image', path: 'images', params: { visibility: 'private' } },
  { type: 'key', path: 'keys' },
  { type: 'dedicated-host', path: 'dedicated_hosts' },
  { type: 'dedicated-host-group', path: 'dedicated_host/groups', list: 'groups' },
]

export const addressOf = ({ endpoints, query }: Session, { path }: Kind, id: string): string =>
  `${endpoints.vpc(query.region)}/v1/${path}/${id}?${new URLSearchParams(VERSIONED).toString()}`

/**
 * `groups`: where the installer puts all that it makes. A group can be deleted only when nothing is left in it. `indexed`:
 * the types of what may be the cluster's elsewhere, whose lists are read whole, as all are without this.
 */
export const thingQuestions = (session: Session, within?: { groups: Group[]; indexed: Set<string> }) =>
  kinds.flatMap((kind) => {
    if (!within || kind.unfiltered === 'whole' || within.indexed.has(kind.type)) return [thingQuestion(session, kind)]
    if (kind.unfiltered) return within.groups.length > 0 ? [thingQuestion(session, kind)] : []
    return within.groups.map(({ id }) => thingQuestion(session, kind, { 'resource_group.id': id }))
  })

const thingQuestion =
  ({ list, endpoints, query }: Session, { type, path, list: name = path, params = {} }: Kind, filter = {}) =>
  async (): Promise<Thing[]> => {
    const things = await list({
      role: `Viewer of is/${path}`,
      url: `${endpoints.vpc(query.region)}/v1/${path}`,
      params: { ...VERSIONED, limit: MOST_ITEMS, ...params, ...filter },
      shape: z.looseObject({ [name]: z.array(thingShape), next: z.object({ href: z.string() }).optional() }),
      items: (page) => page[name] as z.infer<typeof thingShape>[], // as the shape says
      more: ({ next }) => nextStart(next as { href: string } | undefined), // as the shape says
    })
    return things.map((thing) => ({ ...thing, type }))
  }

/** The parameter that leads to the next page, of the link to it. */
export function nextStart(next: { href: string } | undefined): { start: string } | undefined {
  return next && { start: new URLSearchParams(next.href.split('?')[1]).get('start') ?? '' }
}
