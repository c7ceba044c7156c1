// `recover`: compares cloud and artifact store with the database, and takes back the clusters that the database has
// lost.
import type { App } from '../app.ts'
import { adoptedEnd, findLost, recover } from '../clusters/adopt.ts'
import { ConfigError, type Config } from '../config.ts'
import { migrateDatabase } from '../db/migrate.ts'
import { messageOf } from '../errors.ts'
import { claimStore } from '../installation.ts'
import { openLog } from '../observability/log.ts'
import { loadCatalog } from '../profiles/catalog.ts'
import { migrateQueue } from '../queue/setup.ts'
import { CannotTell } from '../reconcile/pass.ts'
import { findUnknown, type Owned } from '../reconcile/resources.ts'
import { listUnknownStored } from '../reconcile/stored.ts'
import { openApp, openGround, STORE_WAIT_MS } from '../wiring.ts'

/** Returns the exit code. Throws ConfigError for an unknown option. */
export async function runRecover(options: string[], readConfig: () => Config): Promise<number> {
  const unknown = options.filter((option) => option !== '--apply')
  if (unknown.length > 0) throw new ConfigError(`recover takes --apply and nothing else, not ${unknown.join(' ')}`)
  const config = readConfig()
  const log = openLog(config.logLevel)
  const ground = await openGround(config)
  const closers: (() => Promise<unknown>)[] = [ground.stop]
  try {
    await migrateDatabase(ground.url, log, migrateQueue)
    const app = await openApp(ground.config, ground.url, log, 'serve', loadCatalog(config.profilesDir), closers)
    await claimStore(app, AbortSignal.timeout(STORE_WAIT_MS))
    return await recoverLost(app, { apply: options.includes('--apply') }, (line) => process.stdout.write(`${line}\n`))
  } finally {
    for (const closer of closers.toReversed()) await closer()
  }
}

/** Prints what it finds, and adopts only when told to. Returns the exit code: 1 when something stays unknown. */
export async function recoverLost(
  app: App,
  { apply }: { apply: boolean },
  print: (line: string) => void,
): Promise<number> {
  let left = 0
  const unknown = await findUnknown(app).catch((error: unknown) => {
    if (!(error instanceof CannotTell)) throw error
    left++
    print(`Only the artifact store is looked through: ${error.message}`)
    return new Map<string, Owned>()
  })
  // Not every cloud can list what carries our tag.
  for await (const id of listUnknownStored(app, ['clu_']))
    if (!unknown.has(id)) unknown.set(id, { count: 0, kept: [], isOurs: true })
  if (unknown.size === 0 && left === 0)
    print(
      'Whatever carries the tag of this installation, or is in its artifact store, is of a cluster that the database knows.',
    )
  for (const [clusterId, { count }] of unknown)
    try {
      const found = await findLost(app, clusterId)
      if (!found)
        throw new Error('the artifact store has no state of it that this version can adopt; see docs/recovery.md')
      if (apply) await recover(app, found)
      const { record, infras, outputs } = found
      const infraIds = infras.map(({ metadata }) => metadata.infraID).join(', ')
      const becomes = outputs
        ? `READY until ${adoptedEnd(app.config, record).toISOString()}`
        : 'FAILED, and what it made is destroyed'
      print(
        `${clusterId} ${record.name}.${record.baseDomain} of ${record.owner} (${record.team}), ${infraIds}, ${count} resources: ${apply ? 'is' : 'would become'} ${becomes}`,
      )
    } catch (error) {
      // A cluster that cannot be taken back must not prevent the others from being taken back.
      left++
      print(`${clusterId}: ${count} resources, and it was not taken back: ${messageOf(error)}`)
    }
  if (!apply && unknown.size > 0) print('Nothing was changed. Adopt them with: node src/main.ts recover --apply')
  return left > 0 ? 1 : 0
}
