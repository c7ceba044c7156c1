// The workers that there are, and what each is able to run. Each tells it itself, again and again while it lives. What a
// worker is able to run helps to say early that nobody can run a job. It is never a reason to leave a destroy undone.
import { hostname } from 'node:os'
import type { App } from '../app.ts'
import { credentialPlaces, findCredentials } from '../clouds/credentials.ts'
import type { Reader } from '../db/client.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import { newId } from '../ids.ts'
import { platforms, type Platform } from '../vocabulary.ts'
import type { Abilities } from './table.ts'

const BEAT_MS = 15_000
/** A worker that was not seen for longer is not there. */
const ALIVE_SECONDS = 60
/** What a fleet can run is remembered for so long, so that a restart of all workers refuses nothing. */
const REMEMBERED_SECONDS = 900

export const nameOfWorker = `${hostname()}:${process.pid}`

/** What this process is able to run, as things are. */
export async function readAbilities({ installer, config }: Pick<App, 'installer' | 'config'>): Promise<Abilities> {
  const [programs, hostInFipsMode, clouds] = await Promise.all([
    installer.listPrograms(),
    installer.isHostInFipsMode(),
    installer.simulated ? [...platforms] : findCredentials(config.environment),
  ])
  const ofFips = programs.filter(({ fips }) => fips).map(({ version }) => version)
  return {
    simulated: installer.simulated,
    versions: [...new Set(programs.map(({ version }) => version))],
    fips: { hostInFipsMode, versions: hostInFipsMode ? ofFips : [] },
    clouds,
  }
}

/** Whether a worker with these abilities can install this version in FIPS mode. */
export const canInstallFips = ({ simulated, fips }: Abilities, version: string): boolean =>
  simulated || fips.versions.includes(version)

/** Tells the other processes of this worker until `stop` is called. Its abilities are read anew each time. */
export async function tellOfWorker(
  app: Pick<App, 'db' | 'installer' | 'config' | 'log'>,
): Promise<{ abilities: () => Abilities; stop: () => void }> {
  const id = newId('wrk')
  let abilities = await readAbilities(app)
  tellOfCredentials(app, abilities)
  await app.db.$client.query(beatOf(id, abilities))
  const tell = async () => {
    abilities = await readAbilities(app)
    await app.db.$client.query(beatOf(id, abilities))
  }
  const beat = setInterval(
    () =>
      void tell().catch((error: unknown) => app.log.warn({ err: error }, 'this worker could not tell that it lives')),
    BEAT_MS,
  )
  return { abilities: () => abilities, stop: () => clearInterval(beat) }
}

/** Why a worker with these abilities may not begin to install the cluster. */
export function whyNotInstalledHere(
  abilities: Abilities,
  { version, profileSnapshot }: ClusterRow,
): string | undefined {
  if (!profileSnapshot.features.fips || canInstallFips(abilities, version)) return undefined
  return `it waits for a worker with openshift-install-fips-${version} on a host in FIPS mode`
}

function tellOfCredentials({ log }: Pick<App, 'log'>, { simulated, clouds, fips }: Abilities): void {
  if (simulated) return
  log.info(
    { clouds, fipsVersions: fips.versions },
    clouds.length === 0
      ? 'this worker has found no credentials of any cloud: its installs will fail'
      : `this worker has credentials for ${clouds.join(', ')}`,
  )
  for (const platform of platforms)
    if (!clouds.includes(platform))
      log.debug(`no credentials for ${platform}: they are looked for in ${credentialPlaces[platform]}`)
}

// A worker whose row a fail-over has lost, or that was thought to be gone, is there again at its next beat.
const beatOf = (id: string, abilities: Abilities) => ({
  name: 'worker lives',
  text: `with gone as (delete from workers where seen_at < now() - interval '1 day')
    insert into workers (id, name, abilities) values ($1, $2, $3)
    on conflict (id) do update set seen_at = now(), abilities = excluded.abilities`,
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

/** The clouds that living workers have credentials for. undefined: no worker lives. */
export async function listClouds(db: Reader): Promise<Platform[] | undefined> {
  const all = await abilitiesWithin(db, ALIVE_SECONDS)
  return all.length === 0
    ? undefined
    : platforms.filter((platform) => all.some(({ clouds }) => clouds.includes(platform)))
}

async function abilitiesWithin(db: Reader, seconds: number): Promise<Abilities[]> {
  const { rows } = await db.$client.query<{ abilities: Abilities }>({
    name: 'abilities of workers',
    text: 'select distinct abilities from workers where seen_at > now() - make_interval(secs => $1)',
    values: [seconds],
  })
  return rows.map(({ abilities }) => abilities)
}
