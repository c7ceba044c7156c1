// The workers that there are, and what each is able to run. Each tells it itself, again and again while it lives. What a
// worker is able to run helps to say early that nobody can run a job. It is never a reason to leave a destroy undone.
import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { EntryListing } from '../clouds/access.ts'
import { readCloudId } from '../clouds/simulated.ts'
import { credentialPlaces, findCredentials } from '../clouds/credentials.ts'
import type { Reader } from '../db/client.ts'
import { tellProfileProblems } from '../profiles/credentials.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import { newId } from '../ids.ts'
import { version } from '../version.ts'
import { platforms, type Platform } from '../vocabulary.ts'
import { hashOfAll } from '../profiles/catalog.ts'
import type { Abilities, Alike } from './table.ts'

const BEAT_MS = 15_000
/** A look may ask other services for credentials. */
const LOOK_MS = 300_000
const UNLIKE_RETRY_MS = 5000
/** A worker that was not seen for longer is not there. */
export const ALIVE_SECONDS = 60
/** What a fleet can run is remembered for so long, so that a restart of all workers refuses nothing. */
const REMEMBERED_SECONDS = 900

export const nameOfWorker = `${hostname()}:${process.pid}`

/** What there are programs for. Credentials are looked for apart, since that may take long. */
async function readPrograms({
  installer,
  config,
  catalog,
}: Pick<App, 'installer' | 'config' | 'catalog'>): Promise<Omit<Abilities, 'clouds' | 'entries'>> {
  const [programs, hostInFipsMode] = await Promise.all([installer.listPrograms(), installer.isHostInFipsMode()])
  const ofFips = programs.filter(({ fips }) => fips).map((program) => program.version)
  return {
    version,
    slots: config.workerConcurrency,
    simulated: installer.simulated,
    alike: await readAlike(config),
    profilesHash: hashOfAll(catalog),
    versions: [...new Set(programs.map((program) => program.version))],
    fips: { hostInFipsMode, versions: hostInFipsMode ? ofFips : [] },
  }
}

async function readAlike({ leaseSeconds, installerDir, simulator }: App['config']): Promise<Alike> {
  return { leaseSeconds, simulatedCloud: installerDir === undefined ? await readCloudId(simulator.cloudDir) : null }
}

/**
 * Waits while a worker lives that another lease or another cloud was set for: one of the two would free locks that the
 * other holds, or find nothing of what the other made. Throws the signal's reason.
 */
export async function waitForAlike(
  { db, config, log }: Pick<App, 'db' | 'config' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const mine = await readAlike(config)
  for (;;) {
    const others = await listAlive(db)
    const [why] = others.flatMap(({ name, abilities: { alike } }) => (alike ? whyUnlike(name, mine, alike) : []))
    if (why === undefined) return
    log.error(`this worker waits, and takes no job: ${why}`)
    await setTimeout(UNLIKE_RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

function whyUnlike(name: string, mine: Alike, other: Alike): string[] {
  const until = `as all workers must have the same; to change it, stop all of them for ${ALIVE_SECONDS} seconds`
  if (mine.leaseSeconds !== other.leaseSeconds)
    return [
      `OCPCTL_LEASE_SECONDS is ${mine.leaseSeconds} here and ${other.leaseSeconds} at ${name}: set it to ${other.leaseSeconds}, ${until}`,
    ]
  if ((mine.simulatedCloud === null) !== (other.simulatedCloud === null))
    return [
      `OCPCTL_INSTALLER is ${mine.simulatedCloud === null ? 'a directory' : 'simulated'} here and not at ${name}: correct it, ${until}`,
    ]
  if (mine.simulatedCloud !== other.simulatedCloud)
    return [`OCPCTL_SIM_CLOUD is another simulated cloud than that of ${name}: set it to the same directory, ${until}`]
  return []
}

async function listAlive(db: Reader): Promise<{ name: string; abilities: Abilities }[]> {
  const { rows } = await db.$client.query<{ name: string; abilities: Abilities }>({
    name: 'living workers',
    text: 'select name, abilities from workers where seen_at > now() - make_interval(secs => $1) order by seen_at desc',
    values: [ALIVE_SECONDS],
  })
  return rows
}

/** Whether a worker lives that has read other profiles than this process. */
export const hasOtherProfiles = async ({ db, catalog }: Pick<App, 'db' | 'catalog'>): Promise<boolean> =>
  (await listAlive(db)).some(({ abilities: { profilesHash = hashOfAll(catalog) } }) => profilesHash !== hashOfAll(catalog)) // prettier-ignore

/** Whether a worker with these abilities can install this version in FIPS mode. */
const canInstallFips = ({ simulated, fips }: Abilities, version: string): boolean =>
  simulated || fips.versions.includes(version)

/**
 * Tells the other processes of this worker until `stop` is called. Its programs and entries are looked at each time, the
 * credentials in its environment every few minutes. `hear` is told, each time, whether somebody drains this worker.
 */
export async function tellOfWorker(
  app: Pick<App, 'db' | 'installer' | 'config' | 'log' | 'credentials' | 'catalog' | 'events'>,
  hear: (isDraining: boolean) => void,
): Promise<{ abilities: () => Abilities; refreshEntries: () => Promise<void>; stop: () => void }> {
  const { installer, config, log } = app
  const id = newId('wrk')
  let clouds: Platform[] = installer.simulated ? [...platforms] : []
  let abilities: Abilities = { ...(await readPrograms(app)), clouds, entries: [] }
  let judged: Judged = { has: [], problems: [] }
  const readEntries = async () => {
    const listing = await app.credentials.list()
    const entries = listing.entries.map(({ name, platform }) => ({ name, platform }))
    const isSame = JSON.stringify(entries) === JSON.stringify(abilities.entries)
    abilities = { ...abilities, entries }
    const before = JSON.stringify(judged)
    judged = installer.simulated ? judged : judgeEntries(app, listing)
    if (JSON.stringify(judged) !== before) tellOfEntries(log, judged)
    return { isSame }
  }
  await readEntries()
  const beat = async () => {
    const { rows } = await app.db.$client.query<{ isDraining: boolean }>(beatOf(id, abilities))
    if (rows[0]) hear(rows[0].isDraining)
  }
  const tell = async () => {
    await readEntries()
    abilities = { ...abilities, ...(await readPrograms(app)), clouds }
    await beat()
  }
  const look = async () => {
    const found = await findCredentials(config.environment)
    if (found.join() !== clouds.join() || clouds.length === 0) tellOfCredentials(log, found)
    clouds = found
    await tell()
  }
  const warn = (error: unknown) => log.warn({ err: error }, 'this worker could not tell that it lives')
  if (!installer.simulated) log.info(aboutFips(abilities))
  await beat()
  const beating = setInterval(() => void tell().catch(warn), BEAT_MS)
  const unhear = app.events.on('worker', id, () => void beat().catch(warn))
  const looking = installer.simulated ? undefined : setInterval(() => void look().catch(warn), LOOK_MS)
  if (!installer.simulated) void look().catch(warn)
  return {
    abilities: () => abilities,
    async refreshEntries() {
      if (!(await readEntries()).isSame) await app.db.$client.query(beatOf(id, abilities))
    },
    stop() {
      clearInterval(beating)
      unhear()
      clearInterval(looking)
    },
  }
}

/** How a reason begins that only another worker can take away. */
export const WAITS_FOR_WORKER = 'it waits for a worker'

/** Why a worker with these abilities may not begin to install the cluster. */
export function whyNotInstalledHere(
  abilities: Abilities,
  { version, profileSnapshot }: ClusterRow,
): string | undefined {
  if (!profileSnapshot.features.fips || canInstallFips(abilities, version)) return undefined
  return `${WAITS_FOR_WORKER} with openshift-install-fips-${version} on a host in FIPS mode`
}

/** Why a worker with these abilities may not work on the cluster, whatever there is to do: it could not reach its account. */
export function whyNoEntryHere(
  { simulated, entries = [] }: Abilities,
  { platform, profileSnapshot: { credentials } }: Pick<ClusterRow, 'platform' | 'profileSnapshot'>,
): string | undefined {
  if (simulated || credentials === undefined) return undefined
  if (entries.some((each) => each.name === credentials && each.platform === platform)) return undefined
  return `${WAITS_FOR_WORKER} with the credentials entry "${credentials}" of ${platform}: put it (back) into OCPCTL_CLOUD_CREDENTIALS of a worker`
}

type Judged = { has: string[]; problems: string[] }

function judgeEntries({ catalog }: Pick<App, 'catalog'>, { entries, problems }: EntryListing): Judged {
  return {
    has: entries.map(({ name, platform }) => `${name} (${platform})`),
    problems: [
      ...problems,
      ...entries.flatMap(({ exposed }) => exposed),
      ...catalog.list().flatMap((profile) => tellProfileProblems(profile, entries)),
    ],
  }
}

function tellOfEntries(log: App['log'], { has, problems }: Judged): void {
  if (has.length > 0) log.info(`this worker has the credentials entries ${has.join(', ')}`)
  for (const problem of problems) log.warn(problem)
}

function aboutFips({ fips }: Abilities): string {
  if (fips.versions.length > 0) return `this worker installs ${fips.versions.join(', ')} in FIPS mode`
  const lacks = fips.hostInFipsMode ? 'there is no openshift-install-fips-<version>' : 'the host is not in FIPS mode'
  return `this worker installs nothing in FIPS mode: ${lacks}`
}

function tellOfCredentials(log: App['log'], clouds: Platform[]): void {
  if (clouds.length === 0) log.warn('this worker has found no credentials of any cloud: its installs will fail')
  else log.info(`this worker has credentials for ${clouds.join(', ')}`)
  for (const platform of platforms)
    if (!clouds.includes(platform))
      log.debug(`no credentials for ${platform}: they are looked for in ${credentialPlaces[platform]}`)
}

// A worker whose row a fail-over has lost, or that was thought to be gone, is there again at its next beat.
const beatOf = (id: string, abilities: Abilities) => ({
  name: 'worker lives',
  text: `with gone as (delete from workers where seen_at < now() - interval '1 day')
    insert into workers (id, name, abilities)
    values ($1, $2, $3::jsonb || jsonb_build_object('databaseStartedAt', pg_postmaster_start_time()))
    on conflict (id) do update set seen_at = now(), abilities = excluded.abilities
    returning draining_at is not null as "isDraining"`,
  values: [id, nameOfWorker, JSON.stringify(abilities)],
})

/**
 * The versions that the workers of a short while ago can install in FIPS mode. undefined: any, or there was no worker that
 * could tell.
 */
export async function listFipsVersions(db: Reader): Promise<string[] | undefined> {
  const all = await abilitiesWithin(db, REMEMBERED_SECONDS)
  if (all.length === 0 || all.some(({ simulated }) => simulated)) return undefined
  return [...new Set(all.flatMap(({ fips }) => fips.versions))]
}

/** What living workers have credentials for; `lacks` tells of an entry. undefined: no worker lives. */
export async function listCredentials(
  db: Reader,
): Promise<
  { clouds: Platform[]; entries: Platform[]; lacks: (platform: Platform, entry: string) => boolean } | undefined
> {
  const all = await abilitiesWithin(db, ALIVE_SECONDS)
  if (all.length === 0) return undefined
  const has =
    (platform: Platform, entry?: string) =>
    ({ entries = [] }: Abilities) =>
      entries.some((each) => each.platform === platform && (entry ?? each.name) === each.name)
  return {
    clouds: platforms.filter((platform) => all.some(({ clouds }) => clouds.includes(platform))),
    entries: platforms.filter((platform) => all.some(has(platform))),
    lacks: (platform, entry) => !all.some((each) => each.simulated || has(platform, entry)(each)),
  }
}

async function abilitiesWithin(db: Reader, seconds: number): Promise<Abilities[]> {
  const { rows } = await db.$client.query<{ abilities: Abilities }>({
    name: 'abilities of workers',
    text: 'select distinct abilities from workers where seen_at > now() - make_interval(secs => $1)',
    values: [seconds],
  })
  return rows.map(({ abilities }) => abilities)
}
