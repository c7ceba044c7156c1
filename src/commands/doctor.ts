// `doctor`: asks the clouds who each set of credentials is and what it may do, without making anything.
import { parseArgs } from 'node:util'
import { openCloudCredentials, type Access, type CloudCredentials } from '../clouds/access.ts'
import { NotAnswered } from '../clouds/asking.ts'
import { checkAws } from '../clouds/aws/rights.ts'
import { awsCredentialsOf } from '../clouds/aws/credentials.ts'
import { openAwsInventory } from '../clouds/aws/inventory.ts'
import { checkAzure } from '../clouds/azure/rights.ts'
import { openAzureInventory } from '../clouds/azure/inventory.ts'
import { findCredentials } from '../clouds/credentials.ts'
import { EntryProblem } from '../clouds/entry-forms.ts'
import { checkGcp } from '../clouds/gcp/rights.ts'
import { openGcpInventory } from '../clouds/gcp/inventory.ts'
import { checkIbmCloud } from '../clouds/ibmcloud/rights.ts'
import { openIbmCloudInventory } from '../clouds/ibmcloud/inventory.ts'
import type { Inventory } from '../clouds/inventory.ts'
import type { Checkup, Places, Right } from '../clouds/rights.ts'
import { placesOf } from '../clusters/inventory-query.ts'
import { ConfigError, type Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import { loadCatalog } from '../profiles/catalog.ts'
import type { Profile } from '../profiles/profile.ts'
import type { Platform } from '../vocabulary.ts'

const USAGE = 'usage: doctor [--profile NAME] [--json]'

/** How a cloud is asked about credentials. */
export type CloudDoctor = {
  check: (access: Access, places: Places) => Promise<Checkup>
  open: (access: Access) => Inventory
}

const doctors: Record<Platform, CloudDoctor> = {
  aws: { check: checkAws, open: (access) => openAwsInventory(awsCredentialsOf(access)) },
  azure: { check: checkAzure, open: openAzureInventory },
  gcp: { check: checkGcp, open: openGcpInventory },
  ibmcloud: { check: checkIbmCloud, open: openIbmCloudInventory },
}

/** problems: what is wrong beside missing rights. */
type Examined = {
  platform: Platform
  /** null: the environment. */
  entry: string | null
  profiles: string[]
  problems: string[]
  warnings: string[]
} & Partial<Checkup>

type Subject = { platform: Platform; entry: string | undefined; profiles: Profile[] }

/** Returns the exit code: 1 when a right is missing or credentials cannot be used. Throws ConfigError. */
export async function runDoctor(
  options: string[],
  readConfig: () => Config,
  ask: Record<Platform, CloudDoctor> = doctors,
  print: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  const { profile, json } = readOptions(options)
  const config = readConfig()
  const catalog = loadCatalog(config.profilesDir)
  const profiles = catalog.list().filter(({ name, enabled }) => (profile === undefined ? enabled : name === profile))
  if (profile !== undefined && profiles.length === 0) throw new ConfigError(`there is no profile "${profile}"`)
  const credentials = openCloudCredentials(config.credentialsDir, config.environment)
  const { entries, problems } = await credentials.list()
  const found = profile === undefined ? await findCredentials(config.environment) : []
  const unnamed = profile === undefined ? entries : []
  const subjects = subjectsOf(profiles, [
    ...unnamed.map(({ platform, name }) => ({ platform, entry: name })),
    ...found.map((platform) => ({ platform, entry: undefined })),
  ])
  const examined: Examined[] = []
  for (const subject of subjects) examined.push(await examine(credentials, subject, ask))
  const unusable = profile === undefined ? problems : []
  const isWell =
    unusable.length === 0 && examined.every((each) => each.problems.length === 0 && missing(each).length === 0)
  const report = { isWell, problems: unusable, credentials: examined }
  print(json ? `${JSON.stringify(report, null, 2)}\n` : showReport(report))
  return isWell ? 0 : 1
}

function readOptions(args: string[]) {
  try {
    return parseArgs({ args, options: { profile: { type: 'string' }, json: { type: 'boolean', default: false } } })
      .values
  } catch (error) {
    throw new ConfigError(`${messageOf(error)}; ${USAGE}`)
  }
}

/** Each set of credentials once, with the profiles that name it. */
function subjectsOf(profiles: Profile[], others: Omit<Subject, 'profiles'>[]): Subject[] {
  const all = new Map<string, Subject>()
  const subjectFor = (platform: Platform, entry: string | undefined): Subject => {
    const key = `${platform} ${entry ?? ''}`
    const subject = all.get(key) ?? { platform, entry, profiles: [] }
    all.set(key, subject)
    return subject
  }
  for (const profile of profiles) subjectFor(profile.platform, profile.credentials).profiles.push(profile)
  for (const { platform, entry } of others) subjectFor(platform, entry)
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, subject]) => subject)
}

async function examine(
  credentials: CloudCredentials,
  { platform, entry, profiles }: Subject,
  ask: Record<Platform, CloudDoctor>,
): Promise<Examined> {
  const examined: Examined = {
    platform,
    entry: entry ?? null,
    profiles: profiles.map(({ name }) => name),
    problems: [],
    warnings: [],
  }
  try {
    const access = await credentials.open(platform, entry)
    examined.warnings.push(...(access.entry?.exposed ?? []))
    const places = profiles.flatMap(placesOf)
    const inventory = ask[platform].open(access)
    for (const profile of profiles) {
      const [place] = placesOf(profile)
      const why = place && (await inventory.findMismatch?.({ ...place, name: '' }))
      if (why !== undefined) examined.problems.push(`${profile.name}: ${why}`)
    }
    Object.assign(examined, await ask[platform].check(access, places))
  } catch (error) {
    if (!(error instanceof EntryProblem || error instanceof NotAnswered)) throw error
    examined.problems.push(error.message)
  }
  return examined
}

const missing = ({ rights = [] }: Examined) => rights.filter(({ state }) => state === 'missing')

type Report = { isWell: boolean; problems: readonly string[]; credentials: Examined[] }

function showReport({ isWell, problems, credentials }: Report): string {
  const lines = [
    ...problems,
    ...credentials.flatMap(showOne),
    ...(credentials.length === 0 ? ['there are no credentials: docs/profiles.md says where they are looked for'] : []),
    isWell ? 'nothing is missing, as far as it can be known' : 'not all is well',
  ]
  return `${lines.join('\n')}\n`
}

function showOne(examined: Examined): string[] {
  const { platform, entry, profiles, who, where, rights = [] } = examined
  const of = (state: Right['state']) => rights.filter((right) => right.state === state)
  const given = of('given').length
  return [
    `${platform}, ${entry === null ? 'the environment' : `entry ${entry}`}${who === undefined ? '' : `: ${who}, ${where}`}`,
    `  profiles: ${profiles.join(', ') || 'none'}`,
    ...examined.warnings.map((warning) => `  warning: ${warning}`),
    ...examined.problems.map((problem) => `  wrong: ${problem}`),
    ...of('missing').map((right) => `  missing: ${showRight(right)}`),
    ...[...Map.groupBy(of('unknown'), ({ why = '' }) => why)].flatMap(([why, alike]) => [
      `  not known, since ${why}:`,
      ...alike.map((right) => `    ${showRight({ name: right.name, uses: right.uses, state: right.state })}`),
    ]),
    ...(given > 0 ? [`  given: ${given} of ${rights.length}`] : []),
    '',
  ]
}

const showRight = ({ name, uses, why }: Right) => `${name} (${uses.join(', ')})${why === undefined ? '' : `: ${why}`}`
