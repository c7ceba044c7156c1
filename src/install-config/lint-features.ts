// Capabilities and feature sets. Pure.
import { blockOf, listOf, textOf, type Subject } from './finding.ts'
import { featureSets } from './schema.ts'

/** The sets end here in every release that is known. */
const NEWEST_SET = 18
const baselineSet = /^(?:None|vCurrent|v4\.(\d\d))$/
const capabilityNames = [
  ...['baremetal', 'marketplace', 'openshift-samples', 'MachineAPI', 'Console', 'Insights', 'Storage', 'CSISnapshot'],
  ...['NodeTuning', 'ImageRegistry', 'Build', 'DeploymentConfig', 'OperatorLifecycleManager', 'CloudCredential'],
  ...['Ingress', 'CloudControllerManager', 'OperatorLifecycleManagerV1'],
]
/** A cluster in a cloud cannot do without these. */
const CLOUD_NEEDS = ['CloudCredential', 'CloudControllerManager', 'Ingress']

export function lintCapabilities({ config, platform, report }: Subject): void {
  if (config['capabilities'] === undefined) return
  const { baselineCapabilitySet, additionalEnabledCapabilities } = blockOf(config['capabilities'])
  const baseline = textOf(baselineCapabilitySet) ?? ''
  const added = listOf(additionalEnabledCapabilities).map(String)
  const path = ['capabilities', 'additionalEnabledCapabilities']
  const minor = Number(baselineSet.exec(baseline)?.[1] ?? (baseline === 'None' ? 0 : Infinity))
  if (!baselineSet.test(baseline) || (Number.isFinite(minor) && minor > 0 && (minor < 11 || minor > NEWEST_SET)))
    report(
      'error',
      'capabilities',
      ['capabilities', 'baselineCapabilitySet'],
      `must be None, vCurrent or a version from v4.11 to v4.${NEWEST_SET}`,
    )
  for (const [index, name] of added.entries())
    if (!capabilityNames.includes(name))
      report(
        'error',
        'capabilities',
        [...path, index],
        `there is no capability "${name}"; there are ${capabilityNames.join(', ')}`,
      )
  // The set of 4.11 contains the marketplace. The lifecycle manager became optional with 4.15.
  if ((added.includes('marketplace') || minor >= 11) && minor < 15 && !added.includes('OperatorLifecycleManager'))
    report('error', 'capabilities', path, 'marketplace needs OperatorLifecycleManager')
  const inSet = minor >= 16 ? CLOUD_NEEDS : minor === 15 ? ['CloudCredential'] : []
  const missing = platform ? CLOUD_NEEDS.filter((name) => !added.includes(name) && !inSet.includes(name)) : []
  if (missing.length > 0)
    report('error', 'capabilities', path, `a cluster in a cloud cannot be without ${missing.join(', ')}`)
}

export function lintFeatures({ config, report }: Subject): void {
  const set = textOf(config['featureSet'])
  if (set && !featureSets.some((known) => known === set))
    report('error', 'feature-set', ['featureSet'], `must be one of ${featureSets.join(', ')}`)
  else if (set) report('warning', 'feature-set', ['featureSet'], 'such a cluster can never be upgraded', 'ours')
  const gates = listOf(config['featureGates']).map(String)
  if (gates.length > 0 && set !== 'CustomNoUpgrade')
    report('error', 'feature-gates', ['featureGates'], 'need featureSet CustomNoUpgrade')
  for (const [index, gate] of gates.entries())
    if (!/^[^=]*=(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(gate))
      report('error', 'feature-gates', ['featureGates', index], 'must be a name and a truth value, such as Some=true')
  if (config['fips'] === true)
    report(
      'warning',
      'fips',
      ['fips'],
      'is for openshift-install-fips on a host in FIPS mode: every other installer refuses it',
      'ours',
    )
  const partitioning = textOf(config['cpuPartitioningMode'])
  if (partitioning && partitioning !== 'None' && partitioning !== 'AllNodes')
    report('warning', 'form', ['cpuPartitioningMode'], 'should be None or AllNodes', 'ours')
  const stream = textOf(config['osImageStream'])
  if (stream && stream !== 'rhel-9' && stream !== 'rhel-10')
    report('error', 'form', ['osImageStream'], 'must be rhel-9 or rhel-10')
}
