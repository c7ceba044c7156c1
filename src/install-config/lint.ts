// All that can be found wrong with an install-config without asking a cloud. Pure. Most rules are those of the
// installer's own static validation. A few rules, marked as ours, find what it lets through and what fails half an hour
// later.
import { type Platform, platforms } from '../vocabulary.ts'
import { blockOf, listOf, numberOf, textOf, type Block, type Finding, type Report } from './finding.ts'
import { lintNetworking } from './lint-networking.ts'
import { credentialsModes, lintPlatform } from './lint-platform.ts'
import { lintImages, lintProxy, lintTrust } from './lint-supply.ts'
import { domainProblem, nameProblem } from './names.ts'
import { installConfigSchema } from './schema.ts'
import { sshKeyProblem } from './ssh-key.ts'

export type { Finding } from './finding.ts'

const DEFAULT_REPLICAS = 3
/** The infraID keeps 21 characters of the name. This rule is ours: resources are then named by the whole of it. */
const NAME_IN_INFRA_ID = 21
const otherPlatforms = ['baremetal', 'external', 'none', 'nutanix', 'openstack', 'powervs', 'vsphere', 'ovirt']
const baselineSet = /^(None|vCurrent|v4\.(1[1-9]|[2-9]\d))$/
const capabilityNames = [
  ...['baremetal', 'marketplace', 'openshift-samples', 'MachineAPI', 'Console', 'Insights', 'Storage', 'CSISnapshot'],
  ...['NodeTuning', 'ImageRegistry', 'Build', 'DeploymentConfig', 'OperatorLifecycleManager', 'CloudCredential'],
  ...['Ingress', 'CloudControllerManager', 'OperatorLifecycleManagerV1'],
]
/** A cluster in a cloud cannot do without these. */
const CLOUD_NEEDS = ['CloudCredential', 'CloudControllerManager', 'Ingress']

/** Every finding, errors and warnings, in the order of the rules. */
export function lintInstallConfig(given: unknown): Finding[] {
  // For the installer, a key without a value does not exist.
  const input = withoutNulls(given)
  const findings: Finding[] = []
  const report: Report = (severity, rule, path, detail) => findings.push({ severity, rule, path, detail })
  const config = blockOf(input)
  lintForm(input, report)
  const platform = lintPlatformChoice(config, report)
  lintNames(config, platform, report)
  lintPullSecret(config, report)
  const nodes = lintPools(config, report)
  lintNetworking(config, nodes, platform === 'aws', report)
  lintPublish(config, platform, report)
  lintCredentials(config, platform, report)
  lintCapabilities(config, platform !== undefined, report)
  lintFeatures(config, report)
  lintSsh(config, report)
  lintProxy(config, report)
  lintImages(config, report)
  lintTrust(config, report)
  if (platform) lintPlatform(config, platform, report)
  return findings
}

function lintForm(input: unknown, report: Report): void {
  for (const issue of installConfigSchema.safeParse(input).error?.issues ?? []) {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys)
        report('warning', 'unknown-key', [...path, key], `"${key}" is not known here; the installer passes over it`)
    else if (issue.code === 'invalid_type' && issue.message.endsWith('undefined'))
      report('error', 'missing', path, 'is missing')
    else if (issue.code === 'invalid_value') report('error', 'form', path, `must be one of ${issue.values.join(', ')}`)
    else report('error', 'form', path, plain(issue.message))
  }
}

const plain = (message: string) =>
  message.replace(/^Invalid (input|option): expected/, 'must be').replace(/, received.*/, '')

function lintPlatformChoice(config: Block, report: Report): Platform | undefined {
  if (config['apiVersion'] !== undefined && config['apiVersion'] !== 'v1')
    report('error', 'api-version', ['apiVersion'], 'must be v1')
  const given = Object.keys(blockOf(config['platform']))
  if (given.length > 1)
    report('error', 'platform', ['platform'], `names ${given.join(' and ')}; one platform is allowed`)
  const [only] = given
  if (only === undefined) report('error', 'platform', ['platform'], `must name one of ${platforms.join(', ')}`)
  else if (!platforms.some((known) => known === only) && !otherPlatforms.includes(only))
    report('error', 'platform', ['platform', only], `is no platform; there are ${platforms.join(', ')}`)
  return platforms.find((known) => known === only)
}

function lintNames(config: Block, platform: Platform | undefined, report: Report): void {
  const name = textOf(blockOf(config['metadata'])['name'])
  const baseDomain = textOf(config['baseDomain'])
  const path = ['metadata', 'name']
  if (name !== undefined) {
    const problem = nameProblem(platform, name)
    if (problem) report('error', 'name', path, problem)
    else if (name.length > NAME_IN_INFRA_ID)
      report(
        'warning',
        'name-long',
        path,
        `has ${name.length} characters; the names of the cloud resources keep ${NAME_IN_INFRA_ID}`,
      )
    else if (name.includes('.'))
      report('warning', 'name-dots', path, 'holds a dot: a wildcard certificate of the base domain does not cover it')
  }
  if (baseDomain !== undefined) {
    const problem = domainProblem(name ?? 'x', baseDomain)
    if (problem) report('error', 'base-domain', ['baseDomain'], problem)
  }
}

function lintPullSecret(config: Block, report: Report): void {
  const text = textOf(config['pullSecret'])
  const path = ['pullSecret']
  if (text === undefined) return
  // The value is a secret and is not repeated in a message.
  const parsed = parseJson(text)
  const auths = blockOf(parsed)['auths']
  if (parsed === undefined)
    report('error', 'pull-secret', path, 'is no JSON: give the file from console.redhat.com on one line')
  else if (Object.keys(blockOf(auths)).length === 0)
    report('error', 'pull-secret', path, 'must be a JSON object with at least one registry in "auths"')
  for (const [registry, entry] of Object.entries(blockOf(auths)))
    if (!textOf(blockOf(entry)['auth']) && !textOf(blockOf(entry)['credsStore']))
      report('error', 'pull-secret', path, `the entry of ${registry} has no "auth"`)
}

/** @returns how many nodes the cluster begins with. */
function lintPools(config: Block, report: Report): number {
  const controlPlane = blockOf(config['controlPlane'])
  const masters = numberOf(controlPlane['replicas']) ?? DEFAULT_REPLICAS
  const path = ['controlPlane', 'replicas']
  if (controlPlane['name'] !== undefined && controlPlane['name'] !== 'master')
    report('error', 'pool-name', ['controlPlane', 'name'], 'must be master')
  if (masters <= 0) report('error', 'control-plane', path, 'at least one control plane node is needed')
  else if (masters % 2 === 0 && config['arbiter'] === undefined && controlPlane['fencing'] === undefined)
    report(
      'warning',
      'control-plane',
      path,
      `${masters} nodes hold no better quorum than ${masters - 1}: take 1, 3 or 5`,
    )
  const names = new Set<string>()
  let nodes = masters
  const pools = Array.isArray(config['compute']) ? config['compute'].map(blockOf) : [{ name: 'worker' } as Block]
  for (const [index, pool] of pools.entries()) {
    const name = textOf(pool['name']) ?? ''
    if (name !== 'worker' && name !== 'edge')
      report('error', 'pool-name', ['compute', index, 'name'], 'must be worker (or edge, on AWS Local Zones)')
    if (names.has(name)) report('error', 'pool-name', ['compute', index, 'name'], `there are two pools named ${name}`)
    names.add(name)
    nodes += numberOf(pool['replicas']) ?? DEFAULT_REPLICAS
  }
  const architectures = new Set([controlPlane, ...pools].map((pool) => textOf(pool['architecture']) ?? 'amd64'))
  if (architectures.size > 1)
    report(
      'warning',
      'architecture-mixed',
      ['compute'],
      `${[...architectures].join(' and ')} together need a release with the payload "multi"`,
    )
  return nodes
}

function lintPublish(config: Block, platform: Platform | undefined, report: Report): void {
  const strategy = config['operatorPublishingStrategy']
  if (config['publish'] === 'Mixed' && platform !== 'azure')
    report('error', 'publish', ['publish'], 'Mixed is for azure only')
  if (config['publish'] === 'Mixed' && strategy === undefined)
    report('error', 'publish', ['publish'], 'Mixed needs operatorPublishingStrategy')
  if (config['publish'] !== 'Mixed' && strategy !== undefined)
    report('error', 'publish', ['operatorPublishingStrategy'], 'is for publish: Mixed only')
}

function lintCredentials(config: Block, platform: Platform | undefined, report: Report): void {
  const mode = textOf(config['credentialsMode'])
  if (!platform) return
  if (mode !== undefined && !credentialsModes[platform].includes(mode))
    report(
      'error',
      'credentials-mode',
      ['credentialsMode'],
      `${platform} takes ${credentialsModes[platform].join(', ')}, not ${mode}`,
    )
  if (mode === undefined && platform === 'ibmcloud')
    report('error', 'credentials-mode', ['credentialsMode'], 'IBM Cloud needs Manual')
}

function lintCapabilities(config: Block, isOnCloud: boolean, report: Report): void {
  if (config['capabilities'] === undefined) return
  const capabilities = blockOf(config['capabilities'])
  const baseline = textOf(capabilities['baselineCapabilitySet']) ?? 'vCurrent'
  const added = listOf(capabilities['additionalEnabledCapabilities']).map(String)
  const path = ['capabilities', 'additionalEnabledCapabilities']
  if (!baselineSet.test(baseline))
    report(
      'error',
      'capabilities',
      ['capabilities', 'baselineCapabilitySet'],
      'must be None, vCurrent or a version from v4.11 on',
    )
  for (const [index, name] of added.entries())
    if (!capabilityNames.includes(name))
      report(
        'error',
        'capabilities',
        [...path, index],
        `there is no capability "${name}"; there are ${capabilityNames.join(', ')}`,
      )
  const minor = Number(/^v4\.(\d+)$/.exec(baseline)?.[1] ?? (baseline === 'None' ? 0 : Infinity))
  // The set of 4.11 contains the marketplace. The lifecycle manager became optional with 4.15.
  if ((added.includes('marketplace') || minor >= 11) && minor < 15 && !added.includes('OperatorLifecycleManager'))
    report('error', 'capabilities', path, 'marketplace needs OperatorLifecycleManager')
  const inSet = minor >= 16 ? CLOUD_NEEDS : minor === 15 ? ['CloudCredential'] : []
  const missing = isOnCloud ? CLOUD_NEEDS.filter((name) => !added.includes(name) && !inSet.includes(name)) : []
  if (missing.length > 0)
    report('error', 'capabilities', path, `a cluster in a cloud cannot be without ${missing.join(', ')}`)
}

function lintFeatures(config: Block, report: Report): void {
  if (listOf(config['featureGates']).length > 0 && config['featureSet'] !== 'CustomNoUpgrade')
    report('error', 'feature-gates', ['featureGates'], 'need featureSet CustomNoUpgrade')
  if (textOf(config['featureSet']))
    report('warning', 'feature-set', ['featureSet'], 'such a cluster can never be upgraded')
}

function lintSsh(config: Block, report: Report): void {
  const key = textOf(config['sshKey'])
  if (!key) return
  for (const line of key.trim().split('\n')) {
    const problem = sshKeyProblem(line.trim(), { fips: config['fips'] === true })
    if (problem) report('error', 'ssh-key', ['sshKey'], problem)
  }
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => (each === null ? [] : [[key, withoutNulls(each)]])),
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
