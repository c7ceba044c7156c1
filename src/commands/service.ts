// `all`, `serve` and `work`: from the start to the end of the drain.
import { once } from 'node:events'
import type { Server } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import type { App } from '../app.ts'
import { ensureAdministrator } from '../auth/api-tokens.ts'
import { findMarkAhead, tellMarkAhead } from '../clusters/mark.ts'
import { ConfigError, type Config } from '../config.ts'
import { tellOfKeys } from '../cron/rotation.ts'
import { startSchedules } from '../cron/schedule.ts'
import { migrateDatabase } from '../db/migrate.ts'
import { whenDatabaseAnswers } from '../db/starting.ts'
import { hasCode } from '../errors.ts'
import { startGauges } from '../gauges/gauges.ts'
import { createHttp } from '../http/app.ts'
import { createMetricsHttp } from '../http/metrics.ts'
import { createServer } from '../http/server.ts'
import { claimStore } from '../installation.ts'
import { openWait } from '../jobs/claim.ts'
import { openServiceLog, type Log } from '../observability/log.ts'
import { loadCatalog, watchCatalog } from '../profiles/catalog.ts'
import { migrateQueue } from '../queue/setup.ts'
import { openApp, openGround, STORE_WAIT_MS, type Ground, type Role } from '../wiring.ts'
import { waitForAlike } from '../workers/workers.ts'
import { startWorker } from '../worker/worker.ts'

const CLOSE_MS = 5000
/** AWS and OIDC refuse what is five minutes off; nobody is served by waiting for that. */
const CLOCK_OFF_MS = 30_000
const YOUNG_BYTES = 16 * 2 ** 20

/** Runs until a signal asks it to stop and everything that was running has ended. */
export async function runService(config: Config, role: Role): Promise<void> {
  const log = await openServiceLog(config.logLevel)
  const catalog = loadCatalog(config.profilesDir)
  const stop = listenForStop(config.drainTimeoutSeconds)
  const ground = await openGround(config)
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    // A link that swallows everything never ends its connection. Nothing that matters is lost with it.
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
    const stopGauges = startGauges(app)
    closers.push(async () => stopGauges())
    const { metrics } = app.config
    const scraped =
      metrics && (await listen(createServer(createMetricsHttp(app.metrics)), metrics, 'OCPCTL_METRICS_PORT'))
    if (scraped) {
      closers.push(() => closeServer(scraped))
      log.info({ url: `${urlOf(scraped, metrics)}/metrics` }, 'metrics are served')
    }
    const server = role === 'work' ? undefined : await listen(createServer(createHttp(app)), app.config, 'PORT')
    closers.push(async () => server && (await closeServer(server)))
    letYoungGenerationGrow()
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

/**
 * Replaces the setting that main.ts made for the loading. Requests make many objects that live only briefly. V8 would
 * take 100 MB and more for them, and let the old generation grow fourfold before it looks what of it is needed.
 */
function letYoungGenerationGrow(): void {
  setFlagsFromString('--heap-growing-percent=50')
  setFlagsFromString('--semi-space-growth-factor=2')
  const watch = setInterval(() => {
    const size = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
    if (size < YOUNG_BYTES) return
    setFlagsFromString('--semi-space-growth-factor=1')
    clearInterval(watch)
  }, 100)
  watch.unref()
}

/** All that a role needs of the database, in order. The closers close what it opens, also when it throws. */
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
  await tellOfClock(app)
  await requireStore(app, giveUp)
  if (role !== 'serve') await waitForAlike(app, giveUp)
  // When something that every install needs is missing, the start fails, rather than the first install.
  if (role !== 'serve') await app.installer.pullSecret()
  // The embedded server loses nothing when it is started anew, and nobody waits for its first cluster.
  const isEmbedded = ground.config.databaseUrl === undefined
  const waitMs =
    isEmbedded || role === 'serve'
      ? undefined
      : await openWait(app.db, app.config.leaseSeconds, () => lookForLosses(app))
  const worker = role === 'serve' ? undefined : await startWorker(app, waitMs)
  if (worker) closers.push(() => worker.drain(0))
  if (role !== 'serve') closers.push(await startSchedules(app))
  await tellOfKeys(app)
  // Done last: the token is shown once, and no later failure may make the start begin anew.
  const token = role === 'work' ? undefined : await ensureAdministrator(app.config, app.db, app.log)
  return { app, token, worker }
}

/** What the server may have lost is looked for now, and not at the next time that the clock says. */
function lookForLosses({ queue, log }: App): void {
  queue
    .runNow('report-disagreements')
    .catch((error: unknown) => log.warn({ err: error }, 'what the database lost is looked for at the next run'))
}

/** A wrong clock costs no cluster, since leases go by uptime, but ids, tokens and signatures go by it. */
async function tellOfClock({ db, log }: App): Promise<void> {
  const from = Date.now()
  const { rows } = await db.$client.query<{ at: Date }>('select clock_timestamp() as at')
  const aheadMs = Date.now() - (rows[0]?.at.getTime() ?? from)
  if (Math.abs(aheadMs) < CLOCK_OFF_MS + Date.now() - from) return
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  log.error(
    `the clock of this host is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} that of the database: set both by NTP`,
  )
}

/** A worker waits for a store that does not answer. An API goes on without the store, and its readiness says so. */
async function requireStore(app: App, giveUp: AbortSignal): Promise<void> {
  const late = app.runsJobs ? [] : [AbortSignal.timeout(STORE_WAIT_MS)]
  const isKnown = await claimStore(app, AbortSignal.any([giveUp, ...late])).catch((error: unknown) => {
    if (late.every((signal) => !signal.aborted) || giveUp.aborted) throw error
    app.log.warn({ err: error }, 'whether the artifact store is the right one is not known yet')
    return false
  })
  if (isKnown === false) return
  const ahead = await findMarkAhead(app).catch((error: unknown) =>
    app.log.warn({ err: error }, 'the mark cannot be read'),
  )
  if (ahead) app.log.error(tellMarkAhead(ahead))
}

type Place = { host: string; port: number }

async function listen(server: Server, { host, port }: Place, variable: string): Promise<Server> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (hasCode(error, 'EADDRINUSE'))
      throw new ConfigError(`${host}:${port} is in use: set ${variable} to another number, or 0 for a free one`)
    throw error
  }
  return server
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise((resolve) => server.close(resolve))
  // Streams never end by themselves. Requests get a moment to finish.
  globalThis.setTimeout(() => server.closeAllConnections(), 2000).unref()
  await closed
}

function urlOf(server: Server, place: Place): string {
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : place.port
  return `http://${place.host.includes(':') ? `[${place.host}]` : place.host}:${port}`
}

function greet(app: App, server: Server, token: string | undefined, role: Role): void {
  const url = urlOf(server, app.config)
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
      `The console: ${url}/`,
      app.installer.simulated ? `Clusters are simulated, at ${app.config.simulator.speed} times the real speed.` : '',
      token
        ? `The first administrator's token, shown only this once: ${token}`
        : 'The administrator has its token already; put it into TOKEN for what follows.',
      '',
      'Ask for a cluster:',
      `  curl -sS ${url}/api/v1/clusters -H 'authorization: Bearer '"${shown}" -H "idempotency-key: $(date +%s%N)" -H 'content-type: application/json' -d '${body}'`,
      'Watch it:',
      `  curl -sS ${url}/api/v1/clusters -H 'authorization: Bearer '"${shown}"`,
      'Or with the command line, which this server hands out:',
      `  curl -sSO ${url}/downloads/ocpctl.mjs && echo "${shown}" | npx node ocpctl.mjs login ${url} --token-stdin`,
      `  npx node ocpctl.mjs create demo --profile ${profile?.name} --wait && npx node ocpctl.mjs open demo`,
      '',
      '',
    ].join('\n'),
  )
}

/**
 * `asked` resolves with the seconds that running jobs may take to end: none when somebody at the keyboard pressed
 * Ctrl-C. `again` resolves at the second signal. From here on no signal ends the process by itself.
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
