// Whether the networks have room. Whether a prefix fits is the installer's rule; how many nodes fit is ours. Pure.
import { numberOf, type Block, type Report } from './finding.ts'
import { isV4, type Network } from './networks.ts'

/** A kubelet runs up to 250 pods. With a longer prefix, a node has fewer addresses than that. */
const NARROWEST_COMFORTABLE_HOST_PREFIX = 24
const USUAL_HOST_PREFIX = 23
const V6_HOST_PREFIX = 64

export function lintHostPrefixes(networks: Network[], nodes: number, isOvn: boolean, report: Report): void {
  let [room, first]: [number, number | undefined] = [0, undefined]
  for (const { path, cidr, range, entry } of networks.filter(({ kind }) => kind === 'cluster')) {
    const at = [...path.slice(0, -1), 'hostPrefix']
    const prefix = prefixOf(entry, isV4(range) ? 32 : 128)
    // Other plugins may have no use for it.
    if (prefix === 0 && !isOvn) return
    if (entry['hostPrefix'] === undefined && prefix === 0)
      return report(
        'error',
        'host-prefix',
        at,
        `is missing: /${isV4(range) ? USUAL_HOST_PREFIX : V6_HOST_PREFIX} is usual`,
      )
    if (prefix < range[1])
      return report('error', 'host-prefix', at, `/${prefix} is wider than the network ${cidr} itself`)
    if (!isV4(range)) {
      if (prefix !== V6_HOST_PREFIX) report('error', 'host-prefix', at, `must be ${V6_HOST_PREFIX} with IPv6`)
      continue
    }
    if (first !== undefined && prefix !== first)
      report('error', 'host-prefix-differs', at, 'all IPv4 cluster networks need the same hostPrefix')
    first ??= prefix
    lintComfort(prefix, at, report)
    room += 2 ** (prefix - range[1])
  }
  if (first !== undefined && room < nodes)
    report(
      'warning',
      'cluster-network-too-small',
      ['networking', 'clusterNetwork'],
      `there is room for ${room} nodes, and the cluster has ${nodes}: take a wider network or a longer hostPrefix`,
      'ours',
    )
}

/** An old key says the bits that are left. */
function prefixOf(entry: Block, bits: number): number {
  const left = numberOf(entry['hostSubnetLength']) ?? 0
  return numberOf(entry['hostPrefix']) || (left === 0 ? 0 : bits - left)
}

function lintComfort(prefix: number, path: (string | number)[], report: Report): void {
  if (prefix <= NARROWEST_COMFORTABLE_HOST_PREFIX) return
  if (prefix > 30)
    return report(
      'warning',
      'host-prefix-without-room',
      path,
      `/${prefix} leaves a node no address for its pods`,
      'ours',
    )
  report(
    'warning',
    'host-prefix-narrow',
    path,
    `/${prefix} gives a node ${2 ** (32 - prefix)} pod addresses; a node runs up to 250 pods, for which /${USUAL_HOST_PREFIX} is usual`,
    'ours',
  )
}

/** Beside the nodes: the bootstrap machine, and what a cloud keeps for itself in each of three subnets. */
const MACHINES_BESIDE_NODES = 1 + 3 * 5
export function lintMachineSize(networks: Network[], nodes: number, report: Report): void {
  const machine = networks.filter(({ kind, range }) => kind === 'machine' && isV4(range))
  const [first] = machine
  const room = machine.reduce((sum, { range }) => sum + 2 ** (32 - range[1]), 0)
  if (first && room < nodes + MACHINES_BESIDE_NODES)
    report(
      'warning',
      'machine-network-too-small',
      first.path,
      `${room} addresses are too few for ${nodes} nodes, the bootstrap machine and the cloud's own: at least ${nodes + MACHINES_BESIDE_NODES}`,
      'ours',
    )
}
