// The inventories of all clouds, asked at one address instead of at the clouds. There their doubles speak for the simulated
// cloud, so that its clusters are proved gone as real ones are. Nothing here is a secret.
import type { Platform } from '../vocabulary.ts'
import { openAwsInventory } from './aws/inventory.ts'
import { openAzureInventory } from './azure/inventory.ts'
import { openGcpInventory } from './gcp/inventory.ts'
import { openIbmCloudInventory } from './ibmcloud/inventory.ts'
import type { Inventory } from './inventory.ts'
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

function openInventoriesOfDoubles(origin: string): Record<Platform, Inventory> {
  const { aws, azure, gcp, ibmcloud } = doublesCredentials
  const key = { type: 'authorized_user', ...gcp, token_uri: `${origin}/gcp/token` }
  const at = `${origin}/ibmcloud`
  return {
    aws: openAwsInventory({ endpoint: `${origin}/aws`, credentials: aws }),
    azure: openAzureInventory({
      environment: {},
      instead: {
        resourceManager: `${origin}/azure`,
        signIn: async () => ({ subscriptionId: azure.subscriptionId, token: async () => azure.token }),
      },
    }),
    gcp: openGcpInventory({ environment: { GOOGLE_CREDENTIALS: JSON.stringify(key) }, endpoint: `${origin}/gcp` }),
    ibmcloud: openIbmCloudInventory({
      environment: { IC_API_KEY: ibmcloud.apiKey },
      endpoints: {
        iam: `${at}/iam`,
        resources: `${at}/resources`,
        search: `${at}/search`,
        internetServices: `${at}/cis`,
        dnsServices: `${at}/dns`,
        vpc: (region) => `${at}/vpc/${region}`,
      },
    }),
  }
}
