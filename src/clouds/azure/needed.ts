// What the installer needs in Azure, as its documentation lists it, without what profiles cannot ask for. What the look of
// this service needs stands in permissions.ts.
import { areAllPrivate, bringsNetwork, namesIn, needsOf, type Needs, type Places } from '../rights.ts'
import { neededActions, powerReads } from './permissions.ts'

const install = `
  Microsoft.Authorization: policies/audit/action policies/auditIfNotExists/action roleAssignments/read roleAssignments/write
  Microsoft.Compute: availabilitySets/read availabilitySets/write disks/beginGetAccess/action disks/delete disks/read disks/write galleries/images/read galleries/images/versions/read galleries/images/versions/write galleries/images/write galleries/read galleries/write snapshots/delete snapshots/read snapshots/write virtualMachines/delete virtualMachines/instanceView/read virtualMachines/powerOff/action virtualMachines/read virtualMachines/write
  Microsoft.ManagedIdentity: userAssignedIdentities/assign/action userAssignedIdentities/read userAssignedIdentities/write
  Microsoft.Network: loadBalancers/backendAddressPools/join/action loadBalancers/backendAddressPools/read loadBalancers/backendAddressPools/write loadBalancers/read loadBalancers/write networkInterfaces/delete networkInterfaces/join/action networkInterfaces/read networkInterfaces/write networkSecurityGroups/join/action networkSecurityGroups/read networkSecurityGroups/securityRules/delete networkSecurityGroups/securityRules/read networkSecurityGroups/securityRules/write networkSecurityGroups/write privateDnsZones/A/delete privateDnsZones/A/read privateDnsZones/A/write privateDnsZones/SOA/read privateDnsZones/read privateDnsZones/virtualNetworkLinks/read privateDnsZones/virtualNetworkLinks/write privateDnsZones/write publicIPAddresses/delete publicIPAddresses/join/action publicIPAddresses/read publicIPAddresses/write virtualNetworks/join/action virtualNetworks/read virtualNetworks/subnets/join/action virtualNetworks/subnets/read
  Microsoft.Resources: subscriptions/resourceGroups/read subscriptions/resourcegroups/write tags/write
  Microsoft.Storage: storageAccounts/blobServices/containers/write storageAccounts/blobServices/read storageAccounts/fileServices/read storageAccounts/fileServices/shares/delete storageAccounts/fileServices/shares/read storageAccounts/fileServices/shares/write storageAccounts/listKeys/action storageAccounts/read storageAccounts/write`

const destroy = `
  Microsoft.Authorization: roleAssignments/delete
  Microsoft.Compute: disks/delete galleries/delete galleries/images/delete galleries/images/versions/delete virtualMachines/delete
  Microsoft.ManagedIdentity: userAssignedIdentities/delete
  Microsoft.Network: loadBalancers/delete networkInterfaces/delete networkSecurityGroups/delete privateDnsZones/A/read privateDnsZones/delete privateDnsZones/read privateDnsZones/virtualNetworkLinks/delete publicIPAddresses/delete
  Microsoft.Resources: subscriptions/resourcegroups/delete
  Microsoft.Storage: storageAccounts/delete storageAccounts/listKeys/action`

const network = { install: 'Microsoft.Network: virtualNetworks/subnets/write virtualNetworks/write', destroy: 'Microsoft.Network: virtualNetworks/delete' } // prettier-ignore

const publicRecords = {
  install: 'Microsoft.Network: dnsZones/A/write dnsZones/CNAME/read dnsZones/CNAME/write dnsZones/read',
  destroy:
    'Microsoft.Network: dnsZones/A/delete dnsZones/A/read dnsZones/CNAME/delete dnsZones/CNAME/read dnsZones/read',
}

const sleep = `
  Microsoft.Compute: virtualMachines/deallocate/action virtualMachines/delete virtualMachines/start/action`

export const sleepActions = [...powerReads, ...namesIn(sleep, '/')]

export function azureNeeds(places: Places): Needs {
  const more = [...(bringsNetwork(places) ? [] : [network]), ...(areAllPrivate(places) ? [] : [publicRecords])]
  const all = (first: string, others: string[]) => [first, ...others].flatMap((text) => namesIn(text, '/'))
  return needsOf({
    install: all(install, more.map((each) => each.install)), // prettier-ignore
    destroy: all(destroy, more.map((each) => each.destroy)), // prettier-ignore
    proof: neededActions,
    sleep: sleepActions,
  })
}
