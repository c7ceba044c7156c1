// The networks of an install-config. They must be canonical, separate from each other and from OVN-Kubernetes' own, and
// large enough.
import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js'
import { blockOf, listOf, numberOf, textOf, type Block, type Path, type Report } from './finding.ts'

type Network = { path: Path; name: string; cidr: string; range: [IPv4 | IPv6, number] }

const defaults = { machine: '10.0.0.0/16', cluster: '10.128.0.0/14', hostPrefix: 23, service: '172.30.0.0/16' }
const forbidden = [
  ['100.64.0.0/16', 'OVN-Kubernetes joins its routers in 100.64.0.0/16'],
  ['100.88.0.0/16', 'OVN-Kubernetes connects its zones in 100.88.0.0/16'],
  ['169.254.0.0/17', '169.254.0.0/17 is link-local, and OVN-Kubernetes masquerades in it'],
] as const
const LONGEST_CIDR = 50
const DOCKER_BRIDGE = '172.17.0.0/16'
const WIDEST_SERVICE_MASK = 12
/** A kubelet runs up to 250 pods. With a longer prefix, a node has fewer addresses than that. */
const NARROWEST_COMFORTABLE_HOST_PREFIX = 24
const JUMBO = 9001
/** Geneve, OVN's tunnel, takes 100 bytes of each frame. */
const LARGEST_CLUSTER_MTU = JUMBO - 100

/** @param nodes how many the cluster begins with. */
export function lintNetworking(config: Block, nodes: number, isOnAws: boolean, report: Report): void {
  const networking = blockOf(config['networking'])
  const type = textOf(networking['networkType'])
  for (const key of ['machineCIDR', 'serviceCIDR', 'clusterNetworks', 'type'])
    if (networking[key] !== undefined)
      report(
        'warning',
        'network-deprecated',
        ['networking', key],
        'is deprecated: say it in machineNetwork, serviceNetwork, clusterNetwork, networkType',
      )
  if (type !== undefined && type !== 'OVNKubernetes')
    report(
      type === 'OpenShiftSDN' || type === 'Kuryr' ? 'error' : 'warning',
      'network-type',
      ['networking', 'networkType'],
      type === 'OpenShiftSDN'
        ? 'OpenShiftSDN ended with 4.15: take OVNKubernetes'
        : `${type} is not offered: take OVNKubernetes`,
    )

  const networks = readNetworks(networking, report)
  lintRanges(networks, report)
  for (const { path, cidr, range } of networks.filter(({ name }) => name === 'service'))
    if (range[0].kind() === 'ipv4' && range[1] < WIDEST_SERVICE_MASK)
      report(
        'error',
        'service-network-too-wide',
        path,
        `${cidr} is too wide for services: a mask of /${WIDEST_SERVICE_MASK} or longer is needed`,
      )
  const services = networks.filter(({ name }) => name === 'service')
  if (new Set(services.map(({ range }) => range[0].kind())).size < services.length)
    report(
      'error',
      'service-network-count',
      ['networking', 'serviceNetwork'],
      'only one network is allowed for services, or one each of IPv4 and IPv6',
    )
  lintHostPrefixes(networking, networks, nodes, report)
  lintMachineSize(networks, nodes, report)
  lintMtu(networking, isOnAws, report)
}

function readNetworks(networking: Block, report: Report): Network[] {
  const given: [string, Path, string | undefined][] = [
    ...listOf(networking['machineNetwork']).map((entry, index): [string, Path, string | undefined] => [
      'machine',
      ['networking', 'machineNetwork', index, 'cidr'],
      textOf(blockOf(entry)['cidr']),
    ]),
    ...listOf(networking['clusterNetwork']).map((entry, index): [string, Path, string | undefined] => [
      'cluster',
      ['networking', 'clusterNetwork', index, 'cidr'],
      textOf(blockOf(entry)['cidr']),
    ]),
    ...listOf(networking['serviceNetwork']).map((entry, index): [string, Path, string | undefined] => [
      'service',
      ['networking', 'serviceNetwork', index],
      textOf(entry),
    ]),
  ]
  for (const name of ['machine', 'cluster', 'service'] as const)
    if (!given.some(([kind]) => kind === name) && !usesOldKey(networking, name))
      given.push([name, ['networking'], defaults[name]])
  return given.flatMap(([name, path, cidr]) => {
    if (cidr === undefined) return []
    const range = parseCidr(cidr)
    if (typeof range !== 'string') return [{ name, path, cidr, range }]
    report('error', 'cidr', path, range)
    return []
  })
}

const usesOldKey = (networking: Block, name: 'machine' | 'cluster' | 'service') =>
  networking[{ machine: 'machineCIDR', cluster: 'clusterNetworks', service: 'serviceCIDR' }[name]] !== undefined

/** The range, or what is wrong with its form. */
function parseCidr(cidr: string): [IPv4 | IPv6, number] | string {
  // The form of Go's net.ParseCIDR: four decimal parts without leading zeros, and a mask.
  if (cidr.length > LONGEST_CIDR) return 'is no network: write it as 10.0.0.0/16'
  const isForm =
    /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}\/\d{1,2}$/.test(cidr) || /^[0-9a-f:.]*:[0-9a-f:.]*\/\d{1,3}$/i.test(cidr)
  if (!isForm || !ipaddr.isValidCIDR(cidr)) return `"${cidr}" is no network: write it as 10.0.0.0/16`
  const [address, bits] = ipaddr.parseCIDR(cidr)
  const first = (address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(cidr)
  const canonical = `${first.toString()}/${bits}`
  return address.toString() === first.toString()
    ? [address, bits]
    : `${cidr} has host bits set: the network is ${canonical}`
}

function lintRanges(networks: Network[], report: Report): void {
  for (const [index, network] of networks.entries()) {
    for (const other of networks.slice(0, index))
      if (overlap(network.range, other.range))
        report(
          'error',
          'network-overlap',
          network.path,
          `the ${network.name} network ${network.cidr} overlaps with the ${other.name} network ${other.cidr}`,
        )
    for (const [cidr, why] of forbidden)
      if (overlap(network.range, ipaddr.parseCIDR(cidr)))
        report('error', 'network-reserved', network.path, `${network.cidr} cannot be used: ${why}`)
    if (overlap(network.range, ipaddr.parseCIDR(DOCKER_BRIDGE)))
      report(
        'warning',
        'network-docker',
        network.path,
        `${network.cidr} overlaps with ${DOCKER_BRIDGE}, where container engines put their bridge`,
      )
  }
}

function overlap(a: [IPv4 | IPv6, number], b: [IPv4 | IPv6, number]): boolean {
  if (a[0].kind() !== b[0].kind()) return false
  const bits = Math.min(a[1], b[1])
  return a[0].match([b[0], bits] as [IPv4 & IPv6, number]) // of one kind, as was seen above
}

function lintHostPrefixes(networking: Block, networks: Network[], nodes: number, report: Report): void {
  const entries = listOf(networking['clusterNetwork'])
  const prefixes = new Set<number>()
  let room = 0
  for (const [index, entry] of entries.entries()) {
    const path = ['networking', 'clusterNetwork', index, 'hostPrefix']
    const network = networks.find((each) => each.path[1] === 'clusterNetwork' && each.path[2] === index)
    if (!network) return // its range is wrong, which has been told
    const [address, mask] = network.range
    const isV4 = address.kind() === 'ipv4'
    const hostPrefix = numberOf(blockOf(entry)['hostPrefix']) ?? (isV4 ? defaults.hostPrefix : 64)
    if (hostPrefix < mask) {
      report('error', 'host-prefix', path, `/${hostPrefix} is wider than the network ${network.cidr} itself`)
      return
    }
    if (hostPrefix > (isV4 ? 30 : 126)) {
      report('error', 'host-prefix', path, `/${hostPrefix} leaves a node no address for its pods`)
      return
    }
    if (!isV4) continue
    if (hostPrefix > NARROWEST_COMFORTABLE_HOST_PREFIX)
      report(
        'warning',
        'host-prefix-narrow',
        path,
        `/${hostPrefix} gives a node ${2 ** (32 - hostPrefix)} pod addresses; a node runs up to 250 pods, for which /${defaults.hostPrefix} is usual`,
      )
    prefixes.add(hostPrefix)
    room += 2 ** (hostPrefix - mask)
  }
  if (prefixes.size > 1)
    report(
      'error',
      'host-prefix-differs',
      ['networking', 'clusterNetwork'],
      'all IPv4 cluster networks need the same hostPrefix',
    )
  if (prefixes.size > 0 && room < nodes)
    report(
      'error',
      'cluster-network-too-small',
      ['networking', 'clusterNetwork'],
      `there is room for ${room} nodes, and the cluster has ${nodes}: take a wider network or a longer hostPrefix`,
    )
}

/** Beside the nodes: the bootstrap machine, and what a cloud keeps for itself in each of three subnets. */
const MACHINES_BESIDE_NODES = 1 + 3 * 5
function lintMachineSize(networks: Network[], nodes: number, report: Report): void {
  const machine = networks.filter(({ name, range }) => name === 'machine' && range[0].kind() === 'ipv4')
  const [first] = machine
  const room = machine.reduce((sum, { range }) => sum + 2 ** (32 - range[1]), 0)
  if (first && room < nodes + MACHINES_BESIDE_NODES)
    report(
      'error',
      'machine-network-too-small',
      first.path,
      `${room} addresses are too few for ${nodes} nodes, the bootstrap machine and the cloud's own: at least ${nodes + MACHINES_BESIDE_NODES}`,
    )
}

function lintMtu(networking: Block, isOnAws: boolean, report: Report): void {
  const mtu = numberOf(networking['clusterNetworkMTU'])
  const path = ['networking', 'clusterNetworkMTU']
  if (mtu === undefined) return
  if (!isOnAws) report('error', 'mtu', path, 'the MTU can be chosen on aws only')
  else if (mtu < 1000 || mtu > LARGEST_CLUSTER_MTU)
    report('error', 'mtu', path, `${mtu} is out of range: from 1000 to ${LARGEST_CLUSTER_MTU} with OVN-Kubernetes`)
}
