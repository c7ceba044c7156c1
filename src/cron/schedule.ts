// What runs by the clock. Each piece takes no input, reads the state of the world again, and is safe to run twice. It may
// return a sentence that says what it did.
import type { App } from '../app.ts'
import { sealAudit } from '../audit/seal.ts'
import { adoptUnlessKnown } from '../clusters/adopt.ts'
import { warnOfQuotas } from '../clusters/quota-warnings.ts'
import { discardArtifact } from '../clusters/discard.ts'
import { putIdleToSleep } from '../clusters/idle.ts'
import { keepHours, newForesight, type Foresight } from '../clusters/keep-hours.ts'
import { keepMark, tellMarkAhead } from '../clusters/mark.ts'
import { applyRetention } from '../clusters/retention.ts'
import { warnOfEnds } from '../clusters/warnings.ts'
import { purgeKeys } from '../idempotency.ts'
import { releasePaused } from '../intake/commands.ts'
import { moveLogs } from '../jobs/stored-log.ts'
import { forgetNotices, publishNotices } from '../notices/publish.ts'
import { forgetOperations } from '../operations/commands.ts'
import { schedules, type ScheduleName } from '../schedules.ts'
import { dropOldSamples, makePartitionsAhead, rollUpDays, sampleUsage } from '../usage/series.ts'
import { destroyDueClusters } from './janitor.ts'
import { lookAtDestroyed } from './later-looks.ts'
import { startOperations } from './operations.ts'
import { reportDisagreements } from './reconcile.ts'
import { rotateKeys } from './rotation.ts'
import { startTelling } from './telling.ts'

type Runs = Record<ScheduleName, (app: App) => Promise<string | void>>

const newRuns = (foresight: Foresight): Runs => ({
  'destroy-due-clusters': destroyDueClusters,
  'keep-hours': async (app) => {
    const { asleep, awake, told } = await keepHours(app, foresight)
    return `${asleep} go to sleep, ${awake} wake, ${told} owners are told`
  },
  'look-for-idle': async (app) => {
    const { asleep, told } = await putIdleToSleep(app)
    return `${asleep} go to sleep, ${told} owners are told`
  },
  'resume-paused': async (app) => `${await releasePaused(app, { kind: 'system', name: 'janitor' })} jobs may begin`,
  'warn-of-ends': async (app) => `${await warnOfEnds(app)} warnings are written`,
  'warn-of-quotas': async (app) => `${await warnOfQuotas(app)} teams are told`,
  tell: async (app) => `${await publishNotices(app)} notices are handed on`,
  'look-again': lookAtDestroyed,
  'seal-audit': sealNewEvents,
  'report-disagreements': reportDisagreements,
  'reseal-secrets': rotateKeys,
  'sample-usage': async (app) => `${await sampleUsage(app)} samples`,
  'roll-up-usage': async (app) => `${await rollUpDays(app)} days are summed`,
  'keep-usage': keepUsage,
  'move-logs': async (app) => `${await moveLogs(app)} logs have moved`,
  'apply-retention': retain,
  'forget-operations': async (app) => `${await forgetOperations(app)} operations are gone`,
  'forget-notices': async (app) => `${await forgetNotices(app)} notices are gone`,
  'purge-idempotency-keys': async (app) => `${await purgeKeys(app.db)} keys are gone`,
})
/** How long a run whose process died holds up the next one. */
const expireInSeconds: Partial<Record<ScheduleName, number>> = {
  // Two runs at once wait for each other.
  'seal-audit': 60,
}

/** The loss of what came after the last mark but one heals by itself, so two must not follow each other closely. */
const MARK_LEAST_AGE_MS = 30_000

/** How often a process looks, by its own uptime, whether the schedules run. */
const LOOK_MS = 30_000

/** Returns a function that ends what does not end with the queue. */
export async function startSchedules(app: App): Promise<() => Promise<void>> {
  await app.queue.workDiscards((key) => discardArtifact(app, key))
  const stopTelling = await startTelling(app)
  const stopOperations = await startOperations(app)
  await app.queue.workAdoptions((clusterId) => adoptUnlessKnown(app, clusterId))
  for (const [name, run] of Object.entries(newRuns(newForesight())) as [ScheduleName, Runs[ScheduleName]][]) {
    const seconds = expireInSeconds[name]
    const options = seconds === undefined ? {} : { expireInSeconds: seconds }
    await app.queue.schedule(name, schedules[name].cron, () => run(app), options)
  }
  const watch = setInterval(() => {
    app.queue
      .catchUp(app.db)
      .then((late) => late.length > 0 && app.log.info({ late }, 'schedules that were late are run now'))
      .catch((error: unknown) => app.log.warn({ err: error }, 'whether schedules are late is not known'))
  }, LOOK_MS)
  watch.unref()
  // The database may be one that was just restored.
  await app.queue.runNow('report-disagreements')
  return async () => {
    clearInterval(watch)
    await stopOperations()
    await stopTelling()
  }
}

async function sealNewEvents(app: App): Promise<string> {
  const { sealed, head } = await sealAudit(app.db)
  // The log is kept elsewhere: anybody who has this hash can prove all that came before it.
  if (sealed > 0) app.log.info({ sealed, ...head }, 'the audit trail is sealed')
  // A trail is sealed whether the store works or not.
  const ahead = await keepMark(app, head, MARK_LEAST_AGE_MS).catch((error: unknown) =>
    app.log.warn({ err: error }, 'the artifact store did not take the mark of how far the database has come'),
  )
  if (ahead) app.log.error(tellMarkAhead(ahead))
  return `${sealed} events are sealed`
}

async function keepUsage(app: App): Promise<string> {
  const made = await makePartitionsAhead(app)
  const { dropped, kept } = await dropOldSamples(app)
  for (const { month, day } of kept)
    app.log.error(
      { month, day },
      'the sums of a day are not what its samples come to: the samples of the month are kept',
    )
  return `${made} months are made ahead, the samples of ${dropped.join(', ') || 'none'} are dropped, ${kept.length} months kept for their sums`
}

async function retain(app: App): Promise<string> {
  const { clusters, artifacts, bytes } = await applyRetention(app, { kind: 'system', name: 'janitor' })
  return `${artifacts} artifacts of ${clusters} clusters are removed, ${bytes} bytes`
}
