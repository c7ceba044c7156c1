// Opens the parts that the verbs need. No other module opens them.
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { App } from './app.ts'
import { openStore } from './artifacts/store.ts'
import { openAuthenticators } from './auth/authenticate.ts'
import { openCloudCredentials, type CloudCredentials } from './clouds/access.ts'
import { awsCredentialsOf } from './clouds/aws/credentials.ts'
import { openAwsInventory } from './clouds/aws/inventory.ts'
import { openAwsInstances } from './clouds/aws/power.ts'
import { openAzureInventory } from './clouds/azure/inventory.ts'
import { openAzureInstances } from './clouds/azure/power.ts'
import { openInstancesByEntry, openInventoryByEntry } from './clouds/by-entry.ts'
import { instancesOfSimulator, inventoriesOfSimulator } from './clouds/doubles.ts'
import { openGcpInventory } from './clouds/gcp/inventory.ts'
import { openGcpInstances } from './clouds/gcp/power.ts'
import { openIbmCloudInventory } from './clouds/ibmcloud/inventory.ts'
import { openIbmCloudInstances } from './clouds/ibmcloud/power.ts'
import { openInstances, openInventory } from './clouds/by-platform.ts'
import type { Config } from './config.ts'
import { openDatabase, openLeaseDatabase, readPools } from './db/client.ts'
import { startEmbeddedPostgres } from './db/embedded.ts'
import { hasCode } from './errors.ts'
import { openEvents } from './events.ts'
import { openInstallation } from './installation.ts'
import { openInstaller } from './installer/openshift-install.ts'
import { openReach, openSimulatedReach } from './kubernetes/reach.ts'
import type { Log } from './observability/log.ts'
import { openMetrics } from './observability/metrics.ts'
import { openProcessReadings } from './observability/process-metrics.ts'
import { openTraces } from './observability/traces.ts'
import { openMailer } from './outbound/mailer.ts'
import { openSender } from './outbound/sender.ts'
import { newQueueInstanceName, openQueue } from './queue/pg-boss.ts'
import { createSecretBox } from './secrets.ts'

export type Role = 'all' | 'serve' | 'work'

export type Ground = { url: string; config: Config; stop: () => Promise<void> }

export async function openGround(config: Config): Promise<Ground> {
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl, config, stop: async () => undefined }
  const embedded = await startEmbeddedPostgres(config.dataDir)
  const secretsKey = config.secretsKey ?? (await keptSecretsKey(config.dataDir))
  return { url: embedded.url, config: { ...config, secretsKey }, stop: embedded.stop }
}

export async function openApp(
  config: Config,
  url: string,
  log: Log,
  role: Role,
  catalog: App['catalog'],
  closers: (() => Promise<unknown>)[],
): Promise<App> {
  const name = newQueueInstanceName(role)
  const box = createSecretBox(config.secretsKey ?? '', config.secretsKeysOld)
  const metrics = openMetrics()
  metrics.collect(openProcessReadings())
  const traces = await openTraces(config.tracesUrl, role, log)
  closers.push(traces.close)
  const observers = { metrics, traces }
  const events = await openEvents(url, log)
  closers.push(events.close)
  const database = openDatabase(url, { ...config.pool, log, name: `ocpctl-${role}`, tell: events.tell, observers })
  closers.push(database.close)
  const installationId = await openInstallation(database.db, box, log)
  const leases = role === 'serve' ? database : await openLeaseDatabase(url, { log, name: 'ocpctl-leases' })
  if (leases !== database) closers.push(leases.close)
  const queue = await openQueue({
    url,
    log,
    name,
    max: role === 'serve' ? 2 : 3,
  })
  closers.push(queue.close)
  const credentials = openCloudCredentials(config.credentialsDir, config.environment)
  const mailer = config.smtpUrl === undefined ? undefined : openMailer(config.smtpUrl)
  closers.push(async () => mailer?.close())
  metrics.collect(() => readPools({ main: database.pool, ...(leases === database ? {} : { leases: leases.pool }) }))
  return {
    config,
    installationId,
    metrics,
    traces,
    runsJobs: role !== 'serve',
    log,
    db: database.db,
    leaseDb: leases.db,
    queue,
    events,
    authenticators: openAuthenticators(config, database.db, events, log),
    catalog,
    store: openStore(config.artifactsUrl, config),
    box,
    credentials,
    inventory: openInventory(
      config.installerDir === undefined ? inventoriesOfSimulator(config.simulator) : openInventories(credentials),
    ),
    instances: openInstances(
      config.installerDir === undefined ? instancesOfSimulator(config.simulator) : openAllInstances(credentials),
    ),
    installer: openInstaller(config),
    reach:
      config.installerDir === undefined
        ? openSimulatedReach(config.simulator.cloudDir, config.simulator.speed)
        : openReach(),
    sender: openSender(config.webhookAllow),
    mailer,
    onStep: () => undefined,
  }
}

const openInventories = (credentials: CloudCredentials) => ({
  aws: openInventoryByEntry(credentials, 'aws', (access) => openAwsInventory(awsCredentialsOf(access))),
  azure: openInventoryByEntry(credentials, 'azure', openAzureInventory),
  gcp: openInventoryByEntry(credentials, 'gcp', openGcpInventory),
  ibmcloud: openInventoryByEntry(credentials, 'ibmcloud', openIbmCloudInventory),
})

const openAllInstances = (credentials: CloudCredentials) => ({
  aws: openInstancesByEntry(credentials, 'aws', (access) => openAwsInstances(awsCredentialsOf(access))),
  azure: openInstancesByEntry(credentials, 'azure', openAzureInstances),
  gcp: openInstancesByEntry(credentials, 'gcp', openGcpInstances),
  ibmcloud: openInstancesByEntry(credentials, 'ibmcloud', openIbmCloudInstances),
})

async function keptSecretsKey(dataDir: string): Promise<string> {
  const path = join(dataDir, 'secrets-key')
  const key = `${randomBytes(32).toString('base64')}\n`
  await mkdir(dataDir, { recursive: true })
  await writeFile(path, key, { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error
  })
  await chmod(path, 0o600)
  return (await readFile(path, 'utf8')).trim()
}

export const STORE_WAIT_MS = 20_000
