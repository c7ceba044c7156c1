// Statements that run often. Their text is made from the tables, and each connection parses it once.
import { getTableColumns, getTableName, type Column } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { Reader } from './client.ts'
import { nameOf, type Statement } from './together.ts'

type Row<T extends PgTable> = T['$inferSelect']
/** SQL in the place of a value. Each ? in it stands for one of the values, so that the text stays the same. */
export type Expression = Readonly<{ sql: string; values?: readonly unknown[] }>
export type Changes<T extends PgTable> = { [K in keyof Row<T>]?: Row<T>[K] | Expression | undefined }

export const now: Expression = { sql: 'now()' }

const isExpression = (value: unknown): value is Expression =>
  typeof value === 'object' && value !== null && 'sql' in value && typeof value.sql === 'string'

/** The changes that are values. The changes that are SQL expressions are left out. */
export function plainOf<T extends PgTable>(changes: Changes<T>): Partial<Row<T>> {
  const plain = Object.entries(changes).filter(([, value]) => value !== undefined && !isExpression(value))
  return Object.fromEntries(plain) as Partial<Row<T>> // of the columns that were given
}

/** An insert of one row with every column except those in `left`, which have a default. */
export function insertion<T extends PgTable, Left extends keyof Row<T> & string = never>(
  table: T,
  left: readonly Left[] = [],
): (row: Omit<Row<T>, Left>) => Statement {
  const columns: [string, Column][] = Object.entries(getTableColumns(table))
  const given = columns.filter(([key]) => !(left as readonly string[]).includes(key))
  const name = `insert ${getTableName(table)}`
  const insert = `insert into ${getTableName(table)} (${given.map(([, column]) => column.name).join(', ')})`
  const row = `(${given.map((_, index) => `$${index + 1}`).join(', ')})`
  const text = `${insert} values ${row}`
  return (fields: Record<string, unknown>) => {
    const values = given.map(([key, column]) => driverValue(column, fields[key]))
    return { name, text, values, insert: { into: insert, row } }
  }
}

/**
 * An update of the one row that has these values. Where a list is given, the column has any of its values. The update
 * fails when there is no such row.
 */
export function update<T extends PgTable>(
  table: T,
  changes: Changes<T>,
  of: { [K in keyof Row<T>]?: Row<T>[K] | readonly Row<T>[K][] },
): Statement {
  const columns: Record<string, Column> = getTableColumns(table)
  const values: unknown[] = []
  const param = (value: unknown) => `$${values.push(value)}`
  const sqlOf = ({ sql, values: given = [] }: Expression) => {
    let next = 0
    return sql.replaceAll('?', () => param(given[next++]))
  }
  const sets = Object.entries(changes).flatMap(([key, value]) => {
    if (value === undefined) return []
    const column = columnOf(columns, key)
    return [`${column.name} = ${isExpression(value) ? sqlOf(value) : param(driverValue(column, value))}`]
  })
  const conditions = Object.entries(of).map(([key, value]) => {
    const { name } = columnOf(columns, key)
    return Array.isArray(value) ? `${name} = any(${param(value)})` : `${name} = ${param(value)}`
  })
  const text = `update ${getTableName(table)} set ${sets.join(', ')} where ${conditions.join(' and ')} returning 1`
  return { name: text, text, values, mustReturn: true }
}

/** A read of whole rows. `clause`: all that comes after `from`. */
export function selection<T extends PgTable>(
  table: T,
  clause: string,
): (db: Reader, ...values: unknown[]) => Promise<Row<T>[]> {
  const columns: [string, Column][] = Object.entries(getTableColumns(table))
  const name = getTableName(table)
  const text = `select ${columns.map(([, column]) => `${name}.${column.name}`).join(', ')} from ${name} ${clause}`
  return async (db, ...values) => {
    const config = { name: nameOf(text), text, values, rowMode: 'array' as const }
    const { rows } = await db.$client.query<unknown[]>(config)
    return rows.map((row) =>
      Object.fromEntries(
        columns.map(([key, column], index) => {
          const value = row[index]
          return [key, value === null ? null : column.mapFromDriverValue(value)]
        }),
      ),
    )
  }
}

function driverValue(column: Column, value: unknown): unknown {
  return value === null || value === undefined ? null : column.mapToDriverValue(value)
}

function columnOf(columns: Record<string, Column>, key: string): Column {
  const column = columns[key]
  if (!column) throw new Error(`the table has no column ${key}`)
  return column
}
