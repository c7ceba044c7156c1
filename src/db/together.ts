// Statements that a connection is asked for at one moment leave together. For this process, most of the cost of a
// statement is the system call that sends it. For the server, much of the cost is that it comes alone.
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { PoolClient } from 'pg'

/** The name stands for the text. A connection parses the text once. */
export type Statement = {
  name: string
  text: string
  values: unknown[]
  /** The statement has a `returning`, and fails unless it returns something. */
  mustReturn?: boolean
  /** For an insert: rows for one table go into it as one insert, in the order in which they were sent. */
  insert?: { into: string; row: string }
  /** Gives the error to throw in place of the server's, or the server's own. */
  explain?: (error: unknown) => unknown
}

const waiting = new WeakMap<PoolClient, { statements: Statement[]; done: PromiseWithResolvers<void> }>()

/**
 * Makes the connection run a statement that changes something, as one statement with the others that wait. Each sees
 * the database as it was before all of them. It goes out before whatever the connection is asked for next.
 */
export function runTogether(client: PoolClient, statement: Statement): Promise<void> {
  const those = waiting.get(client) ?? { statements: [], done: Promise.withResolvers<void>() }
  waiting.set(client, those)
  those.statements.push(statement)
  return those.done.promise
}

const refused = new WeakSet<PoolClient>()

/**
 * Called where BEGIN failed: statements of the transaction must not happen without it. The connection is of no more
 * use.
 */
export function refuseAll(client: PoolClient): void {
  refused.add(client)
}

export const isRefused = (client: PoolClient): boolean => refused.has(client)

/** Statements that have not gone out yet are never sent. */
export function forgetWaiting(client: PoolClient): void {
  waiting.get(client)?.done.resolve()
  waiting.delete(client)
}

/** Must be called once for each connection. */
export function sendTogether(client: PoolClient): void {
  const { stream } = client.connection
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown> // handed on as it came
  let isHeld = false
  const release = () => {
    isHeld = false
    stream.uncork()
  }
  const hold = () => {
    if (isHeld) return
    isHeld = true
    stream.cork()
    process.nextTick(release)
  }
  const ask = (...args: unknown[]) => {
    if (refused.has(client)) return Promise.reject(new Error('the transaction could not begin'))
    hold()
    const those = waiting.get(client)
    if (those) {
      waiting.delete(client)
      query(merge(those.statements)).then(
        () => those.done.resolve(),
        (error: unknown) => those.done.reject(explained(those.statements, error)),
      )
    }
    return query(...args)
  }
  Object.assign(client, { query: ask })
  // One buffer costs the kernel far less than dozens.
  stream._writev = (chunks, done) => {
    const buffers = chunks.map(({ chunk }) => chunk as Buffer) // node-pg writes nothing else
    stream._write(Buffer.concat(buffers), 'buffer' as BufferEncoding, done) // as streams say of bytes
  }
}

const explained = (statements: Statement[], error: unknown): unknown =>
  statements.reduce((told, { explain }) => explain?.(told) ?? told, error)

/** The name by which a connection knows a text, within the 63 characters that PostgreSQL allows. */
export function nameOf(text: string): string {
  const known = names.get(text)
  if (known !== undefined) return known
  const name = createHash('sha256').update(text).digest('base64url')
  names.set(text, name)
  return name
}

// A bounded number is enough, since texts are made of columns and never of values.
const names = new LRUCache<string, string>({ max: 1000 })
const texts = new LRUCache<string, string>({ max: 1000 })

function merge(all: Statement[]): { name: string; text: string; values: unknown[] } {
  const statements = joinInserts(all)
  const [only] = statements
  if (only && statements.length === 1 && !only.mustReturn)
    return { name: nameOf(only.text), text: only.text, values: only.values }
  const key = statements.map(({ name }) => name).join('; ')
  const text = texts.get(key) ?? textOf(statements)
  texts.set(key, text)
  return { name: nameOf(text), text, values: statements.flatMap(({ values }) => values) }
}

function joinInserts(statements: Statement[]): Statement[] {
  const byTable = Map.groupBy(
    statements.filter(({ insert }) => insert),
    ({ insert }) => insert?.into,
  )
  return statements.flatMap((statement) => {
    const those = byTable.get(statement.insert?.into) ?? [statement]
    if (those[0] !== statement) return []
    if (those.length === 1 || !statement.insert) return [statement]
    const { into, row } = statement.insert
    const width = statement.values.length
    const rows = those.map((_, index) => shifted(row, index * width))
    const values = those.flatMap((each) => each.values)
    return [{ name: `${into} x ${those.length}`, text: `${into} values ${rows.join(', ')}`, values }]
  })
}

/** The text with other numbers for its parameters. */
const shifted = (text: string, by: number) =>
  text.replaceAll(/\$(\d+)/g, (_, number: string) => `$${Number(number) + by}`)

function textOf(statements: Statement[]): string {
  let before = 0
  const parts = statements.map(({ text, values }, index) => {
    const from = before
    before += values.length
    return `s${index} as (${shifted(text, from)})`
  })
  // When a statement returns nothing, this divides by zero, and the server refuses it.
  const musts = statements.flatMap(({ mustReturn }, index) =>
    mustReturn ? [`1 / (select count(*) from s${index})`] : [],
  )
  return `with ${parts.join(',\n')} select ${musts.join(', ') || '1'}`
}
