// Azure leaves out of a list what the caller may not read, and says nothing. So what the caller may read is asked first.
import { z } from 'zod'
import { NotAnswered } from '../asking.ts'
import { apiVersions, listAll, type Session } from './session.ts'

/** What a cluster is made of, and what the questions need. The built-in role Reader has all of it. */
export const neededActions = [
  'Microsoft.Authorization/permissions/read',
  'Microsoft.Resources/subscriptions/read',
  'Microsoft.Resources/subscriptions/resources/read',
  'Microsoft.Resources/subscriptions/resourceGroups/read',
  'Microsoft.Compute/availabilitySets/read',
  'Microsoft.Compute/disks/read',
  'Microsoft.Compute/galleries/read',
  'Microsoft.Compute/galleries/images/read',
  'Microsoft.Compute/galleries/images/versions/read',
  'Microsoft.Compute/images/read',
  'Microsoft.Compute/snapshots/read',
  'Microsoft.Compute/virtualMachines/read',
  'Microsoft.KeyVault/deletedVaults/read',
  'Microsoft.KeyVault/vaults/read',
  'Microsoft.ManagedIdentity/userAssignedIdentities/read',
  'Microsoft.Network/applicationSecurityGroups/read',
  'Microsoft.Network/dnsZones/read',
  'Microsoft.Network/dnsZones/all/read',
  'Microsoft.Network/loadBalancers/read',
  'Microsoft.Network/natGateways/read',
  'Microsoft.Network/networkInterfaces/read',
  'Microsoft.Network/networkSecurityGroups/read',
  'Microsoft.Network/privateDnsZones/read',
  'Microsoft.Network/privateDnsZones/ALL/read',
  'Microsoft.Network/privateDnsZones/virtualNetworkLinks/read',
  'Microsoft.Network/privateEndpoints/read',
  'Microsoft.Network/publicIPAddresses/read',
  'Microsoft.Network/routeTables/read',
  'Microsoft.Network/virtualNetworks/read',
  'Microsoft.Storage/storageAccounts/read',
]

/** What it takes to see which machines a cluster has and whether they run. */
export const powerReads = [
  'Microsoft.Authorization/permissions/read',
  'Microsoft.Resources/subscriptions/resourceGroups/read',
  'Microsoft.Compute/virtualMachines/read',
  'Microsoft.Compute/virtualMachines/instanceView/read',
]

const permission = z.object({ actions: z.array(z.string()), notActions: z.array(z.string()).nullish() })

/** What it takes to read zones and records. */
export const dnsActions = neededActions.filter((action) => /DnsZones/i.test(action))

/** One question for each action, which is refused where the caller lacks it in the subscription as a whole. */
export function permissionQuestions(session: Session, actions = neededActions): (() => Promise<never[]>)[] {
  const { home, subscriptionId } = session
  const url = `${home}/providers/Microsoft.Authorization/permissions?api-version=${apiVersions.permissions}`
  let asked: Promise<z.infer<typeof permission>[]> | undefined
  return actions.map((action) => async () => {
    asked ??= listAll(session, { permission: 'Microsoft.Authorization/permissions/read', url, item: permission })
    // An assignment takes away only from what it gives itself.
    const isGiven = (await asked).some(
      (given) => covers(given.actions, action) && !covers(given.notActions ?? [], action),
    )
    if (isGiven) return []
    throw new NotAnswered(action, `not allowed in the whole of subscription ${subscriptionId}`, { isDenied: true })
  })
}

/** A star stands for anything, slashes included. */
const covers = (patterns: string[], action: string): boolean =>
  patterns.some((pattern) => new RegExp(`^${pattern.split('*').map(escape).join('.*')}$`, 'i').test(action))

const escape = (text: string) => text.replaceAll(/[.()[\]{}+?^$|\\]/g, '\\$&')
