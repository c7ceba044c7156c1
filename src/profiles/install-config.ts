// The install-config.yaml of a cluster, from its profile and request. Pure. The YAML comes from a serializer, so no
// string of a request can add a key or change a type.
import { stringify } from 'yaml'
import type { Profile } from './profile.ts'

export type InstallConfigInput = {
  name: string
  baseDomain: string
  region: string
  profile: Profile
  tags: Record<string, string>
  sshPublicKey?: string | undefined
  /** The pull secret's JSON text. */
  pullSecret: string
}

export const MASKED_PULL_SECRET = '{"auths":{"masked":{"auth":"***"}}}'

export function renderInstallConfig(input: InstallConfigInput): string {
  return stringify(buildInstallConfig(input), { lineWidth: 0 })
}

export function buildInstallConfig({
  name,
  baseDomain,
  region,
  profile,
  tags,
  sshPublicKey,
  pullSecret,
}: InstallConfigInput) {
  const { controlPlane, workers, networking } = profile
  return {
    apiVersion: 'v1',
    metadata: { name },
    baseDomain,
    ...(profile.credentialsMode ? { credentialsMode: profile.credentialsMode } : {}),
    controlPlane: {
      name: 'master',
      replicas: controlPlane.replicas,
      platform: machine(profile, controlPlane.instanceType),
    },
    compute: [{ name: 'worker', replicas: workers.replicas, platform: machine(profile, workers.instanceType) }],
    networking: {
      networkType: 'OVNKubernetes',
      clusterNetwork: networking.clusterNetwork,
      serviceNetwork: [networking.serviceNetwork],
      machineNetwork: [{ cidr: networking.machineNetwork }],
    },
    platform: platformBlock(profile, region, tags),
    publish: 'External',
    pullSecret,
    ...(sshPublicKey ? { sshKey: sshPublicKey } : {}),
  }
}

const machine = ({ platform }: Profile, type: string) => ({ [platform]: { type } })

function platformBlock(profile: Profile, region: string, tags: Record<string, string>) {
  switch (profile.platform) {
    case 'aws':
      return { aws: { region, propagateUserTags: true, userTags: tags } }
    case 'azure':
      return { azure: { region, userTags: tags } }
    case 'gcp':
      return {
        gcp: {
          region,
          userLabels: Object.entries(tags).map(([key, value]) => ({ key: toLabel(key), value: toLabel(value) })),
        },
      }
    case 'ibmcloud':
      return { ibmcloud: { region } }
  }
}

// Google Cloud labels: lower case letters, digits, dashes and underscores, at most 63.
const toLabel = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '-')
    .slice(0, 63)
