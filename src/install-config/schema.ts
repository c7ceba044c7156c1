// The form of install-config.yaml, version 1: its keys and their types. Platform blocks may contain more than is
// listed. The rules about them are in lint-platform.ts.
import { z } from 'zod'
import { awsSubnetRoles, azureClouds, azureOutboundTypes } from './lint-platform.ts'

const tags = z.record(z.string(), z.string())
export const architectures = ['amd64', 'arm64'] as const
export const featureSets = ['TechPreviewNoUpgrade', 'DevPreviewNoUpgrade', 'CustomNoUpgrade'] as const

const machinePlatform = z.looseObject({
  aws: z
    .looseObject({
      type: z.string(),
      zones: z.array(z.string()),
      rootVolume: z.looseObject({ size: z.int(), type: z.string(), iops: z.int() }).partial(),
      metadataService: z.strictObject({ authentication: z.enum(['Required', 'Optional']) }),
    })
    .partial(),
  azure: z
    .looseObject({
      type: z.string(),
      zones: z.array(z.string()),
      osDisk: z.looseObject({ diskSizeGB: z.int(), diskType: z.string() }).partial(),
    })
    .partial(),
  gcp: z
    .looseObject({
      type: z.string(),
      zones: z.array(z.string()),
      osDisk: z.looseObject({ diskSizeGB: z.int(), diskType: z.string() }).partial(),
    })
    .partial(),
  ibmcloud: z.looseObject({ type: z.string(), zones: z.array(z.string()) }).partial(),
})

const pool = z.strictObject({
  name: z.string(),
  replicas: z.int().min(0).optional(),
  architecture: z.enum(['amd64', 'arm64', 'ppc64le', 's390x']).optional(),
  hyperthreading: z.enum(['Enabled', 'Disabled']).optional(),
  fencing: z.unknown().optional(),
  platform: machinePlatform.partial().optional(),
})

const platform = z
  .looseObject({
    aws: z
      .looseObject({
        region: z.string(),
        userTags: tags,
        propagateUserTags: z.boolean(),
        lbType: z.string(),
        hostedZone: z.string(),
        hostedZoneRole: z.string(),
        vpc: z
          .looseObject({
            subnets: z.array(
              z.looseObject({
                id: z.string(),
                roles: z.array(z.looseObject({ type: z.enum(awsSubnetRoles) })).optional(),
              }),
            ),
          })
          .partial(),
      })
      .partial(),
    azure: z
      .looseObject({
        region: z.string(),
        userTags: tags,
        baseDomainResourceGroupName: z.string(),
        networkResourceGroupName: z.string(),
        virtualNetwork: z.string(),
        controlPlaneSubnet: z.string(),
        computeSubnet: z.string(),
        outboundType: z.enum(azureOutboundTypes),
        cloudName: z.enum(azureClouds),
      })
      .partial(),
    gcp: z
      .looseObject({
        region: z.string(),
        projectID: z.string(),
        network: z.string(),
        networkProjectID: z.string(),
        controlPlaneSubnet: z.string(),
        computeSubnet: z.string(),
        userLabels: z.array(z.strictObject({ key: z.string(), value: z.string() })),
      })
      .partial(),
    ibmcloud: z
      .looseObject({
        region: z.string(),
        resourceGroupName: z.string(),
        networkResourceGroupName: z.string(),
        vpcName: z.string(),
        controlPlaneSubnets: z.array(z.string()),
        computeSubnets: z.array(z.string()),
      })
      .partial(),
  })
  .partial()

const mirror = z.looseObject({ source: z.string(), mirrors: z.array(z.string()) })

export const installConfigSchema = z.strictObject({
  apiVersion: z.string(),
  metadata: z.looseObject({ name: z.string() }),
  baseDomain: z.string(),
  platform,
  pullSecret: z.string(),
  sshKey: z.string().optional(),
  controlPlane: pool.optional(),
  arbiter: pool.optional(),
  compute: z.array(pool).optional(),
  networking: z
    .strictObject({
      networkType: z.string().optional(),
      machineNetwork: z.array(z.strictObject({ cidr: z.string() })).optional(),
      clusterNetwork: z.array(z.strictObject({ cidr: z.string(), hostPrefix: z.int().optional() })).optional(),
      serviceNetwork: z.array(z.string()).optional(),
      clusterNetworkMTU: z.int().optional(),
      ovnKubernetesConfig: z.unknown().optional(),
      machineCIDR: z.unknown().optional(),
      serviceCIDR: z.unknown().optional(),
      clusterNetworks: z.unknown().optional(),
      type: z.unknown().optional(),
    })
    .optional(),
  proxy: z
    .strictObject({
      httpProxy: z.string().optional(),
      httpsProxy: z.string().optional(),
      noProxy: z.string().optional(),
    })
    .optional(),
  imageDigestSources: z.array(mirror).optional(),
  imageContentSources: z.array(mirror).optional(),
  additionalTrustBundle: z.string().optional(),
  additionalTrustBundlePolicy: z.enum(['Proxyonly', 'Always']).optional(),
  publish: z.enum(['External', 'Internal', 'Mixed']).optional(),
  operatorPublishingStrategy: z.unknown().optional(),
  fips: z.boolean().optional(),
  cpuPartitioningMode: z.enum(['None', 'AllNodes']).optional(),
  credentialsMode: z.enum(['Mint', 'Passthrough', 'Manual']).optional(),
  bootstrapInPlace: z.unknown().optional(),
  capabilities: z
    .strictObject({
      baselineCapabilitySet: z.string().optional(),
      additionalEnabledCapabilities: z.array(z.string()).optional(),
    })
    .optional(),
  featureSet: z.enum(['', ...featureSets]).optional(),
  featureGates: z.array(z.string()).optional(),
  osImageStream: z.string().optional(),
  pki: z.unknown().optional(),
})

export type InstallConfig = z.infer<typeof installConfigSchema>
