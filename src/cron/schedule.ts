// What runs by the clock. Each piece takes no input, reads the state of the world again, and is safe to run twice.
import type { App } from '../app.ts'
import { sealAudit } from '../audit/seal.ts'
import { adoptUnlessKnown } from '../clusters/adopt.ts'
import { discardArtifact } from '../clusters/reseal.ts'
import { purgeKeys } from '../idempotency.ts'
import { destroyDueClusters } from './janitor.ts'
import { lookAtDestroyed } from './later-looks.ts'
import { reportDisagreements } from './reconcile.ts'
import { rotateKeys } from './rotation.ts'

export async function startSchedules(app: App): Promise<void> {
  await app.queue.schedule('reseal-secrets', '*/5 * * * *', () => rotateKeys(app))
  await app.queue.workDiscards((key) => discardArtifact(app, key))
  await app.queue.workAdoptions((clusterId) => adoptUnlessKnown(app, clusterId))
  await app.queue.schedule('look-again', '* * * * *', () => lookAtDestroyed(app))
  await app.queue.schedule('destroy-due-clusters', '* * * * *', () => destroyDueClusters(app))
  // Two runs at once wait for each other.
  await app.queue.schedule('seal-audit', '* * * * *', () => sealNewEvents(app), { expireInSeconds: 60 })
  await app.queue.schedule('purge-idempotency-keys', '17 * * * *', async () => {
    const purged = await purgeKeys(app.db)
    if (purged > 0) app.log.info({ purged }, 'old idempotency keys are gone')
  })
  await app.queue.schedule('report-disagreements', '*/5 * * * *', () => reportDisagreements(app))
  // The database may be one that was just restored.
  await app.queue.runNow('report-disagreements')
}

async function sealNewEvents(app: App): Promise<void> {
  const { sealed, head } = await sealAudit(app.db)
  // The log is kept elsewhere: anybody who has this hash can prove all that came before it.
  if (sealed > 0) app.log.info({ sealed, ...head }, 'the audit trail is sealed')
}
