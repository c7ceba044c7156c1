// Whether the service can do its work now.
import type { App } from '../app.ts'
import { credentialPlaces } from '../clouds/credentials.ts'
import { findMarkAhead, tellMarkAhead, type Mark } from '../clusters/mark.ts'
import { listEntriesInUse } from '../clusters/stranded.ts'
import { messageOf } from '../errors.ts'
import { tellProblem } from '../profiles/catalog.ts'
import { platforms } from '../vocabulary.ts'
import { hasOtherProfiles, listCredentials } from '../workers/workers.ts'
import type { Readiness } from './env.ts'

const READINESS_MS = 2000
/** All clusters are read for it. */
const IN_USE_MS = 60_000
/** The store is asked for what it remembers of the database less often. */
const AHEAD_MS = 15_000

/** Every answer is at most two seconds old, so that probes by strangers do not load what they probe. */
export function openReadiness(app: App): () => Promise<Readiness> {
  const inUse = remember(IN_USE_MS, () => listEntriesInUse(app.db).catch(() => []))
  const ahead = remember(AHEAD_MS, () => findMarkAhead(app).catch(() => undefined))
  return remember(READINESS_MS, () => checkReadiness(app, inUse, ahead))
}

function remember<T>(ms: number, ask: () => Promise<T>): () => Promise<T> {
  let last: { at: number; answer: Promise<T> } | undefined
  return () => {
    if (last === undefined || Date.now() - last.at >= ms) last = { at: Date.now(), answer: ask() }
    return last.answer
  }
}

type InUse = Awaited<ReturnType<typeof listEntriesInUse>>

async function checkReadiness(
  app: App,
  inUse: () => Promise<InUse>,
  findAhead: () => Promise<Mark | undefined>,
): Promise<Readiness> {
  const parts: [string, () => Promise<unknown>][] = [
    ['database', () => app.db.execute('select 1')],
    ['queue', () => app.queue.depth()],
    ['artifacts', () => app.store.check()],
    ...(app.runsJobs && !app.installer.simulated ? [installerPart(app)] : []),
  ]
  const checks = await Promise.allSettled(parts.map(([, check]) => check()))
  // Anybody may ask, so the statement or the address in an error goes only to the log.
  const failing = checks.flatMap((check, index) => {
    if (check.status === 'fulfilled') return []
    const part = parts[index]?.[0] ?? ''
    app.log.warn({ part }, `not ready: ${messageOf(check.reason)}`)
    return [{ part, detail: 'does not answer as it should: the log says why' }]
  })
  const held = await listCredentials(app.db).catch(() => 'unknown' as const)
  const degraded = app.catalog.problems().map((mistake) => ({ part: 'profiles', detail: tellProblem(mistake) }))
  if (held !== 'unknown') degraded.push(...withoutCredentials(app, held, held ? await inUse() : []))
  if (await hasOtherProfiles(app).catch(() => false))
    degraded.push({ part: 'profiles', detail: 'a worker has read other profiles than this process: give all processes the same OCPCTL_PROFILES' }) // prettier-ignore
  // A store that does not answer is told of above, and must not be waited for twice.
  const ahead = failing.some(({ part }) => part === 'artifacts') ? undefined : await findAhead()
  if (ahead) degraded.push({ part: 'database', detail: tellMarkAhead(ahead) })
  const { clouds = [], entries = [] } = held === 'unknown' ? {} : (held ?? {})
  const reached = platforms.filter((platform) => clouds.includes(platform) || entries.includes(platform))
  return { ready: failing.length === 0, failing, degraded, clouds: reached }
}

/** What a first installation meets: the installer would ask, and nobody answers. */
function withoutCredentials(
  { catalog }: App,
  held: Awaited<ReturnType<typeof listCredentials>>,
  inUse: InUse,
): Readiness['degraded'] {
  if (held === undefined) return [{ part: 'workers', detail: 'no worker lives: jobs wait' }]
  const enabled = catalog.list().filter((profile) => profile.enabled)
  const missing = platforms
    .filter((platform) => !held.clouds.includes(platform))
    .filter((platform) => enabled.some((each) => each.platform === platform && each.credentials === undefined))
    .map((platform) => `no worker has credentials for ${platform}, so its profiles fail: ${credentialPlaces[platform]}`)
  const waiting = enabled.flatMap(({ name, platform, credentials }) =>
    credentials === undefined || !held.lacks(platform, credentials)
      ? []
      : [
          `no worker has the credentials entry "${credentials}" of ${platform}, so clusters of the profile ${name} wait`,
        ],
  )
  const stranded = inUse
    .filter(({ platform, entry }) => held.lacks(platform, entry))
    .map(
      ({ platform, entry, clusters, first }) =>
        `no worker has the credentials entry "${entry}" of ${platform}, with which alone ${clusters === 1 ? first : `${clusters} clusters such as ${first}`} can be destroyed: put it back into OCPCTL_CLOUD_CREDENTIALS`,
    )
  return [...missing, ...waiting, ...stranded].map((detail) => ({ part: 'credentials', detail }))
}

const installerPart = (app: App): [string, () => Promise<unknown>] => [
  'installer',
  async () => {
    if ((await app.installer.listPrograms()).length === 0)
      throw new Error(`no openshift-install-VERSION is in ${app.config.installerDir}: no job is taken`)
  },
]
