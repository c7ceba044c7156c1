// The parts of the service in one process. What a process that a test kills needs, and no more: it starts often.
import { fileURLToPath } from 'node:url'
import type { App } from '../src/app.ts'
import { openStore } from '../src/artifacts/store.ts'
import { openAuthenticators } from '../src/auth/authenticate.ts'
import { openCloudCredentials } from '../src/clouds/access.ts'
import { instancesOfSimulator, inventoriesOfSimulator } from '../src/clouds/doubles.ts'
import { openInstances, openInventory } from '../src/clouds/by-platform.ts'
import type { Config } from '../src/config.ts'
import { openDatabase, openLeaseDatabase } from '../src/db/client.ts'
import { openEvents } from '../src/events.ts'
import { openInstallation } from '../src/installation.ts'
import { openInstaller } from '../src/installer/openshift-install.ts'
import { openSimulatedReach } from '../src/kubernetes/reach.ts'
import { openQueue } from '../src/queue/pg-boss.ts'
import { openLog } from '../src/observability/log.ts'
import { openMetrics } from '../src/observability/metrics.ts'
import { openTraces } from '../src/observability/traces.ts'
import { openMailer } from '../src/outbound/mailer.ts'
import { openSender } from '../src/outbound/sender.ts'
import { loadCatalog, type Catalog } from '../src/profiles/catalog.ts'
import { createSecretBox } from '../src/secrets.ts'

const PROFILES = fileURLToPath(new URL('../profiles', import.meta.url))

/** Read once: no test changes the project's own. */
let ours: Catalog | undefined
const catalogOf = (directory: string) =>
  directory === PROFILES ? (ours ??= loadCatalog(directory)) : loadCatalog(directory)

export async function openTestApp(config: Config, url: string): Promise<{ app: App; close: () => Promise<void> }> {
  const log = openLog(config.logLevel)
  const observers = { metrics: openMetrics(), traces: await openTraces(config.tracesUrl, 'test', log) }
  const events = await openEvents(url, log)
  const database = openDatabase(url, { ...config.pool, log, name: 'ocpctl-test', tell: events.tell, observers })
  const leases = await openLeaseDatabase(url, { log, name: 'ocpctl-leases' })
  const queue = await openQueue({ url, log, name: 'test', max: 6 })
  const box = createSecretBox(config.secretsKey ?? '', config.secretsKeysOld)
  const mailer = config.smtpUrl === undefined ? undefined : openMailer(config.smtpUrl)
  return {
    app: {
      config,
      installationId: await openInstallation(database.db, box, log),
      runsJobs: true,
      ...observers,
      log,
      db: database.db,
      leaseDb: leases.db,
      queue,
      events,
      authenticators: openAuthenticators(config, database.db, events, log),
      catalog: catalogOf(config.profilesDir),
      store: openStore(config.artifactsUrl, config),
      box,
      credentials: openCloudCredentials(config.credentialsDir, config.environment),
      inventory: openInventory(inventoriesOfSimulator(config.simulator)),
      instances: openInstances(instancesOfSimulator(config.simulator)),
      installer: openInstaller(config),
      reach: openSimulatedReach(config.simulator.cloudDir, config.simulator.speed),
      sender: openSender(config.webhookAllow),
      mailer,
      onStep: () => undefined,
    },
    close: async () => {
      mailer?.close()
      await queue.close()
      await events.close()
      await leases.close()
      await database.close()
      await observers.traces.close()
    },
  }
}
