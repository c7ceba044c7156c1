// The notices as a stream that can be followed from any place in it, by any process. A notice has its place from the
// moment on when it is handed on: one after another, so that nothing appears before what was read already.
import { and, asc, desc, eq, gt, isNotNull, or, sql } from 'drizzle-orm'
import { clusters } from '../clusters/tables.ts'
import type { Reader } from '../db/client.ts'
import { notices, type NoticeRow } from './tables.ts'

/** Changes are forgotten after a day. What is younger than this has all its followers. */
const WHOLE_HOURS = 23

/** A place in the stream: behind the notice that has it. */
export type Place = Readonly<{ position: number; sequence: number }>

export type StreamedNotice = Place &
  Pick<NoticeRow, 'at' | 'type' | 'team' | 'clusterId' | 'jobId' | 'data'> & {
    /** Of the cluster that it is about; null: it is about none, or that is gone. */
    rowVersion: string | null
  }

const beginning: Place = { position: 0, sequence: 0 }

export const isBehind = (place: Place, other: Place): boolean =>
  place.position < other.position || (place.position === other.position && place.sequence < other.sequence)

export const textOfPlace = ({ position, sequence }: Place): string => `${position}-${sequence}`

/** What is no place of ours gives one that nobody has told yet. */
export function placeOf(text: string): Place {
  const [, position, sequence] = /^(\d+)-(\d+)$/.exec(text) ?? []
  return { position: Number(position ?? Number.MAX_SAFE_INTEGER), sequence: Number(sequence ?? 0) }
}

/** What comes behind a place, in order. Tests of webhooks are of no interest here. */
export async function readStream(db: Reader, behind: Place, limit: number): Promise<StreamedNotice[]> {
  const { position, sequence, at, type, team, clusterId, jobId, data } = notices
  const rows = await db
    .select({
      position: sql<number>`${position}::float8`,
      sequence,
      at,
      type,
      team,
      clusterId,
      jobId,
      data,
      rowVersion: sql<string | null>`${clusters}.xmin::text`,
    })
    .from(notices)
    .leftJoin(clusters, eq(clusters.id, clusterId))
    .where(
      and(
        isNotNull(position),
        or(gt(position, behind.position), and(eq(position, behind.position), gt(sequence, behind.sequence))),
      ),
    )
    .orderBy(asc(position), asc(sequence))
    .limit(limit)
  return rows
}

/** The newest place. */
export async function findLastPlace(db: Reader): Promise<Place> {
  const [row] = await db
    .select({ position: sql<number>`${notices.position}::float8`, sequence: notices.sequence })
    .from(notices)
    .where(isNotNull(notices.position))
    .orderBy(desc(notices.position), desc(notices.sequence))
    .limit(1)
  return row ?? beginning
}

/**
 * Whether nothing behind the place is missing: its notice was not lost with a database, and is too young for anything
 * behind it to be forgotten. The beginning is known while nothing was forgotten.
 */
export async function isKnownPlace(db: Reader, place: Place): Promise<boolean> {
  const { position, sequence } = place
  if (position === 0) {
    const [first] = await db
      .select({ position: sql<number | null>`min(${notices.position})::float8` })
      .from(notices)
      .where(isNotNull(notices.position))
    return first?.position == null || first.position === 1
  }
  const found = await db
    .select({ sequence: notices.sequence })
    .from(notices)
    .where(
      and(
        eq(notices.position, position),
        eq(notices.sequence, sequence),
        gt(notices.at, sql`now() - make_interval(hours => ${WHOLE_HOURS})`),
      ),
    )
  return found.length > 0
}
