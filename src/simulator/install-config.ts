export const platforms = ['aws', 'azure', 'gcp', 'ibmcloud'] as const
export type Platform = (typeof platforms)[number]

export interface InstallConfig {
  name: string
  baseDomain: string
  platform: Platform
  region: string
  isPublic: boolean
  controlPlaneReplicas: number
  computeReplicas: number
  userTags: Record<string, string>
  /** The platform's own block. */
  settings: Block
  document: Block
}

type Block = Record<string, unknown>

export function serverOf(config: InstallConfig): string {
  return `https://api.${config.name}.${config.baseDomain}:6443`
}

/** The static part of the installer's validation. Throws an error that says everything that is wrong, as the installer does. */
export function readInstallConfig(input: unknown): InstallConfig {
  if (!isBlock(input)) throw new Error('failed to unmarshal install-config.yaml: json: cannot unmarshal into Go value')
  const problems: string[] = []
  const invalid = (field: string, value: unknown, why: string): void => {
    problems.push(`${field}: Invalid value: ${JSON.stringify(value ?? '')}: ${why}`)
  }
  const required = (field: string, why: string): void => {
    problems.push(`${field}: Required value: ${why}`)
  }

  if (input['apiVersion'] === undefined) required('apiVersion', 'install-config version required')
  else if (input['apiVersion'] !== 'v1')
    invalid('apiVersion', input['apiVersion'], 'install-config version must be "v1"')

  const name = textOf(block(input['metadata'])['name'])
  const baseDomain = textOf(input['baseDomain']).replace(/\.$/, '')
  const given = Object.keys(block(input['platform']))
  const platform = platforms.find((known) => given.includes(known))
  if (given.length > 1) invalid('platform', given.join(','), 'must only specify a single type of platform')
  else if (platform === undefined) {
    invalid('platform', given[0] ?? '', `must specify one of the platforms (${platforms.join(', ')})`)
  }
  checkNames()
  checkPullSecret()

  const controlPlaneReplicas = replicas(block(input['controlPlane'])['replicas'])
  if (!(controlPlaneReplicas > 0)) {
    invalid('controlPlane.replicas', controlPlaneReplicas, 'number of control plane replicas must be positive')
  }
  const pools = Array.isArray(input['compute']) ? input['compute'].map(block) : [{}]
  const computeReplicas = pools.reduce((sum, pool) => sum + replicas(pool['replicas']), 0)
  if (pools.some((pool) => !(replicas(pool['replicas']) >= 0))) {
    invalid('compute[0].replicas', computeReplicas, 'number of compute replicas must not be negative')
  }
  problems.push(...networkProblems(block(input['networking'])))

  const publish = input['publish'] ?? 'External'
  if (publish !== 'External' && publish !== 'Internal' && publish !== 'Mixed') {
    problems.push(
      `publish: Unsupported value: ${JSON.stringify(publish)}: supported values: "External", "Internal", "Mixed"`,
    )
  }
  const settings = platform === undefined ? {} : block(block(input['platform'])[platform])
  const userTags = readUserTags(platform, settings)
  if (platform !== undefined) checkPlatform(platform)

  if (platform === undefined || problems.length > 0) {
    const list = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`
    throw new Error(`invalid "install-config.yaml" file: ${list}`)
  }
  return {
    name,
    baseDomain,
    platform,
    region: textOf(settings['region']),
    isPublic: publish !== 'Internal',
    controlPlaneReplicas,
    computeReplicas,
    userTags,
    settings,
    document: input,
  }

  function checkNames(): void {
    const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
    const why =
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
    if (name === '') required('metadata.name', 'cluster name required')
    else if (name.length > 54)
      invalid('metadata.name', name, 'cluster name is too long, please restrict it to 54 characters')
    else if (!subdomain.test(name)) invalid('metadata.name', name, why)
    else if ((platform === 'gcp' || platform === 'azure') && !/^[a-z]/.test(name)) {
      invalid('metadata.name', name, 'cluster name must begin with a lower-case letter')
    }
    if (!subdomain.test(baseDomain)) invalid('baseDomain', baseDomain, why)
    else if (`${name}.${baseDomain}`.length > 253)
      invalid('baseDomain', `${name}.${baseDomain}`, 'must be no more than 253 characters')
  }

  function checkPullSecret(): void {
    // The value is a secret and is not repeated in the message.
    try {
      const { auths } = JSON.parse(textOf(block(input)['pullSecret'])) as { auths?: Record<string, unknown> }
      if (Object.keys(auths ?? {}).length === 0) problems.push('pullSecret: Invalid value: auths required')
    } catch {
      problems.push('pullSecret: Invalid value: unexpected end of JSON input')
    }
  }

  function checkPlatform(platform: Platform): void {
    const needed = { aws: ['region'], azure: ['region'], gcp: ['projectID', 'region'], ibmcloud: ['region'] }[platform]
    if (platform === 'azure' && publish !== 'Internal') needed.push('baseDomainResourceGroupName')
    for (const key of needed) {
      if (textOf(settings[key]) === '') required(`platform.${platform}.${key}`, `${key} must be specified`)
    }
    const limit = { aws: 25, azure: 10, gcp: 32, ibmcloud: Infinity }[platform]
    const field = `platform.${platform}.${platform === 'gcp' ? 'userLabels' : 'userTags'}`
    if (Object.keys(userTags).length > limit)
      invalid(field, Object.keys(userTags).length, `must be no more than ${limit}`)
    for (const [key, value] of Object.entries(userTags)) {
      const why = platform === 'aws' ? awsTagProblem(key, value) : undefined
      if (why !== undefined) invalid(`${field}[${key}]`, value, why)
      if (platform === 'gcp' && !/^[a-z][0-9a-z_-]{0,62}$/.test(key))
        invalid(`${field}[${key}]`, value, 'label key is invalid')
    }
  }
}

function awsTagProblem(key: string, value: string): string | undefined {
  // The range from + to @ is the installer's own.
  const characters = /^[0-9A-Za-z_.:/=+-@\p{Z}]*$/u
  if (key.length === 0 || key.length > 128) return 'key must have from 1 to 128 characters'
  if (value.length === 0 || value.length > 256) return 'value must have from 1 to 256 characters'
  if (key.toLowerCase() === 'name') return '"Name" key is not allowed for user defined tags'
  if (/(^|\.)(kubernetes|openshift)\.io\//.test(key)) return 'key is in a reserved namespace'
  return characters.test(key) && characters.test(value) ? undefined : 'tag contains invalid characters'
}

function readUserTags(platform: Platform | undefined, settings: Block): Record<string, string> {
  const listed = platform === 'gcp' && Array.isArray(settings['userLabels']) ? settings['userLabels'].map(block) : []
  const pairs = listed.map((label): [string, unknown] => [textOf(label['key']), label['value']])
  const tags = platform === 'gcp' ? pairs : Object.entries(block(settings['userTags']))
  return Object.fromEntries(tags.map(([key, value]) => [key, String(value)]))
}

function networkProblems(networking: Block): string[] {
  const list = (key: string): unknown[] => (Array.isArray(networking[key]) ? networking[key] : [])
  const machine = list('machineNetwork').map((entry) => textOf(block(entry)['cidr']))
  const cluster = list('clusterNetwork').map((entry) => textOf(block(entry)['cidr']))
  const service = list('serviceNetwork').map(textOf)
  const networks = [
    ...(machine.length > 0 ? machine : ['10.0.0.0/16']).map((cidr) => ({ field: 'networking.machineNetwork', cidr })),
    ...(cluster.length > 0 ? cluster : ['10.128.0.0/14']).map((cidr) => ({ field: 'networking.clusterNetwork', cidr })),
    ...(service.length > 0 ? service : ['172.30.0.0/16']).map((cidr) => ({ field: 'networking.serviceNetwork', cidr })),
  ].filter(({ cidr }) => !cidr.includes(':'))
  const problems: string[] = []
  const ranges: { field: string; cidr: string; from: number; to: number }[] = []
  for (const { field, cidr } of networks) {
    const range = parseCidr(cidr)
    if (range === undefined) {
      problems.push(`${field}: Invalid value: "${cidr}": invalid CIDR address: ${cidr}`)
      continue
    }
    const clash = ranges.find((other) => other.from < range.to && range.from < other.to)
    if (clash) problems.push(`${field}: Invalid value: "${cidr}": must not overlap with ${clash.field} ${clash.cidr}`)
    ranges.push({ field, cidr, ...range })
  }
  for (const entry of list('clusterNetwork').map(block)) {
    const [, bits] = textOf(entry['cidr']).split('/')
    if (typeof entry['hostPrefix'] === 'number' && entry['hostPrefix'] < Number(bits)) {
      problems.push(
        `networking.clusterNetwork[0].hostPrefix: Invalid value: ${entry['hostPrefix']}: cluster network host subnetwork prefix must not be larger size than CIDR ${textOf(entry['cidr'])}`,
      )
    }
  }
  return problems
}

/** Undefined unless the address is the network's first. */
function parseCidr(cidr: string): { from: number; to: number } | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr)
  if (!match) return undefined
  const [a = 0, b = 0, c = 0, d = 0, bits = 0] = match.slice(1).map(Number)
  if (Math.max(a, b, c, d) > 255 || bits > 32) return undefined
  const from = ((a * 256 + b) * 256 + c) * 256 + d
  const size = 2 ** (32 - bits)
  return from % size === 0 ? { from, to: from + size } : undefined
}

function replicas(value: unknown): number {
  return value === undefined || value === null ? 3 : Number(value)
}

function isBlock(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function block(value: unknown): Block {
  return isBlock(value) ? value : {}
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
