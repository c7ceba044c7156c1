// Whether the service can do its work now.
import type { App } from '../app.ts'
import { messageOf } from '../errors.ts'
import { tellProblem } from '../profiles/catalog.ts'
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
  const degraded = app.catalog.problems().map((mistake) => ({ part: 'profiles', detail: tellProblem(mistake) }))
  return { ready: failing.length === 0, failing, degraded }
}

const installerPart = (app: App): [string, () => Promise<unknown>] => [
  'installer',
  async () => {
    if ((await app.installer.listVersions()).length === 0)
      throw new Error(`no openshift-install-VERSION is in ${app.config.installerDir}: no job is taken`)
  },
]
