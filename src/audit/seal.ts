// The proof that nobody changed the trail. Each event gets a number and a hash over the event and the hash before it. A
// trigger notes every new event as unsealed in its own transaction. A job seals the committed events, so that writers
// wait for nothing. Anybody who has a later hash from the log can prove everything before it.
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { asc, desc, eq, gt, inArray, sql } from 'drizzle-orm'
import { requireAnywhere } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import type { Db, Reader } from '../db/client.ts'
import { auditEvents, type AuditRow, auditSeals, auditUnsealed } from './tables.ts'

export type Head = { number: number; hash: string }
/** eventId is null when nothing but a seal is known of the event. */
export type AuditProblem = { eventId: string | null; kind: 'changed' | 'removed' | 'inserted'; detail: string }
export type AuditProof = {
  isIntact: boolean
  /** How many sealed events were read. */
  sealed: number
  unsealed: number
  head: Head
  /** The first problems that were found. */
  problems: AuditProblem[]
}

const BATCH = 1000
const PROBLEMS_SHOWN = 100
const BEGINNING: Head = { number: 0, hash: '0'.repeat(64) }

/**
 * Seals the unsealed events, in batches. Two runs at once wait for each other. Returns how many, and the newest seal.
 */
export async function sealAudit(db: Db): Promise<{ sealed: number; head: Head }> {
  let sealed = 0
  for (;;) {
    const { head, count } = await sealBatch(db)
    sealed += count
    if (count < BATCH) return { sealed, head }
  }
}

function sealBatch(db: Db): Promise<{ head: Head; count: number }> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('audit seal', 0))`)
    let head = await findHead(tx)
    // An event that is sealed already would make each batch fail from now on.
    await tx
      .delete(auditUnsealed)
      .where(sql`exists (select from ${auditSeals} where ${auditSeals.eventId} = ${auditUnsealed.eventId})`)
    const rows = await tx
      .select({ event: auditEvents })
      .from(auditUnsealed)
      .innerJoin(auditEvents, eq(auditEvents.id, auditUnsealed.eventId))
      .orderBy(asc(auditEvents.position))
      .limit(BATCH)
    if (rows.length === 0) return { head, count: 0 }
    const seals = rows.map(({ event }) => {
      head = { number: head.number + 1, hash: hashOf(head.hash, event) }
      return { ...head, eventId: event.id }
    })
    await tx.insert(auditSeals).values(seals)
    const ids = seals.map(({ eventId }) => eventId)
    await tx.delete(auditUnsealed).where(inArray(auditUnsealed.eventId, ids))
    return { head, count: seals.length }
  })
}

/**
 * Reads the whole trail and names each event that is not as it was sealed. With a seal that is known from elsewhere, it
 * also finds a chain that was made anew or cut off before that seal. Throws FORBIDDEN.
 */
export async function verifyAudit(db: Reader, by: Actor, known: Partial<Head> = {}): Promise<AuditProof> {
  requireAnywhere(by, 'audit.read')
  const problems: AuditProblem[] = []
  let head = BEGINNING
  let sealed = 0
  let holdsKnown = known.hash === undefined || known.number !== undefined
  for (;;) {
    const rows = await db
      .select({ seal: auditSeals, event: auditEvents })
      .from(auditSeals)
      .leftJoin(auditEvents, eq(auditEvents.id, auditSeals.eventId))
      .where(gt(auditSeals.number, head.number))
      .orderBy(asc(auditSeals.number))
      .limit(BATCH)
    for (const { seal, event } of rows) {
      problems.push(...check(head, seal, event))
      holdsKnown ||= seal.hash === known.hash
      if (seal.number === known.number && seal.hash !== (known.hash ?? seal.hash))
        problems.push({
          eventId: seal.eventId,
          kind: 'changed',
          detail: `seal ${seal.number} has not the hash you know`,
        })
      head = { number: seal.number, hash: seal.hash }
      sealed++
    }
    if (rows.length < BATCH) break
  }
  if (!holdsKnown) problems.push({ eventId: null, kind: 'removed', detail: 'no seal has the hash you know' })
  if (known.number !== undefined && head.number < known.number)
    problems.push({ eventId: null, kind: 'removed', detail: `the trail ends with seal ${head.number}, before yours` })
  problems.push(...(await findInserted(db)), ...(await findLostUnsealed(db)))
  const unsealed = await db.$count(auditUnsealed)
  return { isIntact: problems.length === 0, sealed, unsealed, head, problems: problems.slice(0, PROBLEMS_SHOWN) }
}

function check(before: Head, seal: typeof auditSeals.$inferSelect, event: AuditRow | null): AuditProblem[] {
  const { eventId, number, hash } = seal
  const gap = number - before.number - 1
  const found: AuditProblem[] =
    gap > 0 ? [{ eventId, kind: 'removed', detail: `${gap} seals are missing before number ${number}` }] : []
  if (!event) found.push({ eventId, kind: 'removed', detail: `the event of seal ${number} is gone` })
  else if (canonicalOf(event) === undefined)
    found.push({
      eventId,
      kind: 'inserted',
      detail: `the event of seal ${number} holds what no event of the service holds`,
    })
  // After a gap the previous hash is not known.
  else if (gap === 0 && hashOf(before.hash, event) !== hash)
    found.push({ eventId, kind: 'changed', detail: `the event is not what seal ${number} says, or stands elsewhere` })
  return found
}

/**
 * Events that bypassed the trigger. The query uses one snapshot: in it an event is unsealed or sealed, never neither.
 */
async function findInserted(db: Reader): Promise<AuditProblem[]> {
  const rows = await db
    .select({ id: auditEvents.id })
    .from(auditEvents)
    .where(
      sql`not exists (select from ${auditSeals} where ${auditSeals.eventId} = ${auditEvents.id})
        and not exists (select from ${auditUnsealed} where ${auditUnsealed.eventId} = ${auditEvents.id})`,
    )
    .limit(PROBLEMS_SHOWN)
  return rows.map(({ id }) => ({ eventId: id, kind: 'inserted', detail: 'the event was never announced to be sealed' }))
}

async function findLostUnsealed(db: Reader): Promise<AuditProblem[]> {
  const rows = await db
    .select({ id: auditUnsealed.eventId })
    .from(auditUnsealed)
    .where(sql`not exists (select from ${auditEvents} where ${auditEvents.id} = ${auditUnsealed.eventId})`)
    .limit(PROBLEMS_SHOWN)
  return rows.map(({ id }) => ({ eventId: id, kind: 'removed', detail: 'the event was removed before it was sealed' }))
}

async function findHead(db: Reader): Promise<Head> {
  const [last] = await db.select().from(auditSeals).orderBy(desc(auditSeals.number)).limit(1)
  return last ? { number: last.number, hash: last.hash } : BEGINNING
}

/** SHA-256 over the previous hash and the event as canonical JSON (RFC 8785), in hex. */
function hashOf(before: string, event: AuditRow): string {
  return createHash('sha256')
    .update(before)
    .update(canonicalOf(event) ?? `not canonical: ${event.id}`)
    .digest('hex')
}

/**
 * undefined: the event bypassed the service, since JSON cannot express its values. It must not hold up the seals of the
 * others.
 */
function canonicalOf({ at, session, ...rest }: AuditRow): string | undefined {
  try {
    // Events that were sealed before there were sessions keep their hash.
    return canonicalize({ ...rest, at: at.toISOString(), ...(session === null ? {} : { session }) })
  } catch {
    return undefined
  }
}
