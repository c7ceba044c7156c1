// Keyset pages, newest first. Ids are time-ordered, so a cursor is the last id seen. Rows that are written meanwhile
// are neither skipped nor repeated.
import { and, desc, lt, type SQL } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import { AppError } from '../errors.ts'

export type PageRequest = { limit: number; cursor?: string | undefined }
export type Page<T> = { items: T[]; nextCursor: string | null }

/** Turns a page request into the condition, order and limit (one row more than asked) of its query. */
export function keyset(id: PgColumn, request: PageRequest, where?: SQL) {
  const after = request.cursor === undefined ? undefined : decodeCursor(request.cursor)
  return {
    where: and(where, after === undefined ? undefined : lt(id, after)),
    orderBy: desc(id),
    limit: request.limit + 1,
  }
}

export function toPage<Row extends { id: string }, T>(rows: Row[], limit: number, show: (row: Row) => T): Page<T> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items: items.map(show), nextCursor: rows.length > limit && last ? encodeCursor(last.id) : null }
}

const encodeCursor = (id: string) => Buffer.from(id).toString('base64url')

function decodeCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (!/^[a-z]{3}_[0-9a-z]{26}$/.test(id))
    throw new AppError('BAD_INPUT', 'cursor is not one that a list returned', [
      { pointer: '/cursor', detail: 'pass nextCursor of the previous page unchanged' },
    ])
  return id
}
