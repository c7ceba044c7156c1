// PostgreSQL comes and goes: under a start, and under a request.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whenDatabaseAnswers } from '../src/db/starting.ts'
import { migrateDatabase } from '../src/db/migrate.ts'
import { openDatabase, openLeaseDatabase } from '../src/db/client.ts'
import { createHttp } from '../src/http/app.ts'
import { newId } from '../src/ids.ts'
import { openProxy, type Proxy } from './chaos/proxy.ts'
import { eventually, exitOf, hear, openHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())

async function throughProxy(): Promise<{ proxy: Proxy; url: string }> {
  const proxy = await openProxy(Number(new URL(h.url).port))
  const url = new URL(h.url)
  url.hostname = '127.0.0.1'
  url.port = String(proxy.port)
  return { proxy, url: url.href }
}

describe('a process that is started while the database is away', () => {
  it('waits, says what for, and starts when it is back', async () => {
    const { proxy, url } = await throughProxy()
    proxy.cut()
    const child = h.startProcess('work', { DATABASE_URL: url, OCPCTL_LOG_LEVEL: 'info' })
    let said = ''
    hear(child, (text) => (said += text))
    await eventually(() => /waiting for up to \d+ s more/.test(said) && proxy.accepted() > 2)
    proxy.heal()
    await eventually(() => said.includes('the worker is ready'))
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
    expect(said).not.toContain('    at ')
    await proxy.close()
  })

  it('ends when it is asked to meanwhile', async () => {
    const { proxy, url } = await throughProxy()
    proxy.cut()
    const child = h.startProcess('work', { DATABASE_URL: url, OCPCTL_LOG_LEVEL: 'info' })
    await eventually(() => proxy.accepted() > 0)
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
    await proxy.close()
  })

  it('gives up after its time with one sentence, and at once when waiting cannot help', async () => {
    const { proxy, url } = await throughProxy()
    proxy.cut()
    const tries = (at: string, waitMs: number) =>
      whenDatabaseAnswers(h.app.log, new AbortController().signal, () => migrateDatabase(at, h.app.log, async () => true), waitMs) // prettier-ignore
    await expect(tries(url, 1500)).rejects.toThrow(/cannot be reached: .* \(waited for \d+ s\)$/)
    const other = new URL(h.url)
    other.pathname = '/nowhere'
    await expect(tries(other.href, 60_000)).rejects.toThrow('has no database "nowhere"')
    await proxy.close()
  })
})

describe('a request whose connection dies', () => {
  it('is answered with 503, and the repeat with its key gives the one true answer', async () => {
    const { cluster } = await h.requestCluster('held')
    const key = newId('evt')
    const holder = h.app.db.transaction(async (tx) => {
      await tx.execute(`select 1 from clusters where id = '${cluster.id}' for update`)
      const waiting = h.call('POST', `/clusters/${cluster.id}/destroy`, { key })
      const [session] = await eventually(async () => {
        const rows = await h.rows<{ pid: number }>(`select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`) // prettier-ignore
        return rows.length > 0 && rows
      })
      await h.rows(`select pg_terminate_backend(${session?.pid})`)
      return waiting
    })
    expect(await holder).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
    const [first, second] = [
      await h.call('POST', `/clusters/${cluster.id}/destroy`, { key }),
      await h.call('POST', `/clusters/${cluster.id}/destroy`, { key }),
    ]
    expect(first.status).toBe(202)
    expect(second.body).toEqual(first.body)
  })

  it('is answered with 503 when nobody answers at all', async () => {
    const { proxy, url } = await throughProxy()
    const database = openDatabase(url, { ...h.app.config.pool, log: h.app.log, name: 'cut' })
    const http = createHttp({ ...h.app, db: database.db })
    const ask = () => http.request('/api/v1/clusters', { headers: { authorization: `Bearer ${h.admin}` } })
    expect((await ask()).status).toBe(200)
    proxy.cut()
    expect((await ask()).status).toBe(503)
    proxy.heal()
    expect((await ask()).status).toBe(200)
    await database.close()
    await proxy.close()
  })
})

describe('a server that has no connection left', () => {
  it('costs no renewal, and whoever asks waits for a connection of its own pool', async () => {
    const role = `few_${randomBytes(4).toString('hex')}`
    await h.rows(`create role ${role} login password 'few' connection limit 3`)
    const url = new URL(h.url)
    url.username = role
    url.password = 'few'
    const leases = await openLeaseDatabase(url.href, { log: h.app.log, name: 'leases' })
    const database = openDatabase(url.href, { ...h.app.config.pool, log: h.app.log, name: 'few' })
    const release = Promise.withResolvers<void>()
    const held = [1, 2].map(() =>
      database.db.transaction(async (tx) => {
        await tx.execute('select 1')
        await release.promise
      }),
    )
    const connections = async () => (await h.rows<{ n: number }>(`select count(*)::int as n from pg_stat_activity where usename = '${role}'`))[0]?.n // prettier-ignore
    await eventually(async () => (await connections()) === 3)
    let isAnswered = false
    const waiting = database.db.execute('select 1 as one').then(({ rows }) => {
      isAnswered = true
      return rows
    })
    const transaction = database.db.transaction((tx) => tx.execute('select 2 as two'))
    for (let renewal = 0; renewal < 5; renewal++)
      expect((await leases.db.transaction((tx) => tx.execute('select 3 as three'))).rows).toEqual([{ three: 3 }])
    expect(isAnswered).toBe(false)
    release.resolve()
    expect(await waiting).toEqual([{ one: 1 }])
    expect((await transaction).rows).toEqual([{ two: 2 }])
    await Promise.all(held)
    await leases.close()
    await database.close()
    await h.rows(`drop role ${role}`)
  })
})
