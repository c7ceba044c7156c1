// The form of the blocks for Azure, and the words in them.
import { any, block, flag, list, map, since, text, whole } from './shape.ts'

export const azureOutboundTypes = [
  'Loadbalancer',
  'NATGatewaySingleZone',
  'NATGatewayMultiZone',
  'UserDefinedRouting',
] as const
/** What 4.19 and older call NATGatewaySingleZone. They have no gateways in several zones. */
export const OLD_NAT_GATEWAY = 'NatGateway'
/** The first release with the newer words. */
export const NAT_WORDS_SINCE = 20
export const azureClouds = [
  'AzurePublicCloud',
  'AzureUSGovernmentCloud',
  'AzureChinaCloud',
  'AzureGermanCloud',
] as const

const uefi = block({ uefiSettings: block({ secureBoot: text, virtualizedTrustedPlatformModule: text }) })
const encryptionSet = block({ subscriptionId: text, resourceGroup: text, name: text })

export const azureMachine = block({
  type: text,
  zones: list(text),
  osDisk: block({
    diskSizeGB: whole,
    diskType: text,
    diskEncryptionSet: encryptionSet,
    securityProfile: block({ securityEncryptionType: text, diskEncryptionSet: encryptionSet }),
  }),
  encryptionAtHost: flag,
  ultraSSDCapability: text,
  vmNetworkingType: text,
  osImage: block({ plan: text, publisher: text, offer: text, sku: text, version: text }),
  settings: block({ securityType: text, confidentialVM: uefi, trustedLaunch: uefi }),
  bootDiagnostics: block({ type: text, resourceGroup: text, storageAccountName: text }),
  dataDisks: since(20, list(block({ nameSuffix: text, diskSizeGB: whole, lun: whole, cachingType: text, managedDisk: any }))), // prettier-ignore
  identity: block({ type: text, userAssignedIdentities: list(any) }),
})

export const azurePlatform = block({
  region: text,
  userTags: map(text),
  armEndpoint: text,
  clusterOSImage: text,
  baseDomainResourceGroupName: text,
  resourceGroupName: text,
  networkResourceGroupName: text,
  virtualNetwork: text,
  controlPlaneSubnet: text,
  computeSubnet: text,
  subnets: since(20, list(block({ name: text, role: text }))),
  outboundType: text,
  cloudName: text,
  defaultMachinePlatform: azureMachine,
  customerManagedKey: block({
    keyVault: block({ resourceGroup: text, name: text, keyName: text }),
    userAssignedIdentityKey: text,
  }),
  userProvisionedDNS: text,
  ipFamily: since(20, text),
})
