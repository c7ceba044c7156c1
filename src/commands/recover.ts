// `recover`: compares cloud and artifact store with a database that was lost, or that was restored from a backup. It takes
// back the clusters that the database has not, and brings the others up to date. It may end anywhere and be run again: what
// is done is not done twice, and only its last step lets creates begin again.
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { sealAudit } from '../audit/seal.ts'
import { adoptedEnd, fateOf, findLost, recover, RECOVERY, type Adoptable } from '../clusters/adopt.ts'
import { findMarkAhead, isEnding, replaceMark, type Mark } from '../clusters/mark.ts'
import { bringUpToDate, listOutdated, type Outdated } from '../clusters/recall.ts'
import { ConfigError, type Config } from '../config.ts'
import { migrateDatabase } from '../db/migrate.ts'
import { AppError, messageOf } from '../errors.ts'
import { claimStore, findFormer, takePlaceOf } from '../installation.ts'
import { openLog } from '../observability/log.ts'
import { loadCatalog } from '../profiles/catalog.ts'
import { migrateQueue } from '../queue/setup.ts'
import { CannotTell } from '../reconcile/pass.ts'
import { listOwned, type Owned } from '../reconcile/resources.ts'
import { listUnknown, listUnknownStored } from '../reconcile/stored.ts'
import { openApp, openGround, STORE_WAIT_MS } from '../wiring.ts'

type Print = (line: string) => void

/** Returns the exit code. Throws ConfigError for an unknown option. */
export async function runRecover(options: string[], readConfig: () => Config): Promise<number> {
  const unknown = options.filter((option) => option !== '--apply')
  if (unknown.length > 0) throw new ConfigError(`recover takes --apply and nothing else, not ${unknown.join(' ')}`)
  const config = readConfig()
  const log = openLog(config.logLevel)
  const ground = await openGround(config)
  const closers: (() => Promise<unknown>)[] = [ground.stop]
  const print: Print = (line) => process.stdout.write(`${line}\n`)
  const apply = options.includes('--apply')
  try {
    await migrateDatabase(ground.url, log, migrateQueue)
    const app = await openApp(ground.config, ground.url, log, 'serve', loadCatalog(config.profilesDir), closers)
    const former = await findFormer(app)
    if (former === undefined || apply) {
      if (former !== undefined) await takePlaceOf(app.db, former)
      await claimStore(app, AbortSignal.timeout(STORE_WAIT_MS))
    }
    if (former !== undefined)
      print(`The database is new, and the artifact store is that of ${former}: it ${apply ? 'takes' : 'would take'} the place of the one that was lost.`) // prettier-ignore
    return await recoverLost({ ...app, installationId: former ?? app.installationId }, { apply }, print)
  } finally {
    for (const closer of closers.toReversed()) await closer()
  }
}

/** Prints what it finds, and changes things only when told to. Returns the exit code: 1 when something stays unknown. */
export async function recoverLost(app: App, { apply }: { apply: boolean }, print: Print): Promise<number> {
  const mark = await findMarkAhead(app)
  if (mark)
    print(`The database is older than the artifact store's mark of ${mark.at.toISOString()}, by which ${mark.living.size} clusters lived.`) // prettier-ignore
  const { all: owned, untold } = await listOwned(app).catch((error: unknown) => {
    if (!(error instanceof CannotTell)) throw error
    return { all: new Map<string, Owned>(), untold: error }
  })
  if (untold) print(`Only the artifact store is looked through: ${untold.message}`)
  let found = 0
  let left = untold ? 1 : 0
  // These come first, since they may hold the names of those that were lost.
  for (const outdated of mark ? await listOutdated(app, mark, (id) => owned.has(id)) : []) {
    found++
    if (!apply || (await bringUpToDate(app, outdated))) print(tellOutdated(outdated, apply))
  }
  const unbegun = new Map(mark?.living)
  for (const id of await listLost(app, owned, mark)) {
    found++
    unbegun.delete(id)
    const count = `${owned.get(id)?.count ?? 0} resources`
    try {
      const lost = await findLost(app, id, mark)
      if (!lost)
        throw new Error('the artifact store has no state of it that this version can adopt; see docs/recovery.md')
      if (apply) await takeBack(app, lost)
      print(`${id} ${tellLost(app.config, lost, count, apply)}`)
    } catch (error) {
      // A cluster that cannot be taken back must not prevent the others from being taken back.
      left++
      print(`${id}: ${count}, and it was not taken back: ${messageOf(error)}`)
    }
  }
  for (const { id, name, baseDomain, owner, team, status } of await listUnknown(app, [...unbegun.values()])) {
    found++
    // Whatever is in the cloud was stored before.
    const isMade = status !== 'PENDING' && status !== 'CREATING' && !isEnding(status)
    if (isMade) left++
    print(`${id} ${name}.${baseDomain} of ${owner} (${team}), which was ${status}: nothing is stored of it, so ${isMade ? 'it cannot be taken back; see docs/recovery.md' : 'nothing was made; ask for it again'}`) // prettier-ignore
  }
  if (found + left === 0)
    print('Whatever carries the tag of this installation, or is in its artifact store, is of a cluster that the database knows.') // prettier-ignore
  if (mark && apply) {
    await acknowledge(app, mark)
    print('From now on this database counts, and clusters are made again.')
  } else if (!apply && (mark || found > 0)) print('Nothing was changed. Do it with: node src/main.ts recover --apply')
  return left > 0 ? 1 : 0
}

/**
 * The clusters that the database has no row of, in the order in which they are taken back. Those that stand, or had
 * lived, come before those that may have had the same name and are gone.
 */
async function listLost(app: App, owned: Map<string, Owned>, mark: Mark | undefined): Promise<string[]> {
  const ids = new Set((await listUnknown(app, [...owned.keys()].map((id) => ({ id })))).map(({ id }) => id)) // prettier-ignore
  // Not every cloud can list what carries our tag.
  for await (const id of listUnknownStored(app, ['clu_'])) ids.add(id)
  const mayLive = (id: string) => owned.has(id) || mark?.living.has(id) === true
  const sorted = [...ids].sort()
  return [...sorted.filter(mayLive), ...sorted.filter((id) => !mayLive(id))]
}

async function takeBack(app: App, lost: Adoptable): Promise<void> {
  try {
    await recover(app, lost)
  } catch (error) {
    if (error instanceof AppError && error.code === 'NAME_TAKEN') await app.queue.adoptLater(app.db, lost.record.id)
    throw error
  }
}

function tellLost(config: Config, lost: Adoptable, count: string, apply: boolean): string {
  const { name, baseDomain, owner, team } = lost.record
  const infraIds = lost.infras.map(({ metadata }) => metadata.infraID).join(', ')
  const becomes = {
    READY: `READY until ${adoptedEnd(config, lost).toISOString()}`,
    HIBERNATED: 'HIBERNATED, as it was',
    HIBERNATING: 'HIBERNATING, to be put to sleep or woken',
    FAILED: 'FAILED, and what it made is destroyed',
    DESTROYED: 'DESTROYED, as it was',
  }[fateOf(lost).status]
  return `${name}.${baseDomain} of ${owner} (${team}), ${infraIds}, ${count}: ${apply ? 'is' : 'would become'} ${becomes}`
}

function tellOutdated({ cluster: { id, name, baseDomain, status }, now, is }: Outdated, apply: boolean): string {
  const verb = apply ? 'is' : 'would be'
  const what = {
    destroyed: `had been destroyed: it ${verb} DESTROYED again`,
    sleeps: `was ${now?.status} by then: it ${apply ? 'is' : 'would be'} ${now?.status === 'HIBERNATED' ? 'HIBERNATED' : 'HIBERNATING, to be put to sleep or woken'}`,
    hours: `its off-hours ${verb} those of then`,
    wakes: `was READY by then: it ${apply ? 'is' : 'would be'} READY`,
    ended: `was ${now?.status} by then: its create ${verb} cancelled${now?.status === 'FAILED' ? '' : `, and its end ${apply ? 'is' : 'would be'} now`}`,
    lives: `was ${now?.status} by then: what its failed create left ${verb} not taken away`,
    end: `its end ${verb} ${now?.destroyAt.toISOString()} again`,
  }[is]
  return `${id} ${name}.${baseDomain}, ${status} in the database, ${what}`
}

/** The trail tells where it was cut: its next seal is the first one that the new mark names. */
async function acknowledge(app: App, { at, head }: Mark): Promise<void> {
  await app.db.transaction(async (tx) =>
    writeAudit(tx, RECOVERY, { action: 'database.recover', detail: { mark: at.toISOString(), lost: head } }),
  )
  await replaceMark(app, (await sealAudit(app.db)).head)
}
