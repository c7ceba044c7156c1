// The inventories of all clouds and their power over machines, asked at one address instead of at the clouds. There their
// doubles speak for the simulated cloud, so that its clusters are proved gone as real ones are. Nothing here is a secret.
import type { Platform } from '../vocabulary.ts'
import { openAwsInventory } from './aws/inventory.ts'
import { openAwsInstances } from './aws/power.ts'
import { openAzureInventory } from './azure/inventory.ts'
import { openAzureInstances } from './azure/power.ts'
import { openGcpInventory } from './gcp/inventory.ts'
import { openGcpInstances } from './gcp/power.ts'
import { openIbmCloudInventory } from './ibmcloud/inventory.ts'
import { openIbmCloudInstances } from './ibmcloud/power.ts'
import type { Instances } from './instances.ts'
import type { Inventory } from './inventory.ts'
import { openSimulatedInstances } from './simulated-instances.ts'
import { openSimulatedInventory } from './simulated.ts'

export const doublesCredentials = {
  aws: { accessKeyId: 'AKIALOOPBACK', secretAccessKey: 'loopback-secret' },
  azure: { subscriptionId: '11111111-2222-3333-4444-555555555555', token: 'loopback' },
  gcp: { client_id: 'loopback', client_secret: 's1', refresh_token: 'r1' },
  ibmcloud: { apiKey: 'loopback-api-key' },
}

/** `doubles`: where the doubles are. Without it the simulated cloud's files are read. */
export const inventoriesOfSimulator = ({ cloudDir, doubles }: { cloudDir: string; doubles: string | undefined }) =>
  doubles === undefined ? { simulated: openSimulatedInventory(cloudDir) } : openInventoriesOfDoubles(doubles)

/** The same for the power of machines. */
export const instancesOfSimulator = ({ cloudDir, doubles }: { cloudDir: string; doubles: string | undefined }) =>
  doubles === undefined ? { simulated: openSimulatedInstances(cloudDir) } : openInstancesOfDoubles(doubles)

function openInventoriesOfDoubles(origin: string): Record<Platform, Inventory> {
  const options = optionsOfDoubles(origin)
  return {
    aws: openAwsInventory(options.aws),
    azure: openAzureInventory(options.azure),
    gcp: openGcpInventory(options.gcp),
    ibmcloud: openIbmCloudInventory(options.ibmcloud),
  }
}

function openInstancesOfDoubles(origin: string): Record<Platform, Instances> {
  const options = optionsOfDoubles(origin)
  return {
    aws: openAwsInstances(options.aws),
    azure: openAzureInstances(options.azure),
    gcp: openGcpInstances(options.gcp),
    ibmcloud: openIbmCloudInstances(options.ibmcloud),
  }
}

function optionsOfDoubles(origin: string) {
  const { aws, azure, gcp, ibmcloud } = doublesCredentials
  const key = { type: 'authorized_user', ...gcp, token_uri: `${origin}/gcp/token` }
  const at = `${origin}/ibmcloud`
  return {
    aws: { endpoint: `${origin}/aws`, credentials: aws },
    azure: {
      environment: {},
      instead: {
        resourceManager: `${origin}/azure`,
        signIn: async () => ({ subscriptionId: azure.subscriptionId, token: async () => azure.token }),
      },
    },
    gcp: { environment: { GOOGLE_CREDENTIALS: JSON.stringify(key) }, endpoint: `${origin}/gcp` },
    ibmcloud: {
      environment: { IC_API_KEY: ibmcloud.apiKey },
      endpoints: {
        iam: `${at}/iam`,
        resources: `${at}/resources`,
        search: `${at}/search`,
        internetServices: `${at}/cis`,
        dnsServices: `${at}/dns`,
        vpc: (region: string) => `${at}/vpc/${region}`,
      },
    },
  }
}
