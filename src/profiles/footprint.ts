// What a cluster takes from a cloud's quotas. Pure. It is an estimate: the clouds' default topologies, three zones.
import type { Platform } from '../vocabulary.ts'
import type { Profile } from './profile.ts'

export type Footprint = { nodes: number; vcpu: number; loadBalancers: number; publicAddresses: number }

const ZONES = 3
// One for the API, one for its internal twin, one for the applications. Azure serves the applications from the API's.
const loadBalancers: Record<Platform, number> = { aws: 3, azure: 2, gcp: 3, ibmcloud: 3 }

export function footprintOf(profile: Profile, workerReplicas: number): Footprint {
  const { platform, controlPlane, workers, features } = profile
  const zones = controlPlane.zones?.length ?? ZONES
  // On aws and IBM Cloud, each zone has a gateway to the internet. Elsewhere one address serves all.
  const gateways = platform === 'aws' || platform === 'ibmcloud' ? zones : 1
  return {
    nodes: controlPlane.replicas + workerReplicas,
    vcpu: controlPlane.replicas * vcpuOf(platform, controlPlane) + workerReplicas * vcpuOf(platform, workers),
    loadBalancers: loadBalancers[platform] - (features.private ? 1 : 0),
    publicAddresses: hasOwnNetwork(profile) ? 0 : gateways + (features.private ? 0 : 1),
  }
}

const hasOwnNetwork = ({ aws, azure, gcp, ibmcloud }: Profile) =>
  (aws?.subnets ?? azure?.network ?? gcp?.network ?? ibmcloud?.vpc) !== undefined

/** The vCPUs of one node. 0 when neither the name nor the profile tells, which the catalogue refuses. */
export const vcpuOf = (platform: Platform, pool: { instanceType: string; vcpu?: number | undefined }): number =>
  pool.vcpu ?? vcpuByName(platform, pool.instanceType) ?? 0

/** Reads the number from the name of the machine type, as each cloud forms it. Undefined when a name does not tell. */
export function vcpuByName(platform: Platform, type: string): number | undefined {
  switch (platform) {
    case 'aws': {
      const [, times, size] = /^[a-z0-9-]+\.(?:metal-)?(\d*)(large|xlarge)$/.exec(type) ?? []
      return size === undefined ? undefined : size === 'large' ? 2 : 4 * Number(times || 1)
    }
    case 'azure':
      // The older D, DS, E and G count differently.
      return wholeIn(/^Standard_(?:[A-Z]+(\d+)[a-z]*_v(?:[3-9]|\d\d)|[BFLM]S?(\d+)[a-z]*(?:_v\d)?)$/, type)
    case 'gcp':
      return wholeIn(/^[a-z]\d[a-z]?-[a-z]+-(\d+)$/, type) ?? wholeIn(/^(?:[a-z]\d[a-z]?-)?custom-(\d+)-\d+$/, type)
    case 'ibmcloud':
      return wholeIn(/^[a-z]+\d[a-z]?-(\d+)x\d+/, type)
  }
}

function wholeIn(pattern: RegExp, text: string): number | undefined {
  const number = pattern.exec(text)?.slice(1).find(Boolean)
  return number === undefined ? undefined : Number(number)
}

export const usdPerHourOf = ({ cost, workers }: Profile, workerReplicas: number): number =>
  round(Math.max(0, cost.usdPerHour + cost.usdPerWorkerHour * (workerReplicas - workers.replicas)))

/** Rounds to a hundredth of a cent. */
const round = (usd: number) => Math.round(usd * 10_000) / 10_000
