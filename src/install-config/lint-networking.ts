// The networks of an install-config. They must be canonical, separate from each other and from OVN-Kubernetes' own, of
// the families that the cloud takes, and large enough. Pure.
import { blockOf, listOf, numberOf, textOf, type Block, type Path, type Subject } from './finding.ts'
import { lintHostPrefixes, lintMachineSize } from './lint-network-sizes.ts'
import { isV4, overlap, parseCidr, parseNetwork, type Kind, type Network, type Range } from './networks.ts'

const defaults = { machine: '10.0.0.0/16', cluster: '10.128.0.0/14', hostPrefix: 23, service: '172.30.0.0/16' }
const oldKeys = { machine: 'machineCIDR', cluster: 'clusterNetworks', service: 'serviceCIDR' } as const
/** OVN-Kubernetes' own. The first of each family can be moved. */
const JOIN = '100.64.0.0/16'
const reserved = [
  [JOIN, `OVN-Kubernetes joins its routers in ${JOIN}`],
  ['100.88.0.0/16', 'OVN-Kubernetes connects its zones in 100.88.0.0/16'],
  ['169.254.0.0/17', '169.254.0.0/17 is link-local, and OVN-Kubernetes masquerades in it'],
  ['fd98::/64', 'OVN-Kubernetes joins its routers in fd98::/64'],
  ['fd97::/64', 'OVN-Kubernetes connects its zones in fd97::/64'],
  ['fd69::/112', 'OVN-Kubernetes masquerades in fd69::/112'],
].map(([cidr = '', why = '']) => ({ cidr, why, range: rangeOf(cidr) }))
/** Older installers let these networks through, and the cluster never comes up. */
const RESERVED_SINCE = 19
const DOCKER_BRIDGE = '172.17.0.0/16'
const dockerBridge = rangeOf(DOCKER_BRIDGE)
const WIDEST_SERVICE_MASK = 12
const WIDEST_V6_SERVICE_MASK = 108
const JUMBO = 9001
/** Geneve, OVN's tunnel, takes 100 bytes of each frame. */
const LARGEST_CLUSTER_MTU = JUMBO - 100
const SMALLEST_MTU = 1000

/** @param nodes how many the cluster begins with. */
export function lintNetworking(subject: Subject, nodes: number): void {
  const { config, report } = subject
  const networking = blockOf(config['networking'])
  for (const key of [...Object.values(oldKeys), 'type'])
    if (networking[key] !== undefined)
      report(
        'warning',
        'network-deprecated',
        ['networking', key],
        'is deprecated: say it in machineNetwork, serviceNetwork, clusterNetwork, networkType',
      )
  const type = lintType(networking, subject)
  const isOvn = type === 'OVNKubernetes'
  const networks = readNetworks(networking, report)
  const join = lintJoin(networking, networks, isOvn, report)
  lintRanges(networks, isOvn, join !== undefined, subject)
  lintFamilies(networks, subject)
  lintHostPrefixes(networks, nodes, isOvn, report)
  lintMachineSize(networks, nodes, report)
  lintMtu(networking, isOvn, subject)
}

/** @returns the type as the installer understands it. */
function lintType(networking: Block, { report }: Subject): string {
  const type = textOf(networking['networkType']) || textOf(networking['type']) || 'OVNKubernetes'
  const path = ['networking', 'networkType']
  if (/^openshiftsdn$/i.test(type))
    report('error', 'network-type', path, 'OpenShiftSDN ended with 4.15: take OVNKubernetes')
  else if (/^kuryr$/i.test(type)) report('error', 'network-type', path, `${type} is not offered: take OVNKubernetes`)
  else if (/^ovnkubernetes$/i.test(type)) return 'OVNKubernetes'
  else report('warning', 'network-type', path, `${type} is not part of OpenShift: OVNKubernetes is`, 'ours')
  return type
}

/** The networks as the installer has them: the old keys where the new ones are empty, then its own. */
function readNetworks(networking: Block, report: Subject['report']): Network[] {
  return (['machine', 'cluster', 'service'] as const).flatMap((kind) =>
    readKind(kind, networking).flatMap(({ path, cidr, entry }): Network[] => {
      if (cidr === undefined) {
        report('error', 'cidr', path, 'is missing')
        return []
      }
      const range = parseNetwork(cidr)
      if (typeof range !== 'string') return [{ kind, path, cidr, range, entry }]
      report('error', 'cidr', path, range)
      return []
    }),
  )
}

function readKind(kind: Kind, networking: Block): { path: Path; cidr: string | undefined; entry: Block }[] {
  const [key, old] = [`${kind}Network`, oldKeys[kind]]
  const given = listOf(networking[key])
  const isOld = given.length === 0 && networking[old] !== undefined
  const entries = isOld ? (kind === 'cluster' ? listOf(networking[old]) : [networking[old]]) : given
  if (entries.length === 0)
    return [{ path: ['networking'], cidr: defaults[kind], entry: { hostPrefix: defaults.hostPrefix } }]
  return entries.map((value, index) => {
    const path = isOld && kind !== 'cluster' ? ['networking', old] : ['networking', isOld ? old : key, index]
    if (typeof value === 'string') return { path, cidr: value, entry: {} }
    return { path: [...path, 'cidr'], cidr: textOf(blockOf(value)['cidr']), entry: blockOf(value) }
  })
}

function lintRanges(networks: Network[], isOvn: boolean, isJoinMoved: boolean, { minor, report }: Subject): void {
  for (const [index, network] of networks.entries()) {
    const { path, kind, cidr, range } = network
    if (kind === 'service') lintServiceMask(network, report)
    for (const other of networks.slice(0, index))
      if (overlap(range, other.range))
        report('error', 'network-overlap', path, `the ${kind} network ${cidr} overlaps with the ${other.kind} network ${other.cidr}`) // prettier-ignore
    for (const own of isOvn ? reserved : [])
      if (overlap(range, own.range) && !(isJoinMoved && own.cidr === JOIN))
        report('error', 'network-reserved', path, `${cidr} cannot be used: ${own.why}`, minor < RESERVED_SINCE ? 'ours' : undefined) // prettier-ignore
    if (overlap(range, dockerBridge))
      report('warning', 'network-docker', path, `${cidr} overlaps with ${DOCKER_BRIDGE}, where container engines put their bridge`) // prettier-ignore
  }
}

function lintServiceMask({ path, cidr, range }: Network, report: Subject['report']): void {
  const widest = isV4(range) ? WIDEST_SERVICE_MASK : WIDEST_V6_SERVICE_MASK
  if (range[1] < widest)
    report(
      'error',
      'service-network-too-wide',
      path,
      `${cidr} is too wide for services: a mask of /${widest} or longer is needed`,
    )
}

/** IPv4 alone, or both families where the cloud takes them. Services decide which. */
function lintFamilies(networks: Network[], { config, platform, report }: Subject): void {
  if (!platform) return
  const of = (kind: Kind) => networks.filter((network) => network.kind === kind)
  const services = of('service')
  const [hasV4, hasV6] = [services.some(({ range }) => isV4(range)), services.some(({ range }) => !isV4(range))]
  const family = textOf(blockOf(blockOf(config['platform'])[platform])['ipFamily']) ?? ''
  const isDual = family.startsWith('DualStack')
  const path = ['networking', 'serviceNetwork']
  if (isDual && !(hasV4 && hasV6) && services.length > 0)
    report('error', 'ip-family', path, `${family} needs two networks for services, one of each family`)
  else if (hasV6 && !isDual)
    report('error', 'ip-family', path, hasV4 ? `both families together need a ${platform} that takes them, and ipFamily` : `IPv6 alone is not for ${platform}`) // prettier-ignore
  else if (services.length > (isDual ? 2 : 1))
    report('error', 'service-network-count', path, 'only one network is allowed for services, or one each of IPv4 and IPv6') // prettier-ignore
  const machines = of('machine')
  if (platform === 'azure' && machines.length > 0 && !machines.some(({ range }) => isV4(range)))
    report('error', 'ip-family', machines[0]?.path ?? path, 'azure needs a machine network of IPv4')
  for (const kind of isDual && hasV4 && hasV6 ? (['machine', 'cluster', 'service'] as const) : [])
    lintBothFamilies(kind, of(kind), family, report)
}

function lintBothFamilies(kind: Kind, networks: Network[], family: string, report: Subject['report']): void {
  const [first] = networks
  const v4 = networks.filter(({ range }) => isV4(range)).length
  const path = ['networking', `${kind}Network`]
  if (!first) return
  if (v4 === 0) report('error', 'ip-family', path, `${family} needs IPv4 here too`)
  else if (v4 === networks.length) {
    // The cloud gives the machines their IPv6 range.
    if (kind !== 'machine') report('error', 'ip-family', path, `${family} needs IPv6 here too`)
  } else if (isV4(first.range) === family.includes('IPv6Primary'))
    report('error', 'ip-family', path, `${family} wants the networks of its first family first`)
}

/** @returns the range that joins OVN's routers, where it is moved. */
function lintJoin(
  networking: Block,
  networks: Network[],
  isOvn: boolean,
  report: Subject['report'],
): Range | undefined {
  if (networking['ovnKubernetesConfig'] === undefined) return undefined
  const path = ['networking', 'ovnKubernetesConfig', 'ipv4', 'internalJoinSubnet']
  if (!isOvn) report('error', 'ovn-join', ['networking', 'ovnKubernetesConfig'], 'is for OVNKubernetes only')
  const cidr = textOf(blockOf(blockOf(networking['ovnKubernetesConfig'])['ipv4'])['internalJoinSubnet'])
  if (cidr === undefined) return undefined
  const range = parseNetwork(cidr)
  if (typeof range === 'string') {
    report('error', 'ovn-join', path, range)
    return rangeOf(JOIN)
  }
  for (const other of networks)
    if (overlap(range, other.range))
      report('error', 'ovn-join', path, `${cidr} overlaps with the ${other.kind} network ${other.cidr}`)
  const clusters = networks.filter((network) => network.kind === 'cluster' && isV4(network.range))
  const nodes = clusters.reduce(
    (sum, each) => sum + 2 ** ((numberOf(each.entry['hostPrefix']) ?? 0) - each.range[1]),
    0,
  )
  const room = 2 ** (32 - range[1]) - 3
  if (nodes >= room)
    report(
      'error',
      'ovn-join',
      path,
      `${cidr} has room for ${Math.max(0, room)} nodes; clusterNetwork has it for ${nodes}`,
    )
  return range
}

function lintMtu(networking: Block, isOvn: boolean, { platform, report }: Subject): void {
  const mtu = numberOf(networking['clusterNetworkMTU'])
  const path = ['networking', 'clusterNetworkMTU']
  if (!mtu) return
  if (platform !== 'aws') report('error', 'mtu', path, 'the MTU can be chosen on aws only')
  else if (!isOvn) report('error', 'mtu', path, 'the MTU can be chosen with OVNKubernetes only')
  else if (mtu < SMALLEST_MTU || mtu > LARGEST_CLUSTER_MTU)
    report(
      'error',
      'mtu',
      path,
      `${mtu} is out of range: from ${SMALLEST_MTU} to ${LARGEST_CLUSTER_MTU} with OVN-Kubernetes`,
    )
}

/** Of a network that is written here. */
function rangeOf(cidr: string): Range {
  const range = parseCidr(cidr)
  if (typeof range === 'string') throw new Error(range)
  return range
}
