// What the tables of the nouns have in common.
import { sql } from 'drizzle-orm'
import { customType, timestamp } from 'drizzle-orm/pg-core'

export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })

/** To the millisecond, as JavaScript has it. */
export const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** The condition of a check: the column holds one of these words. */
export const oneOf = (column: string, words: readonly string[]) =>
  sql.raw(`${column} in (${words.map((word) => `'${word}'`).join(', ')})`)
