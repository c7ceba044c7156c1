// Statements that run often: their text is made once from the table, and each connection parses it once.
import { getTableColumns, getTableName, type Column } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { Statement } from './together.ts'

type Row<T extends PgTable> = T['$inferSelect']

/** An insert of one row with every column but those in `left`, which have a default. */
export function insertion<T extends PgTable, Left extends keyof Row<T> & string = never>(
  table: T,
  left: readonly Left[] = [],
): (row: Omit<Row<T>, Left>) => Statement {
  const columns: [string, Column][] = Object.entries(getTableColumns(table))
  const given = columns.filter(([key]) => !(left as readonly string[]).includes(key))
  const name = `insert ${getTableName(table)}`
  const text = `insert into ${getTableName(table)} (${given.map(([, column]) => column.name).join(', ')})
    values (${given.map((_, index) => `$${index + 1}`).join(', ')})`
  return (row) => {
    const fields: Record<string, unknown> = row
    const values = given.map(([key, column]) => {
      const value = fields[key]
      return value === null || value === undefined ? null : column.mapToDriverValue(value)
    })
    return { name, text, values }
  }
}
