// What the tables of clusters, jobs and all the others have in common.
import { sql } from 'drizzle-orm'
import { customType, timestamp } from 'drizzle-orm/pg-core'

export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })

/** Precise to the millisecond, like a JavaScript Date. */
export const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** The condition of a check: the column holds one of these words. */
export const oneOf = (column: string, words: readonly string[]) =>
  sql.raw(`${column} in (${words.map((word) => `'${word}'`).join(', ')})`)
