// What machines an Azure pool takes: disks, images, and how they are secured. Pure.
import { blockOf, numberOf, requireWord, textOf, type Block, type Path, type Report } from './finding.ts'
import type { Machine } from './machines.ts'

const STACK_DISK = { least: 128, most: 1023 }
const encryptions = ['DiskWithVMGuestState', 'VMGuestStateOnly']
const diagnostics = ['Disabled', 'Managed', 'UserManaged']

export function lintAzureMachine({ at, machine, role }: Machine, isStack: boolean, report: Report): void {
  const disk = blockOf(machine['osDisk'])
  const size = numberOf(disk['diskSizeGB']) ?? 0
  const { least, most } = STACK_DISK
  if (size < 0) report('error', 'azure-disk', [...at, 'osDisk', 'diskSizeGB'], 'must not be negative')
  else if (isStack && size !== 0 && (size < least || size > most))
    report('error', 'azure-disk', [...at, 'osDisk', 'diskSizeGB'], `must be from ${least} to ${most} on Azure Stack`)
  const isWorker = role !== undefined && role !== 'master'
  const types = ['StandardSSD_LRS', 'Premium_LRS', ...(isWorker ? ['Standard_LRS'] : [])]
  requireWord(report, 'azure-disk', [...at, 'osDisk', 'diskType'], disk['diskType'], types)
  if (disk['diskEncryptionSet'] !== undefined)
    lintEncryptionSet(blockOf(disk['diskEncryptionSet']), [...at, 'osDisk', 'diskEncryptionSet'], isStack, report)
  requireWord(report, 'form', [...at, 'ultraSSDCapability'], machine['ultraSSDCapability'], ['Enabled', 'Disabled'])
  requireWord(report, 'form', [...at, 'vmNetworkingType'], machine['vmNetworkingType'], ['Accelerated', 'Basic'])
  if (machine['encryptionAtHost'] === true && isStack)
    report('error', 'azure-security', [...at, 'encryptionAtHost'], 'is not for Azure Stack')
  lintImage(blockOf(machine['osImage']), [...at, 'osImage'], report)
  lintDiagnostics(machine, [...at, 'bootDiagnostics'], isStack, report)
  lintIdentity(machine, [...at, 'identity'], report)
  const problem = securityProblem(machine, isStack)
  if (problem) report('error', 'azure-security', [...at, ...problem.at], problem.detail)
}

function lintEncryptionSet(set: Block, at: Path, isStack: boolean, report: Report): void {
  const forms: [string, RegExp][] = [
    ['subscriptionId', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i],
    ['resourceGroup', /^[\w().-]{0,89}[\w()-]$/],
    ['name', /^[\w-]{1,80}$/],
  ]
  if (isStack) return report('error', 'azure-key', at, 'is not for Azure Stack')
  for (const [key, form] of forms)
    if (!form.test(textOf(set[key]) ?? ''))
      report('error', 'azure-key', [...at, key], textOf(set[key]) ? 'has not the form of one' : 'is missing')
}

function lintImage(image: Block, at: Path, report: Report): void {
  const parts = ['publisher', 'offer', 'sku', 'version']
  if (![...parts, 'plan'].some((key) => textOf(image[key]))) return
  requireWord(report, 'azure-image', [...at, 'plan'], image['plan'], ['NoPurchasePlan', 'WithPurchasePlan'])
  for (const key of parts) if (!textOf(image[key])) report('error', 'azure-image', [...at, key], 'is missing')
}

function lintDiagnostics(machine: Block, at: Path, isStack: boolean, report: Report): void {
  if (machine['bootDiagnostics'] === undefined) return
  const { type, ...settings } = blockOf(machine['bootDiagnostics'])
  if (!diagnostics.some((known) => known === type))
    report('error', 'form', [...at, 'type'], `must be one of ${diagnostics.join(', ')}`)
  if (type === 'Managed' && isStack) report('error', 'form', [...at, 'type'], 'must be UserManaged on Azure Stack')
  for (const key of ['resourceGroup', 'storageAccountName'])
    if ((type === 'UserManaged') !== Boolean(textOf(settings[key])))
      report('error', 'form', [...at, key], 'goes with type UserManaged, and with it alone')
}

function lintIdentity(machine: Block, at: Path, report: Report): void {
  if (machine['identity'] === undefined) return
  const { type, userAssignedIdentities } = blockOf(machine['identity'])
  if (type !== 'None' && type !== 'UserAssigned')
    report('error', 'form', [...at, 'type'], 'must be one of None, UserAssigned')
  else if (userAssignedIdentities !== undefined && type !== 'UserAssigned')
    report('error', 'form', [...at, 'type'], 'must be UserAssigned where identities are given')
}

type Problem = { at: string[]; detail: string }

/** The first thing that is wrong with how the machine is secured. */
function securityProblem(machine: Block, isStack: boolean): Problem | undefined {
  const profile = blockOf(machine['osDisk'])['securityProfile']
  const encryption = textOf(blockOf(profile)['securityEncryptionType'])
  const securityType = ['settings', 'securityType']
  if (machine['settings'] === undefined)
    return encryption ? { at: ['settings'], detail: 'is missing, and securityEncryptionType needs it' } : undefined
  const settings = blockOf(machine['settings'])
  if (isStack) return { at: securityType, detail: 'is not for Azure Stack' }
  switch (textOf(settings['securityType'])) {
    case 'ConfidentialVM':
      return confidentialProblem(settings, encryption, machine['encryptionAtHost'] === true)
    case 'TrustedLaunch':
      return settings['trustedLaunch'] === undefined
        ? { at: ['settings', 'trustedLaunch'], detail: 'is missing with securityType TrustedLaunch' }
        : undefined
  }
  if (encryption) return { at: securityType, detail: 'must be ConfidentialVM with securityEncryptionType' }
  const uefi = Object.values(blockOf(blockOf(settings['trustedLaunch'])['uefiSettings']))
  return uefi.includes('Enabled') ? { at: securityType, detail: 'must be TrustedLaunch with its settings' } : undefined
}

function confidentialProblem(settings: Block, encryption: string | undefined, atHost: boolean): Problem | undefined {
  const place = ['settings', 'confidentialVM']
  const uefi = blockOf(settings['confidentialVM'])['uefiSettings']
  const { virtualizedTrustedPlatformModule: module, secureBoot } = blockOf(uefi)
  if (!encryption || !encryptions.includes(encryption))
    return {
      at: ['osDisk', 'securityProfile', 'securityEncryptionType'],
      detail: `must be one of ${encryptions.join(', ')} with ConfidentialVM`,
    }
  if (settings['confidentialVM'] === undefined) return { at: place, detail: 'is missing with ConfidentialVM' }
  if (uefi === undefined) return { at: [...place, 'uefiSettings'], detail: 'is missing with ConfidentialVM' }
  if (module !== undefined && module !== 'Enabled')
    return { at: [...place, 'uefiSettings', 'virtualizedTrustedPlatformModule'], detail: 'must be Enabled' }
  if (encryption !== 'DiskWithVMGuestState') return undefined
  if (atHost) return { at: ['encryptionAtHost'], detail: 'cannot go with DiskWithVMGuestState' }
  return secureBoot !== undefined && secureBoot !== 'Enabled'
    ? { at: [...place, 'uefiSettings', 'secureBoot'], detail: 'must be Enabled with DiskWithVMGuestState' }
    : undefined
}
