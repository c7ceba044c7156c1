// PostgreSQL comes and goes: under a start, and under a request.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whenDatabaseAnswers } from '../src/db/starting.ts'
import { migrateDatabase } from '../src/db/migrate.ts'
import { openDatabase } from '../src/db/client.ts'
import { createHttp } from '../src/http/app.ts'
import { newId } from '../src/ids.ts'
import { openProxy, type Proxy } from './chaos/proxy.ts'
import { eventually, exitOf, openHarness, type Harness } from './harness.ts'

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
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
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
