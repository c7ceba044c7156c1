// Whether the service can do its work now.
import type { App } from '../app.ts'
import { credentialPlaces } from '../clouds/credentials.ts'
import { messageOf } from '../errors.ts'
import { tellProblem } from '../profiles/catalog.ts'
import { platforms, type Platform } from '../vocabulary.ts'
import { listClouds } from '../workers/workers.ts'
import type { Readiness } from './env.ts'

const READINESS_MS = 2000

/** Every answer is at most two seconds old, so that probes by strangers do not load what they probe. */
export function openReadiness(app: App): () => Promise<Readiness> {
  let last: { at: number; answer: Promise<Readiness> } | undefined
  return () => {
    if (last === undefined || Date.now() - last.at >= READINESS_MS)
      last = { at: Date.now(), answer: checkReadiness(app) }
    return last.answer
  }
}

async function checkReadiness(app: App): Promise<Readiness> {
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
  const clouds = await listClouds(app.db).catch(() => 'unknown' as const)
  const degraded = app.catalog.problems().map((mistake) => ({ part: 'profiles', detail: tellProblem(mistake) }))
  if (clouds !== 'unknown') degraded.push(...withoutCredentials(app, clouds))
  return { ready: failing.length === 0, failing, degraded, clouds: Array.isArray(clouds) ? clouds : [] }
}

/** What a first installation meets: the installer would ask, and nobody answers. */
function withoutCredentials({ catalog }: App, clouds: Platform[] | undefined): Readiness['degraded'] {
  if (clouds === undefined) return [{ part: 'workers', detail: 'no worker lives: jobs wait' }]
  const missing = platforms.filter((platform) => !clouds.includes(platform))
  return missing.flatMap((platform) => {
    const names = catalog.list().filter((profile) => profile.enabled && profile.platform === platform)
    if (names.length === 0) return []
    const detail = `no worker has credentials for ${platform}, so its profiles fail: ${credentialPlaces[platform]}`
    return [{ part: 'credentials', detail }]
  })
}

const installerPart = (app: App): [string, () => Promise<unknown>] => [
  'installer',
  async () => {
    if ((await app.installer.listPrograms()).length === 0)
      throw new Error(`no openshift-install-VERSION is in ${app.config.installerDir}: no job is taken`)
  },
]
