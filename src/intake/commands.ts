// Pausing creates or destroys. What is asked for meanwhile is accepted and waits in the queue, until the pause is taken
// back or its end comes, and its cluster says why. What runs is not stopped.
import { and, eq, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import { type Actor, nameOf } from '../auth/principal.ts'
import { timeOf } from '../clusters/end.ts'
import { noteHold } from '../clusters/waiting.ts'
import { clusters, type ClusterRow } from '../clusters/tables.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { newId } from '../ids.ts'
import type { JobStatus, PausedKind, PauseScope } from '../vocabulary.ts'
import { IS_FOR } from './pauses.ts'
import { intakePauses } from './table.ts'

export type PauseRow = typeof intakePauses.$inferSelect
export type WantedIntake = {
  kind: PausedKind
  scope: PauseScope
  /** Empty: for all. */
  name: string
  reason: string | undefined
  /** undefined: it is resumed. */
  until: Date | undefined
}
/** `waiting`: jobs that have not begun; `running`: those that go on all the same. Of the oldest thousands. */
export type Concerned = { waiting: number; running: number; isWhole: boolean }

const LONGEST_DAYS = 30
/** Of each status. */
const LOOKED_AT = 2000
const RELEASED_AT_ONCE = 200

/** Those that stand. Everybody may know them, since they concern everybody's requests. */
export async function listPauses(db: Reader, by: Actor): Promise<PauseRow[]> {
  requireAnywhere(by, 'intake.read')
  return db
    .select()
    .from(intakePauses)
    .where(sql`${intakePauses.endsAt} > now()`)
    .orderBy(intakePauses.kind, intakePauses.scope, intakePauses.name)
}

/**
 * Pauses or resumes. A pause that stands for the same is replaced. Throws FORBIDDEN, NOT_FOUND for a profile that there
 * is not, POLICY_VIOLATION for an end that is past or too far. isChanged: false: it was so already.
 */
export async function setIntake(
  app: Pick<App, 'queue' | 'catalog'>,
  tx: Transaction,
  by: Actor,
  wanted: WantedIntake,
): Promise<{ isChanged: boolean; jobs: Concerned; pauses: PauseRow[] }> {
  requireAnywhere(by, 'intake.write')
  const { kind, scope, name, reason = '', until } = wanted
  // Two at one moment would each see none.
  await tx.$client.query(`select pg_advisory_xact_lock(hashtextextended('intake', 0))`)
  if (until) await requireSense(app, tx, wanted, until)
  const concerned = await countConcerned(tx, wanted)
  const of = and(eq(intakePauses.kind, kind), eq(intakePauses.scope, scope), eq(intakePauses.name, name))
  const [before] = await tx.select().from(intakePauses).where(of)
  const standing = before && before.endsAt > (await timeOf(tx)) ? before : undefined
  const isSame = until
    ? standing?.reason === reason && standing.endsAt.getTime() === until.getTime()
    : standing === undefined
  if (!isSame) {
    if (before) await tx.delete(intakePauses).where(of)
    if (until)
      await tx
        .insert(intakePauses)
        .values({ id: newId('pau'), kind, scope, name, reason, endsAt: until, requestedBy: nameOf(by) })
    writeAudit(tx, by, {
      action: until ? 'intake.pause' : 'intake.resume',
      detail: { kind, scope, name, reason, until: until?.toISOString() ?? null },
    })
    // Those that wait for a pause that is gone are judged anew.
    if (before) await app.queue.runNow('resume-paused', tx)
  }
  return { isChanged: !isSame, jobs: concerned, pauses: await listPauses(tx, by) }
}

async function requireSense(
  { catalog }: Pick<App, 'catalog'>,
  tx: Transaction,
  { scope, name }: WantedIntake,
  until: Date,
) {
  const now = await timeOf(tx)
  const latest = new Date(now.getTime() + LONGEST_DAYS * 24 * 3_600_000)
  if (until <= now || until > latest) {
    const detail = `a pause ends within ${LONGEST_DAYS} days from now, ${latest.toISOString()} at the latest; it can be renewed`
    throw new AppError('POLICY_VIOLATION', detail, [{ pointer: '/until', detail, nearest: latest.toISOString() }])
  }
  if (scope !== 'profile' || catalog.list().some((profile) => profile.name === name)) return
  // A profile that is no longer offered may have clusters that live. Index clusters_profile_spend.
  const [used] = await tx.select({ id: clusters.id }).from(clusters).where(eq(clusters.profile, name)).limit(1)
  if (used) return
  const names = catalog.list().map((profile) => profile.name)
  throw new AppError('NOT_FOUND', `there is no profile ${name}; there are ${names.join(', ')}`)
}

/** Oldest first along the index jobs_status, which alone has this order. */
const oldest = (status: JobStatus) => `
  (select cluster_id, type, status from jobs where status between '${status}' and '${status}' order by status, id limit ${LOOKED_AT})`
const CONCERNED = `
  with looked as (${oldest('PENDING')} union all ${oldest('RETRYING')} union all ${oldest('RUNNING')})
  select count(*) filter (where j.status <> 'RUNNING')::int as waiting, count(*) filter (where j.status = 'RUNNING')::int as running,
    (select coalesce(max(n), 0) < ${LOOKED_AT} from (select count(*) as n from looked group by status) counts) as "isWhole"
  from looked j join clusters c on c.id = j.cluster_id, (select $2::text as scope, $3::text as name) p
  where case when $1 = 'creates' then j.type = 'CREATE' else j.type in ('DESTROY', 'JANITOR_DESTROY') end and ${IS_FOR}`

async function countConcerned(tx: Transaction, { kind, scope, name }: WantedIntake): Promise<Concerned> {
  const values = [kind, scope, name]
  const { rows } = await tx.$client.query<Concerned>({ name: 'jobs of a pause', text: CONCERNED, values })
  if (!rows[0]) throw new Error('a count gives one row')
  return rows[0]
}

/**
 * Lets the jobs begin whose pause is over or was taken back; where another one is for them, they wait again. Pauses that
 * are over are taken away. Returns how many jobs.
 */
export async function releasePaused(app: Pick<App, 'db' | 'queue'>, by: Actor): Promise<number> {
  await app.db.transaction(async (tx) => {
    const over = await tx
      .delete(intakePauses)
      .where(sql`${intakePauses.endsAt} <= now()`)
      .returning()
    for (const { kind, scope, name } of over)
      writeAudit(tx, by, { action: 'intake.resume', detail: { kind, scope, name, why: 'its time is over' } })
  })
  for (let released = 0; ;) {
    const some = await app.db.transaction((tx) => releaseSome(app, tx))
    released += some
    // Those whose cluster somebody works on are left for the next run.
    if (some === 0) return released
  }
}

// Index jobs_paused: as many as wait for a pause. The oldest first, as the queue has them.
const STRANDED = `
  select j.id as "jobId", c.id, c.team, c.status_reason as "statusReason" from jobs j join clusters c on c.id = j.cluster_id
  where j.paused_by is not null and j.status in ('PENDING', 'RETRYING')
    and not exists (select from intake_pauses p where p.id = j.paused_by and p.ends_at > now())
  order by j.id limit ${RELEASED_AT_ONCE} for update of c skip locked`
type Stranded = Pick<ClusterRow, 'id' | 'team' | 'statusReason'> & { jobId: string }

async function releaseSome({ queue }: Pick<App, 'queue'>, tx: Transaction): Promise<number> {
  const { rows } = await tx.$client.query<Stranded>({ name: 'stranded jobs', text: STRANDED })
  if (rows.length === 0) return 0
  // One that has begun before its cluster was locked here is not marked any more.
  const { rows: marked } = await tx.$client.query<{ id: string }>({
    name: 'release jobs',
    text: 'update jobs set paused_by = null where id = any($1) and paused_by is not null returning id',
    values: [rows.map(({ jobId }) => jobId)],
  })
  const released = new Set(marked.map(({ id }) => id))
  noteHold(tx, rows.filter(({ jobId }) => released.has(jobId)), null) // prettier-ignore
  await queue.endWaits(tx, [...released])
  announce(tx, 'work', 'all')
  return released.size
}
