// Keyset pages, newest first. Ids are time-ordered, so a cursor is the last id seen. Rows that are written meanwhile
// are neither skipped nor repeated.
import { and, desc, lt, type SQL } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'

export type PageRequest = { limit: number; cursor?: string | undefined }
export type Page<T> = { items: T[]; nextCursor: string | null }

/** Turns a page request into the condition, order and limit (one row more than asked) of its query. */
export function keyset(id: PgColumn, request: PageRequest, where?: SQL) {
  return {
    where: and(where, request.cursor === undefined ? undefined : lt(id, request.cursor)),
    orderBy: desc(id),
    limit: request.limit + 1,
  }
}

export function toPage<Row extends { id: string }, T>(rows: Row[], limit: number, show: (row: Row) => T): Page<T> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(show), nextCursor: rows.length > limit && last ? last.id : null }
}

/** What an id looks like. */
export const CURSOR = /^[a-z]{3}_[0-9a-z]{26}$/
