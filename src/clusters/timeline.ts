// What happened to a cluster, in one list: its states, its jobs and their attempts, the warnings, and who did what.
import { createHash } from 'node:crypto'
import { and, desc, eq, lt, ne, sql } from 'drizzle-orm'
import type { Actor } from '../auth/principal.ts'
import { auditEvents, type AuditRow } from '../audit/tables.ts'
import type { Db } from '../db/client.ts'
import type { PageRequest } from '../db/page.ts'
import { AppError } from '../errors.ts'
import { firstIdAt, idPattern } from '../ids.ts'
import { jobAttempts, jobs, type AttemptRow } from '../jobs/tables.ts'
import type { ClusterStatus } from '../vocabulary.ts'
import { clusterFor } from './queries.ts'
import { clusterWarnings } from './tables.ts'

export const happeningKinds = ['state', 'job', 'attempt', 'warning', 'action'] as const
export type Happening = {
  /** In the order of time. */
  id: string
  at: Date
  kind: (typeof happeningKinds)[number]
  /** In words. */
  says: string
  /** null: the service by itself. */
  by: string | null
  isFailure: boolean
  jobId: string | null
  attempt: number | null
  status: ClusterStatus | null
}

/** The characters of an id that are its time. */
const TIME_LENGTH = 10
const ID_LENGTH = 26
/** Of an id, as TypeID writes it. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'

/** One more than the page asks for, newest first. Throws NOT_FOUND, BAD_INPUT. */
export async function listTimeline(db: Db, by: Actor, clusterId: string, page: PageRequest): Promise<Happening[]> {
  await clusterFor(db, by, 'cluster.read', clusterId)
  const before = page.cursor?.slice(4)
  const latest = before === undefined ? undefined : timeOf(before)
  const limit = page.limit + 1
  const [events, attempts, warnings] = await Promise.all([
    // Index audit_events_cluster.
    db
      .select()
      .from(auditEvents)
      .where(
        and(
          eq(auditEvents.clusterId, clusterId),
          // What was refused changed nothing, and who was refused is for auditors to know.
          ne(auditEvents.outcome, 'denied'),
          before === undefined ? undefined : lt(auditEvents.id, `evt_${before}`),
        ),
      )
      .orderBy(desc(auditEvents.id))
      .limit(limit),
    db
      .select({ attempt: jobAttempts, type: jobs.type })
      .from(jobAttempts)
      .innerJoin(jobs, eq(jobs.id, jobAttempts.jobId))
      .where(and(eq(jobs.clusterId, clusterId), sql`${jobAttempts.endedAt} <= ${latest ?? sql`now()`}`))
      .orderBy(desc(jobAttempts.endedAt))
      .limit(limit),
    db
      .select()
      .from(clusterWarnings)
      .where(and(eq(clusterWarnings.clusterId, clusterId), sql`${clusterWarnings.at} <= ${latest ?? sql`now()`}`))
      .orderBy(desc(clusterWarnings.at))
      .limit(limit),
  ])
  return [
    ...events.map(happeningOf),
    ...attempts.map(({ attempt, type }) => endOfAttempt(attempt, type)),
    ...warnings.map(warningOf),
  ]
    .filter(({ id }) => before === undefined || id.slice(4) < before)
    .toSorted((a, b) => (a.id < b.id ? 1 : -1))
    .slice(0, limit)
}

/** The last instant of the id's millisecond. Throws BAD_INPUT. */
function timeOf(key: string): Date {
  if (!idPattern('evt').test(`evt_${key}`))
    throw new AppError('BAD_INPUT', 'this is no place in a timeline', [
      { pointer: '/cursor', detail: 'pass nextCursor of the previous page unchanged' },
    ])
  // What follows the time is no UUID where a hash stands there.
  const ms = key
    .slice(0, TIME_LENGTH)
    .split('')
    .reduce((sum, digit) => sum * 32 + DIGITS.indexOf(digit), 0)
  return new Date(ms + 1)
}

/** Of a time and of what else is unique about it. */
const keyOf = (at: Date, rest: string) =>
  `tml_${firstIdAt('evt', at).slice(4, 4 + TIME_LENGTH)}${rest.slice(TIME_LENGTH - ID_LENGTH)}`

const nothing = { by: null, isFailure: false, jobId: null, attempt: null, status: null }

function endOfAttempt(attempt: AttemptRow, type: string): Happening {
  const { id, jobId, number, stage, outcome, reason, message, startedAt } = attempt
  const endedAt = attempt.endedAt ?? startedAt
  const isGood = outcome === 'SUCCEEDED'
  const minutes = Math.round((endedAt.getTime() - startedAt.getTime()) / 6000) / 10
  const why = isGood
    ? ''
    : ` at the stage ${stage}${reason === null ? '' : `: ${reason}`}${message === null ? '' : `: ${message}`}`
  return {
    ...nothing,
    id: keyOf(endedAt, id),
    at: endedAt,
    kind: 'attempt',
    says: `${type}, attempt ${number}: ${outcome} after ${minutes} min${why}`,
    isFailure: outcome === 'FAILED' || outcome === 'LOST',
    jobId,
    attempt: number,
  }
}

function warningOf({ at, endRevision, mark }: typeof clusterWarnings.$inferSelect): Happening {
  const rest = createHash('sha256').update(`${endRevision} ${mark}`).digest('hex')
  return { ...nothing, id: keyOf(at, rest), at, kind: 'warning', says: `people are told of its end (${mark})` }
}

function happeningOf({ id, at, action, actor, actorKind, jobId, outcome, detail }: AuditRow): Happening {
  const about = {
    ...nothing,
    id: `tml_${id.slice(4)}`,
    at,
    by: actorKind === 'caller' ? actor : null,
    isFailure: outcome === 'failure',
    jobId,
  }
  const { from, to } = detail
  if (action.startsWith('cluster.') && typeof to === 'string')
    return { ...about, kind: 'state', says: `${String(from)} → ${to}`, status: to as ClusterStatus } // written by lifecycle.ts
  const kind = action.startsWith('job.') && action !== 'job.cancel' ? 'job' : 'action'
  const attempt = typeof detail['attempt'] === 'number' ? detail['attempt'] : null
  return { ...about, kind, attempt, says: wordsOf(action, detail) }
}

/** Of the audit event's detail only what is named here. */
function wordsOf(action: string, detail: Record<string, unknown>): string {
  const text = (name: string) => {
    const value = detail[name]
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  switch (action) {
    case 'cluster.request':
      return `asked for, until ${text('destroyAt')}`
    case 'cluster.extend':
      return `its end is moved to ${text('until')}`
    case 'cluster.protect':
      return `protected until ${text('until')}: ${text('reason')}`
    case 'cluster.abandon':
      return `given up: ${text('reason')}`
    case 'job.open':
      return `${text('type')} is asked for`
    case 'job.start':
      return `attempt ${text('attempt')} begins on ${text('worker')}`
    case 'job.retry-later':
      return `tried again in ${text('retryInSeconds')} s`
    case 'job.end':
      return ['the job', text('status'), text('reason')].filter(Boolean).join(' ')
    case 'job.cancel':
      return `asked to stop: ${text('message')}`
    default:
      return action.replace(/^[a-z]+\./, '').replaceAll('-', ' ')
  }
}
