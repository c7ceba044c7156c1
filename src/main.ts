// One executable, a role each. This file alone wires the parts together.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Server } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { App } from './app.ts'
import { openStore } from './artifacts/store.ts'
import { ensureAdministrator } from './auth/api-tokens.ts'
import { openAuthenticators } from './auth/authenticate.ts'
import { openAwsInventory } from './clouds/aws/inventory.ts'
import { openSimulatedInventory } from './clouds/simulated.ts'
import { openInventory } from './clouds/unverified.ts'
import { ConfigError, readConfig, type Config } from './config.ts'
import { tellOfKeys } from './cron/rotation.ts'
import { startSchedules } from './cron/schedule.ts'
import { openDatabase, openLeaseDatabase } from './db/client.ts'
import { startEmbeddedPostgres } from './db/embedded.ts'
import { migrateDatabase } from './db/migrate.ts'
import { whenDatabaseAnswers } from './db/starting.ts'
import { runDiagnose } from './commands/diagnose.ts'
import { hasCode, messageOf } from './errors.ts'
import { openEvents } from './events.ts'
import { createHttp, describeApi } from './http/app.ts'
import { createServer } from './http/server.ts'
import { claimStore, openInstallation } from './installation.ts'
import { openInstaller } from './installer/openshift-install.ts'
import { newQueueInstanceName, openQueue } from './queue/pg-boss.ts'
import { migrateQueue } from './queue/setup.ts'
import { openLog, type Log } from './observability/log.ts'
import { runLint } from './commands/lint.ts'
import { loadCatalog, watchCatalog } from './profiles/catalog.ts'
import { profileJsonSchema, withReference } from './profiles/reference.ts'
import { runRecover } from './commands/recover.ts'
import { createSecretBox } from './secrets.ts'
import { printToken } from './commands/token.ts'
import { startWorker } from './worker/worker.ts'

const USAGE = `usage: node src/main.ts COMMAND

  all        API, worker and schedules in one process
  serve      the API
  work       a worker, with the schedules
  migrate    bring the database to this version, and end
  recover    say which clusters the cloud and the artifact store know and the database does not (--apply: take them back)
  diagnose   say why an installer's log ends as it does: diagnose LOG [--exit-code N] [--json]
  lint       say what is wrong with an install-config.yaml: lint FILE
  token      print a token made from the AWS credentials at hand: token aws [--server-id ID]
  openapi    write docs/openapi.json, docs/profiles.md and profiles/profile.schema.json (--check: only compare)

The environment is described in README.md.`

type Role = 'all' | 'serve' | 'work'
type Ground = { url: string; config: Config; stop: () => Promise<void> }

const CLOSE_MS = 5000
const STORE_WAIT_MS = 20_000

async function main(command: string | undefined, options: string[]): Promise<void> {
  switch (command) {
    case 'all':
    case 'serve':
    case 'work':
      return runService(command)
    case 'migrate':
      return runMigrate()
    case 'recover':
      process.exitCode = await recoverLost(options)
      return
    case 'diagnose':
      process.exitCode = await runDiagnose(options)
      return
    case 'lint':
      process.exitCode = await runLint(options)
      return
    case 'token':
      return printToken(process.env, options)
    case 'openapi':
      return writeGenerated(options.includes('--check'))
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(`${USAGE}\n`)
      return
    case undefined:
    default:
      throw new ConfigError(command === undefined ? USAGE : `there is no command "${command}"\n\n${USAGE}`)
  }
}

async function runService(role: Role): Promise<void> {
  const config = readConfig(process.env)
  const log = openLog(config.logLevel)
  const catalog = loadCatalog(config.profilesDir)
  const stop = listenForStop(config.drainTimeoutSeconds)
  const ground = await openGround(config)
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    // A link that swallows everything never says goodbye; nothing that matters is lost with it.
    for (const closer of closers.splice(0).toReversed()) {
      const closed = await Promise.race([closer().then(() => true), setTimeout(CLOSE_MS, false)]).catch(
        (error: unknown) => log.error({ err: error }, 'closing failed'),
      )
      if (closed === false) log.warn('something did not close in time and is left')
    }
  }
  const giveUp = new AbortController()
  void stop.asked.then(() => giveUp.abort(new ConfigError('asked to stop before the start was over')))
  const open = async () => {
    try {
      return await openService(ground, log, role, catalog, closers, giveUp.signal)
    } catch (error) {
      await close()
      throw error
    }
  }
  try {
    const { app, token, worker } = await whenDatabaseAnswers(log, giveUp.signal, open)
    const stopWatching = watchCatalog(catalog, log)
    closers.push(async () => stopWatching())
    const server = role === 'work' ? undefined : await listen(app)
    closers.push(async () => server && (await closeServer(server)))
    if (server) greet(app, server, token, role)
    else log.info('the worker is ready')
    const drainSeconds = await stop.asked
    if (server) await closeServer(server)
    const drained = worker?.drain(drainSeconds * 1000)
    void stop.again.then(() => worker?.drain(0))
    await drained
    log.info('stopped')
  } catch (error) {
    if (!giveUp.signal.aborted || error !== giveUp.signal.reason) throw error
    log.info('stopped before the start was over')
  } finally {
    await close()
    await ground.stop()
  }
}

/** All that a role needs of the database, in order. What it opens is closed by the closers, also when it throws. */
async function openService(
  ground: Ground,
  log: Log,
  role: Role,
  catalog: App['catalog'],
  closers: (() => Promise<unknown>)[],
  giveUp: AbortSignal,
) {
  await migrateDatabase(ground.url, log, migrateQueue)
  const app = await openApp(ground.config, ground.url, log, role, catalog, closers)
  await requireStore(app, giveUp)
  // What every install needs is missed at the start rather than by the first one.
  if (role !== 'serve') await app.installer.pullSecret()
  const worker = role === 'serve' ? undefined : await startWorker(app)
  if (worker) closers.push(() => worker.drain(0))
  if (role !== 'serve') await startSchedules(app)
  await tellOfKeys(app)
  // Last: its token is shown once, and no later failure may make the start begin anew.
  const token = role === 'work' ? undefined : await ensureAdministrator(app.config, app.db, app.log)
  return { app, token, worker }
}

/** A worker waits for a store that does not answer; an API goes on without, and its readiness says so. */
async function requireStore(app: App, giveUp: AbortSignal): Promise<void> {
  const late = app.runsJobs ? [] : [AbortSignal.timeout(STORE_WAIT_MS)]
  await claimStore(app, AbortSignal.any([giveUp, ...late])).catch((error: unknown) => {
    if (late.every((signal) => !signal.aborted) || giveUp.aborted) throw error
    app.log.warn({ err: error }, 'whether the artifact store is the right one is not known yet')
  })
}

async function openGround(config: Config): Promise<Ground> {
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl, config, stop: async () => undefined }
  const embedded = await startEmbeddedPostgres(config.dataDir)
  const secretsKey = config.secretsKey ?? (await keptSecretsKey(config.dataDir))
  return { url: embedded.url, config: { ...config, secretsKey }, stop: embedded.stop }
}

async function openApp(
  config: Config,
  url: string,
  log: Log,
  role: Role,
  catalog: App['catalog'],
  closers: (() => Promise<unknown>)[],
): Promise<App> {
  const name = newQueueInstanceName(role)
  const box = createSecretBox(config.secretsKey ?? '', config.secretsKeysOld)
  const database = openDatabase(url, { ...config.pool, log, name: `ocpctl-${role}` })
  closers.push(database.close)
  const installationId = await openInstallation(database.db, box, log)
  const leases = role === 'serve' ? database : await openLeaseDatabase(url, { log, name: 'ocpctl-leases' })
  if (leases !== database) closers.push(leases.close)
  const events = await openEvents(url, log)
  closers.push(events.close)
  const queue = await openQueue({
    url,
    log,
    name,
    max: role === 'serve' ? 2 : 3,
  })
  closers.push(queue.close)
  return {
    config,
    installationId,
    runsJobs: role !== 'serve',
    log,
    db: database.db,
    leaseDb: leases.db,
    queue,
    events,
    authenticators: openAuthenticators(config, database.db, events, log),
    catalog,
    store: openStore(config.artifactsUrl, {
      ...(config.s3Endpoint ? { s3Endpoint: config.s3Endpoint } : {}),
      ...(config.s3KmsKeyId ? { s3KmsKeyId: config.s3KmsKeyId } : {}),
    }),
    box,
    inventory: openInventory(
      config.installerDir === undefined
        ? { simulated: openSimulatedInventory(config.simulator.cloudDir) }
        : { aws: openAwsInventory() },
    ),
    installer: openInstaller(config),
    onStep: () => undefined,
  }
}

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

async function listen(app: App): Promise<Server> {
  const server = createServer(createHttp(app)).listen(app.config.port, app.config.host)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (hasCode(error, 'EADDRINUSE'))
      throw new ConfigError(
        `${app.config.host}:${app.config.port} is in use: set PORT to another number, or 0 for a free one`,
      )
    throw error
  }
  return server
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise((resolve) => server.close(resolve))
  // Streams have no end of their own; requests get a moment to finish.
  globalThis.setTimeout(() => server.closeAllConnections(), 2000).unref()
  await closed
}

function greet(app: App, server: Server, token: string | undefined, role: Role): void {
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : app.config.port
  const host = app.config.host.includes(':') ? `[${app.config.host}]` : app.config.host
  const url = `http://${host}:${port}`
  app.log.info({ url }, 'the API is ready')
  if (role !== 'all') return
  const [profile] = app.catalog
    .list()
    .filter(({ enabled }) => enabled)
    .toSorted((a, b) => a.cost.usdPerHour - b.cost.usdPerHour)
  const shown = token ?? '$TOKEN'
  const body = JSON.stringify({ name: 'demo', platform: profile?.platform, profile: profile?.name })
  process.stdout.write(
    [
      '',
      `ocpctl listens at ${url}, its documentation is at ${url}/docs`,
      app.installer.simulated ? `Clusters are simulated, at ${app.config.simulator.speed} times the real speed.` : '',
      token
        ? `The first administrator's token, shown only this once: ${token}`
        : 'The administrator has its token already; put it into TOKEN for what follows.',
      '',
      'Ask for a cluster:',
      `  curl -sS ${url}/api/v1/clusters -H 'authorization: Bearer '"${shown}" -H "idempotency-key: $(date +%s%N)" -H 'content-type: application/json' -d '${body}'`,
      'Watch it:',
      `  curl -sS ${url}/api/v1/clusters -H 'authorization: Bearer '"${shown}"`,
      '',
      '',
    ].join('\n'),
  )
}

/**
 * `asked` resolves with the seconds that running jobs may take to end: none when somebody at the keyboard pressed Ctrl-C.
 * `again` resolves at the second signal. From here on no signal ends the process by itself.
 */
function listenForStop(drainSeconds: number): { asked: Promise<number>; again: Promise<void> } {
  const first = Promise.withResolvers<number>()
  const second = Promise.withResolvers<void>()
  let heard = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (heard++ === 0) first.resolve(signal === 'SIGINT' ? 0 : drainSeconds)
      else second.resolve()
    })
  return { asked: first.promise, again: second.promise }
}

async function runMigrate(): Promise<void> {
  const config = readConfig(process.env)
  const ground = await openGround(config)
  const log = openLog(config.logLevel)
  try {
    await whenDatabaseAnswers(log, new AbortController().signal, () => migrateDatabase(ground.url, log, migrateQueue))
    process.stdout.write('the database is at this version\n')
  } finally {
    await ground.stop()
  }
}

async function recoverLost(options: string[]): Promise<number> {
  const unknown = options.filter((option) => option !== '--apply')
  if (unknown.length > 0) throw new ConfigError(`recover takes --apply and nothing else, not ${unknown.join(' ')}`)
  const config = readConfig(process.env)
  const log = openLog(config.logLevel)
  const ground = await openGround(config)
  const closers: (() => Promise<unknown>)[] = [ground.stop]
  try {
    await migrateDatabase(ground.url, log, migrateQueue)
    const app = await openApp(ground.config, ground.url, log, 'serve', loadCatalog(config.profilesDir), closers)
    await claimStore(app, AbortSignal.timeout(STORE_WAIT_MS))
    return await runRecover(app, { apply: options.includes('--apply') }, (line) => process.stdout.write(`${line}\n`))
  } finally {
    for (const closer of closers.toReversed()) await closer()
  }
}

async function writeGenerated(checkOnly: boolean): Promise<void> {
  const files: [string, (before: string) => string][] = [
    ['docs/openapi.json', () => `${JSON.stringify(describeApi(), null, 2)}\n`],
    ['profiles/profile.schema.json', profileJsonSchema],
    ['docs/profiles.md', withReference],
  ]
  for (const [name, write] of files) {
    const path = new URL(`../${name}`, import.meta.url)
    const before = await readFile(path, 'utf8').catch(() => '')
    const text = write(before)
    if (text === before) continue
    if (checkOnly)
      throw new ConfigError(`${name} is not what the code says: run \`node src/main.ts openapi\` and commit it`)
    await writeFile(path, text)
  }
}

main(process.argv[2], process.argv.slice(3))
  .catch((error: unknown) => {
    // Whoever starts the program needs the sentence; the stack is for what nobody foresaw.
    process.stderr.write(
      `ocpctl: ${error instanceof ConfigError ? error.message : error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}\n`,
    )
    process.exitCode = 1
  })
  // A socket that nobody answers would keep the process; all that is to be closed has been closed or given up.
  .finally(() => process.stdout.write('', () => process.exit()))
