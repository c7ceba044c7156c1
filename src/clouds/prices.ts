// What a resource costs while it stands: list prices of large regions, rounded, by kind and alike for all clouds. It tells
// people where to look first, and is no bill: discounts, traffic and licences are not in it.
import { vcpuByName } from '../profiles/footprint.ts'
import type { Platform } from '../vocabulary.ts'
import type { Resource } from './inventory.ts'

/** As far as the cloud tells it of a resource. */
export type Size = { machine?: string | undefined; gib?: number | undefined }

const HOURS_A_MONTH = 730
/** What the installer takes where a profile says nothing. */
const USUAL_VCPU = 4
const USUAL_GIB = 120

const machine = ({ vcpu }: Measured) => 0.048 * vcpu
const perGib =
  (usdPerMonth: number) =>
  ({ gib }: Measured) =>
    (usdPerMonth / HOURS_A_MONTH) * gib
const flat = (usd: number) => () => usd
const monthly = (usd: number) => flat(usd / HOURS_A_MONTH)

type Measured = { vcpu: number; gib: number }

/** What is not here has no price that is known. */
const prices: Record<string, (measured: Measured) => number> = {
  ...alike(machine, 'instance', 'virtual-machine', 'microsoft.compute/virtualmachines'),
  ...alike(perGib(0.1), 'volume', 'disk', 'microsoft.compute/disks'),
  ...alike(perGib(0.05), 'snapshot', 'image', 'microsoft.compute/snapshots', 'microsoft.compute/images'),
  ...alike(perGib(0.2), 'filestore'),
  ...alike(flat(0.005), 'elastic-ip', 'public-ip', 'address', 'floating-ip', 'microsoft.network/publicipaddresses'),
  ...alike(flat(0.025), 'load-balancer', 'forwarding-rule', 'microsoft.network/loadbalancers'),
  ...alike(flat(0.045), 'nat-gateway', 'microsoft.network/natgateways'),
  ...alike(flat(0.01), 'vpc-endpoint', 'endpoint-gateway', 'microsoft.network/privateendpoints'),
  ...alike(monthly(0.5), 'hosted-zone', 'managed-zone', 'microsoft.network/dnszones', 'microsoft.network/privatednszones'), // prettier-ignore
  ...alike(monthly(1), 'kms-key'),
  ...alike(
    flat(0),
    ...['vpc', 'subnet', 'route-table', 'internet-gateway', 'security-group', 'network-interface', 'dhcp-options'],
    ...[
      'iam-role',
      'iam-user',
      'instance-profile',
      'target-group',
      'dns-record',
      'resource-group',
      'network',
      'subnetwork',
    ],
    ...['firewall', 'route', 'target-pool', 'instance-group', 'backend-service', 'health-check', 'http-health-check'],
    ...['service-account', 'role-binding', 'network-acl', 'key', 'iam-authorization', 'service-id', 'managed-identity'],
    ...[
      'virtual-network',
      'network-security-group',
      'virtual-network-interface',
      'target-tcp-proxy',
      'resource-policy',
    ],
    ...['microsoft.network/virtualnetworks', 'microsoft.network/networksecuritygroups'],
    ...['microsoft.network/networkinterfaces', 'microsoft.managedidentity/userassignedidentities'],
  ),
}

function alike<T>(value: T, ...types: string[]): Record<string, T> {
  return Object.fromEntries(types.map((type) => [type, value]))
}

/** Where the cloud does not tell a size, it is that of the installer's usual machines and disks. undefined: not known. */
export function usdPerHourOf(platform: Platform, { type, billable }: Resource, size: Size = {}): number | undefined {
  if (billable === false) return 0
  const vcpu = size.machine === undefined ? USUAL_VCPU : vcpuByName(platform, size.machine)
  const price = prices[type]
  if (!price || vcpu === undefined) return undefined
  return Math.round(price({ vcpu, gib: size.gib ?? USUAL_GIB }) * 10_000) / 10_000
}

/** Of all whose price is known; undefined: of none it is. */
export function usdPerHourOfAll(resources: Pick<Resource, 'usdPerHour'>[]): number | undefined {
  const known = resources.flatMap(({ usdPerHour }) => usdPerHour ?? [])
  return known.length === 0 ? undefined : Math.round(known.reduce((sum, usd) => sum + usd, 0) * 10_000) / 10_000
}
