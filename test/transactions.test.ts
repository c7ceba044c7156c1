// What a transaction sends without waiting for it is all done, or none of it is, and what went wrong is told.
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabase, send } from '../src/db/client.ts'
import type { Statement } from '../src/db/together.ts'
import { exitOf, openHarness, ROOT, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
  await h.rows('create table notes (id int primary key, text text not null)')
})
afterAll(() => h.close())

const note = (id: number, text: string | null = 'x'): Statement => ({
  name: 'note',
  text: 'insert into notes (id, text) values ($1, $2)',
  values: [id, text],
})
const rename = (id: number, text: string): Statement => ({
  name: 'rename',
  text: 'update notes set text = $2 where id = $1 returning 1',
  values: [id, text],
  mustReturn: true,
})
const kept = async () => (await h.rows<{ id: number }>('select id from notes order by id')).map(({ id }) => id)

it('what is sent goes out before what is asked next, and commits with it', async () => {
  const seen = await h.app.db.transaction(async (tx) => {
    send(tx, note(1))
    send(tx, note(2))
    const { rows } = await tx.$client.query<{ n: number }>('select count(*)::int as n from notes')
    send(tx, rename(2, 'two'))
    send(tx, note(3))
    return rows[0]?.n
  })
  expect(seen).toBe(2)
  expect(await h.rows('select * from notes order by id')).toEqual([
    { id: 1, text: 'x' },
    { id: 2, text: 'two' },
    { id: 3, text: 'x' },
  ])
})

it('one that is refused leaves nothing, and is what the caller hears of', async () => {
  const before = await kept()
  const failing = h.app.db.transaction(async (tx) => {
    send(tx, note(10))
    send(tx, { ...note(11, null), explain: (error) => new Error('eleven has no text', { cause: error }) })
    await tx.$client.query('select 1')
  })
  await expect(failing).rejects.toThrow('eleven has no text')
  const unnoticed = h.app.db.transaction(async (tx) => {
    send(tx, note(12))
    send(tx, note(12))
  })
  await expect(unnoticed).rejects.toThrow(/unique constraint|duplicate key/)
  expect(await kept()).toEqual(before)
})

it('one that must find its row leaves nothing where there is none', async () => {
  const before = await kept()
  const failing = h.app.db.transaction(async (tx) => {
    send(tx, note(20))
    send(tx, rename(99, 'nobody'))
  })
  await expect(failing).rejects.toThrow('division by zero')
  expect(await kept()).toEqual(before)
})

it('a change that throws has sent nothing that it had not sent by then', async () => {
  const before = await kept()
  const failing = h.app.db.transaction(async (tx) => {
    send(tx, note(30))
    throw new Error('on second thoughts')
  })
  await expect(failing).rejects.toThrow('on second thoughts')
  expect(await kept()).toEqual(before)
})

it('where BEGIN fails, nothing is done without it, though it was sent along', async () => {
  const before = await kept()
  const { db, pool, close } = openDatabase(h.url, { ...h.app.config.pool, log: h.app.log, name: 'unbegun' })
  pool.on('connect', (client) => {
    const ask = client.query.bind(client) as (...args: unknown[]) => unknown // handed on as it came
    Object.assign(client, {
      query: (text: unknown, ...rest: unknown[]) => ask(text === 'begin' ? 'begin what' : text, ...rest),
    })
  })
  const begun = db.transaction(
    async (tx) => {
      await tx.$client.query('select 1')
      send(tx, note(50))
      await tx.$client.query('insert into notes (id, text) values (51, $1)', ['x'])
    },
    { readsFirst: true },
  )
  await expect(begun).rejects.toThrow('syntax error')
  expect(await kept()).toEqual(before)
  // Nor is such a connection used again.
  expect(pool.totalCount).toBe(0)
  await close()
})

it('a job whose word was lost is found by looking', { timeout: 60_000 }, async () => {
  const worker = await h.startWorker()
  const child = spawn(process.execPath, ['test/submit-and-die.ts', 'unheard'], {
    cwd: ROOT,
    env: h.environment,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  expect(await exitOf(child)).toBe('SIGKILL')
  const [row] = await h.rows<{ id: string }>(`select id from clusters where name = 'unheard'`)
  await h.reach(row?.id ?? '', 'READY')
  await worker.drain(0)
})
