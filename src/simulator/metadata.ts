import fs from 'node:fs'
import path from 'node:path'
import { fatal } from './failure.ts'
import { block, platforms, type InstallConfig, type Platform } from './install-config.ts'
import { randomText, randomUuid } from './random.ts'

export interface ClusterIdentity {
  uuid: string
  infraID: string
}

export interface Metadata {
  clusterName?: string
  clusterID?: string
  infraID?: string
  aws?: { region?: string; identifier?: Record<string, string>[]; clusterDomain?: string }
  azure?: { resourceGroupName?: string }
  gcp?: { region?: string; projectID?: string }
  ibmcloud?: { region?: string; baseDomain?: string }
}

export function newIdentity(clusterName: string): ClusterIdentity {
  const base = clusterName
    .replace(/[^A-Za-z0-9-]/g, '-')
    .replace(/-{2,}/g, '-')
    .slice(0, 21)
    .replace(/-+$/, '')
  return { uuid: randomUuid(), infraID: `${base}-${randomText(5, 'bcdfghjklmnpqrstvwxz2456789')}` }
}

/** One line, the keys in the installer's order. */
export function metadataText(config: InstallConfig, { uuid, infraID }: ClusterIdentity, version: string): string {
  return JSON.stringify({
    clusterName: config.name,
    clusterID: uuid,
    infraID,
    [config.platform]: platformMetadata(config, uuid, infraID, minorOf(version)),
    featureSet: '',
    customFeatureSet: null,
  })
}

const minorOf = (version: string): number => Number(version.split('.')[1] ?? 0)

function platformMetadata(
  config: InstallConfig,
  uuid: string,
  infraID: string,
  minor: number,
): Record<string, unknown> {
  const { region, settings, baseDomain } = config
  switch (config.platform) {
    case 'aws':
      return {
        region,
        identifier: [
          { [`kubernetes.io/cluster/${infraID}`]: 'owned' },
          { openshiftClusterID: uuid },
          { [`sigs.k8s.io/cluster-api-provider-aws/cluster/${infraID}`]: 'owned' },
        ],
        serviceEndpoints: settings['serviceEndpoints'],
        clusterDomain: `${config.name}.${baseDomain}`,
        hostedZoneRole: settings['hostedZoneRole'],
      }
    case 'azure':
      return {
        armEndpoint: settings['armEndpoint'] ?? '',
        cloudName: settings['cloudName'] ?? 'AzurePublicCloud',
        region,
        // What the user gave: the group that the installer makes is found by its tag, or by the infraID.
        resourceGroupName: settings['resourceGroupName'] ?? '',
        baseDomainResourceGroupName: settings['baseDomainResourceGroupName'] ?? '',
        baseDomainName: minor >= 19 ? baseDomain : undefined,
      }
    case 'gcp': {
      const { projectID, networkProjectID } = settings
      const isShared = Boolean(settings['network']) && Boolean(networkProjectID)
      const zone = block(block(settings['dns'])['privateZone'])
      return {
        region,
        projectID,
        networkProjectID,
        privateZoneDomain: isShared ? `${config.name}.${baseDomain}.` : undefined,
        privateZoneProjectID: minor >= 20 ? zone['projectID'] || projectID : undefined,
        endpoint: settings['endpoint'],
        firewallRulesManagement: minor >= 21 ? (settings['firewallRulesManagement'] ?? 'Managed') : undefined,
      }
    }
    case 'ibmcloud':
      return {
        accountID: 'simulated0000000000000000000000a',
        baseDomain,
        cisInstanceCRN: config.isPublic ? 'crn:v1:bluemix:public:internet-svcs:global:a/simulated::' : undefined,
        region,
        resourceGroupName: settings['resourceGroupName'] ?? infraID,
        serviceEndpoints: settings['serviceEndpoints'],
        vpc: settings['vpcName'],
      }
  }
}

export function azureResourceGroup(config: InstallConfig, infraID: string): string {
  const { resourceGroupName } = config.settings
  return typeof resourceGroupName === 'string' && resourceGroupName !== '' ? resourceGroupName : `${infraID}-rg`
}

export function findMetadata(dir: string): Metadata | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(dir, 'metadata.json'), 'utf8')) as Metadata
  } catch {
    return undefined
  }
}

export function loadMetadata(dir: string): Metadata {
  const file = path.join(dir, 'metadata.json')
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch {
    throw fatal(1, `failed while preparing to destroy cluster: open ${file}: no such file or directory`)
  }
  try {
    return JSON.parse(text) as Metadata
  } catch (error) {
    throw fatal(
      1,
      `failed while preparing to destroy cluster: failed to Unmarshal data from ${file} to types.ClusterMetadata: ${(error as Error).message}`,
    )
  }
}

export function platformOf(metadata: Metadata): Platform {
  const platform = platforms.find((known) => known in metadata)
  if (platform === undefined)
    throw fatal(1, 'failed while preparing to destroy cluster: no platform configured in metadata')
  return platform
}
