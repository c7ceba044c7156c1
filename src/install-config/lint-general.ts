// What an install-config says of the cluster as a whole: its name, who may pull, sign in and reach it. Pure.
import type { Platform } from '../vocabulary.ts'
import { blockOf, requireWord, textOf, type Block, type Subject } from './finding.ts'
import { dashProblem, domainProblem, domainRefusal, nameRefusal } from './names.ts'
import { sshKeyProblem, sshLineRefusal } from './ssh-key.ts'

/** The infraID keeps 21 characters of the name. */
const NAME_IN_INFRA_ID = 21
const apiVersions = ['v1', 'v1beta3', 'v1beta4']
const credentialsModes: Record<Platform, readonly string[]> = {
  aws: ['Mint', 'Passthrough', 'Manual'],
  gcp: ['Mint', 'Passthrough', 'Manual'],
  azure: ['Passthrough', 'Manual'],
  ibmcloud: ['Manual'],
}

export function lintApiVersion({ config, report }: Subject): void {
  const version = textOf(config['apiVersion'])
  if (!version) report('error', 'missing', ['apiVersion'], 'is missing: v1')
  else if (!apiVersions.includes(version)) report('error', 'api-version', ['apiVersion'], 'must be v1')
}

export function lintNames({ config, platform, report }: Subject): void {
  const name = textOf(blockOf(config['metadata'])['name'])
  const baseDomain = textOf(config['baseDomain'])
  const path = ['metadata', 'name']
  if (!name) report('error', 'missing', path, 'is missing')
  else lintName(name, path, { platform, report })
  if (!baseDomain) return report('error', 'missing', ['baseDomain'], 'is missing')
  const refusal = domainRefusal(name ?? 'x', baseDomain)
  if (refusal) return report('error', 'base-domain', ['baseDomain'], refusal)
  const problem = domainProblem(name ?? 'x', baseDomain)
  if (problem) report('error', 'base-domain', ['baseDomain'], problem, 'ours')
}

function lintName(name: string, path: string[], { platform, report }: Pick<Subject, 'platform' | 'report'>): void {
  const refusal = nameRefusal(platform, name)
  const dashes = dashProblem(name)
  const long = `has ${name.length} characters; the names of the cloud resources keep ${NAME_IN_INFRA_ID}`
  const dots = 'holds a dot: a wildcard certificate of the base domain does not cover it'
  if (refusal) report('error', 'name', path, refusal)
  else if (dashes) report('error', 'name-dashes', path, dashes, 'ours')
  else if (name.length > NAME_IN_INFRA_ID) report('warning', 'name-long', path, long, 'ours')
  else if (name.includes('.')) report('warning', 'name-dots', path, dots, 'ours')
}

/** The value is a secret and is not repeated in a message. */
export function lintPullSecret({ config, report }: Subject): void {
  const text = textOf(config['pullSecret'])
  const path = ['pullSecret']
  if (!text) return report('error', 'missing', path, 'is missing')
  const parsed = parseJson(text)
  if (parsed === undefined)
    return report('error', 'pull-secret', path, 'is no JSON: give the file from console.redhat.com on one line')
  const auths = blockOf(valueOf(blockOf(parsed), 'auths'))
  if (Object.keys(auths).length === 0)
    report('error', 'pull-secret', path, 'must be a JSON object with at least one registry in "auths"')
  for (const [registry, entry] of Object.entries(auths))
    if (!Object.hasOwn(blockOf(entry), 'auth') && !Object.hasOwn(blockOf(entry), 'credsStore'))
      report('error', 'pull-secret', path, `the entry of ${registry} has no "auth"`)
}

/** Go takes a key of JSON whatever its case. */
const valueOf = (block: Block, key: string) =>
  block[Object.keys(block).find((each) => each.toLowerCase() === key) ?? key]

export function lintPublish({ config, platform, report }: Subject): void {
  const publish = textOf(config['publish'])
  const path = ['publish']
  requireWord(report, 'publish', path, publish, ['External', 'Internal', 'Mixed'])
  const strategy = config['operatorPublishingStrategy']
  if (publish !== 'Mixed') {
    if (strategy !== undefined) report('error', 'publish', ['operatorPublishingStrategy'], 'is for publish: Mixed only')
    return
  }
  if (platform && platform !== 'azure') return report('error', 'publish', path, 'Mixed is for azure only')
  if (strategy === undefined) return report('error', 'publish', path, 'Mixed needs operatorPublishingStrategy')
  const { apiserver, ingress } = blockOf(strategy)
  for (const [key, value] of Object.entries({ apiserver, ingress }))
    requireWord(report, 'publish', ['operatorPublishingStrategy', key], value, ['Internal', 'External'])
  if (apiserver === 'Internal' && ingress === 'Internal')
    report('error', 'publish', path, 'both parts are Internal: take publish: Internal')
}

export function lintCredentials({ config, platform, report }: Subject): void {
  if (!platform) return
  const mode = textOf(config['credentialsMode'])
  const path = ['credentialsMode']
  const isStack = blockOf(blockOf(config['platform'])['azure'])['cloudName'] === 'AzureStackCloud'
  const modes = isStack ? ['Manual'] : credentialsModes[platform]
  if (mode && !modes.includes(mode))
    report('error', 'credentials-mode', path, `${platform} takes ${modes.join(', ')}, not ${mode}`)
  if (!mode && platform === 'ibmcloud')
    report('warning', 'credentials-mode', path, 'IBM Cloud needs Manual, with the credentials made before', 'ours')
}

export function lintSsh({ config, report }: Subject): void {
  const keys = textOf(config['sshKey'])
  if (!keys) return
  const fips = config['fips'] === true
  const [first = ''] = keys.split('\n').filter((line) => line.trim() !== '')
  // With FIPS, the installer looks at the first key only.
  for (const line of fips ? [first] : keys.split('\n').filter((each) => each !== '')) {
    const refusal = sshLineRefusal(line, { fips })
    if (refusal) return report('error', 'ssh-key', ['sshKey'], refusal)
  }
  for (const line of keys.split('\n').filter((each) => each.trim() !== '')) {
    const problem = sshKeyProblem(line.trim(), { fips })
    if (problem) report('warning', 'ssh-key', ['sshKey'], problem, 'ours')
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
