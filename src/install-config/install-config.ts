// The install-config.yaml of a cluster, from its profile and its terms. Pure. The YAML comes from a serializer, so no
// string of a request can add a key or change a type. The same input gives the same bytes.
import { Document, visit } from 'yaml'
import type { Profile } from '../profiles/profile.ts'
import type { Block } from './finding.ts'
import { minorOf } from './installers.ts'
import { VPC_SUBNETS_SINCE } from './schema-aws.ts'
import { NAT_WORDS_SINCE, OLD_NAT_GATEWAY } from './schema-azure.ts'

export type InstallConfigInput = {
  name: string
  /** Of OpenShift. It decides the form of what the releases write differently. */
  version: string
  baseDomain: string
  region: string
  workerReplicas: number
  profile: Profile
  /** The tags in the form that the cloud takes. */
  tags: Record<string, string>
  sshPublicKey?: string | undefined
  /** The pull secret's JSON text. */
  pullSecret: string
}

export const MASKED_PULL_SECRET = '{"auths":{"masked":{"auth":"***"}}}'

export function renderInstallConfig(input: InstallConfigInput): string {
  const document = new Document(buildInstallConfig(input), { aliasDuplicateObjects: false })
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && !isPlainWord(node.value)) node.type = 'QUOTE_DOUBLE'
    },
  })
  // Such characters appear only in double quotes, where a reader of YAML 1.1 wants them escaped.
  return document
    .toString({ lineWidth: 0 })
    .replace(
      /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
}

// The installer reads YAML 1.1, where no, on and 1:30 are not strings. Every other reader reads YAML 1.2. A word that
// begins with a letter and is none of these is a string in both.
const isPlainWord = (text: string) =>
  /^[A-Za-z][\w./-]*$/.test(text) && !/^(y|yes|n|no|on|off|true|false|null)$/i.test(text)

export function buildInstallConfig(input: InstallConfigInput): Block {
  const { name, baseDomain, workerReplicas, profile, sshPublicKey, pullSecret } = input
  const { controlPlane, workers, networking, features, proxy } = profile
  return defined({
    apiVersion: 'v1',
    metadata: { name },
    baseDomain,
    credentialsMode: profile.credentialsMode,
    controlPlane: machinePool('master', profile, controlPlane, controlPlane.replicas),
    compute: [machinePool('worker', profile, workers, workerReplicas)],
    networking: defined({
      networkType: 'OVNKubernetes',
      clusterNetwork: networking.clusterNetwork,
      serviceNetwork: [networking.serviceNetwork],
      machineNetwork: networking.machineNetwork.map((cidr) => ({ cidr })),
      clusterNetworkMTU: networking.mtu,
    }),
    platform: platformBlock(input),
    publish: features.private ? 'Internal' : 'External',
    fips: features.fips || undefined,
    featureSet: features.featureSet,
    capabilities: features.capabilities && {
      baselineCapabilitySet: features.capabilities.baseline,
      additionalEnabledCapabilities: features.capabilities.additional,
    },
    proxy: proxy && defined({ httpProxy: proxy.http, httpsProxy: proxy.https, noProxy: proxy.noProxy }),
    imageDigestSources: profile.imageMirrors,
    additionalTrustBundle: profile.trustBundle,
    // By default the installer gives the bundle only to the proxy.
    additionalTrustBundlePolicy: profile.trustBundle === undefined ? undefined : 'Always',
    pullSecret,
    sshKey: sshPublicKey,
  })
}

type Pool = Profile['controlPlane'] | Profile['workers']

function machinePool(name: string, profile: Profile, pool: Pool, replicas: number) {
  const { instanceType: type, zones, rootVolume: disk, architecture } = pool
  const osDisk = disk && defined({ diskSizeGB: disk.sizeGiB, diskType: disk.type })
  const machine = {
    aws: () =>
      defined({
        type,
        zones,
        rootVolume: disk && defined({ size: disk.sizeGiB, type: disk.type ?? 'gp3', iops: disk.iops }),
        metadataService: {
          authentication: (profile.aws?.imdsv2 ?? true) ? 'Required' : 'Optional',
        },
      }),
    azure: () => defined({ type, zones, osDisk }),
    gcp: () => defined({ type, zones, osDisk }),
    ibmcloud: () => defined({ type, zones }),
  }[profile.platform]()
  return { name, replicas, architecture, platform: { [profile.platform]: machine } }
}

function platformBlock({ profile, region, tags, version }: InstallConfigInput): Block {
  const minor = minorOf(version)
  switch (profile.platform) {
    case 'aws': {
      const { subnets, hostedZone, hostedZoneRole, lbType = 'NLB', propagateUserTags = true } = profile.aws ?? {}
      return {
        aws: defined({
          region,
          propagateUserTags,
          userTags: tags,
          lbType,
          hostedZone,
          hostedZoneRole,
          // An installer that does not know vpc would make a VPC of its own.
          ...(minor < VPC_SUBNETS_SINCE
            ? { subnets: subnets?.map(({ id }) => id) }
            : {
                vpc: subnets && {
                  subnets: subnets.map(({ id, roles }) =>
                    defined({ id, roles: roles.length > 0 ? roles.map((type) => ({ type })) : undefined }),
                  ),
                },
              }),
        }),
      }
    }
    case 'azure': {
      const { baseDomainResourceGroup, outboundType, cloud, network } = profile.azure ?? {}
      return {
        azure: defined({
          region,
          userTags: tags,
          baseDomainResourceGroupName: baseDomainResourceGroup,
          outboundType:
            minor < NAT_WORDS_SINCE && outboundType === 'NATGatewaySingleZone' ? OLD_NAT_GATEWAY : outboundType,
          cloudName: cloud,
          networkResourceGroupName: network?.resourceGroup,
          virtualNetwork: network?.virtualNetwork,
          controlPlaneSubnet: network?.controlPlaneSubnet,
          computeSubnet: network?.computeSubnet,
        }),
      }
    }
    case 'gcp': {
      const { project, network, controlPlaneSubnet, computeSubnet, networkProject } = profile.gcp ?? {}
      return {
        gcp: defined({
          region,
          projectID: project,
          network,
          controlPlaneSubnet,
          computeSubnet,
          networkProjectID: networkProject,
          userLabels: Object.entries(tags).map(([key, value]) => ({ key, value })),
        }),
      }
    }
    case 'ibmcloud': {
      const { resourceGroup, networkResourceGroup, vpc, controlPlaneSubnets, computeSubnets } = profile.ibmcloud ?? {}
      return {
        ibmcloud: defined({
          region,
          resourceGroupName: resourceGroup,
          networkResourceGroupName: networkResourceGroup,
          vpcName: vpc,
          controlPlaneSubnets,
          computeSubnets,
        }),
      }
    }
  }
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** The object without the keys that have no value. */
function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T> // as filtered
}
