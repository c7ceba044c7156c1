// The stream of events: what happens, of what the caller may see, from any place in it, by any process.
import { once } from 'node:events'
import { get, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { App } from '../src/app.ts'
import { createHttp } from '../src/http/app.ts'
import { createServer } from '../src/http/server.ts'
import { publishNotices } from '../src/notices/publish.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

let h: Harness
const servers: Server[] = []
beforeAll(async () => {
  h = await openHarness()
})
afterAll(async () => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  await h.close()
})

/** An API process of its own, as far as the stream is concerned. Returns its URL. */
async function open(app: App = h.app): Promise<string> {
  const server = createServer(createHttp(app)).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listens on TCP
}

type Told = { id: string; event: string; data: any } // oxlint-disable-line typescript/no-explicit-any -- the test reads what it expects
type Stream = {
  headers: IncomingMessage['headers']
  /** What has come so far, without `open`. */
  told: Told[]
  lastId: () => string | undefined
  /** Resolves with the first event of this kind that has come or comes. */
  next: (isIt: (told: Told) => boolean) => Promise<Told>
  ended: Promise<void>
  close: () => Promise<void>
}

/** The answer, of which nothing is read yet. */
async function ask(
  url: string,
  { token = h.admin, query = '', after }: { token?: string; query?: string; after?: string | undefined } = {},
): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${token}`, ...(after === undefined ? {} : { 'last-event-id': after }) }
  const [answer] = (await once(get(`${url}/api/v1/events/stream${query}`, { headers, agent: false }), 'response')) as [IncomingMessage] // prettier-ignore
  return answer
}

async function follow(url: string, options: Parameters<typeof ask>[1] = {}): Promise<Stream> {
  const answer = await ask(url, options)
  const told: Told[] = []
  let lastId: string | undefined
  let text = ''
  answer.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
      lastId = field('id') ?? lastId
      const event = field('event')
      if (event !== undefined && event !== 'open')
        told.push({ id: field('id') ?? '', event, data: JSON.parse(field('data') ?? 'null') })
    }
  })
  answer.on('error', () => undefined) // it is broken off
  const ended = new Promise<void>((resolve) => answer.once('close', resolve))
  return {
    headers: answer.headers,
    told,
    lastId: () => lastId,
    next: (isIt) => eventually(() => told.find(isIt)),
    ended,
    close: async () => {
      answer.destroy()
      await ended
    },
  }
}

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

it('tells the life of a cluster, with the cluster and the job as they are', { timeout: 60_000 }, async () => {
  const stream = await follow(await open(), { query: '?type=cluster&type=job' })
  const { cluster, job } = await h.requestCluster('told')
  // No worker lives yet that would hand the notice on: the API does it.
  const requested = await stream.next(({ event }) => event === 'cluster.requested')
  expect(requested.data).toMatchObject({
    clusterId: cluster.id,
    team: 'default',
    cluster: { id: cluster.id, name: 'told' },
  })
  const worker = await h.startWorker()
  const ready = await stream.next(({ event }) => event === 'cluster.ready')
  expect(ready.data.cluster).toMatchObject({ status: 'READY', actions: expect.arrayContaining(['destroy']) })
  const ended = await stream.next(({ event }) => event === 'job.ended')
  expect(ended.data.job).toMatchObject({ id: job.id, status: 'SUCCEEDED', outlook: { stages: expect.any(Array) } })
  const stages = stream.told.flatMap(({ event, data }) => (event === 'job.changed' && data.data.stage) || [])
  // Of stages that follow each other closely only the newest is recorded.
  expect(stages).toEqual(expect.arrayContaining(['manifests', 'complete']))
  const places = stream.told.map(({ id }) => id.split('-').map(Number))
  expect(places).toEqual(places.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0)))
  await worker.drain(0)
  await stream.close()
})

it('is resumed without loss or repeat, by whichever process', { timeout: 60_000 }, async () => {
  const urls = [await open(), await open()]
  const first = await follow(urls[0] ?? '')
  const start = await eventually(() => first.lastId())
  await first.close()
  const all: Told[] = []
  const isLast = ({ event, data }: Told) => event === 'cluster.requested' && data.cluster.name === 'the-last'
  const reading = (async () => {
    let after: string | undefined = start
    for (let turn = 0; !all.some(isLast); turn++) {
      const stream: Stream = await follow(urls[turn % 2] ?? '', { after })
      await eventually(() => stream.told.length > turn % 3)
      // What is cut off between two events is what a reader remembers.
      await stream.close()
      all.push(...stream.told)
      after = stream.lastId()
    }
  })()
  const made = await Promise.all(Array.from({ length: 40 }, (_, n) => h.requestCluster(`many-${n}`)))
  // A reader waits for up to three events at a time.
  for (const name of ['the-last', 'more-1', 'more-2', 'more-3']) await h.requestCluster(name)
  await reading
  const ids = made.map(({ cluster }) => cluster.id)
  const seen = all.filter(({ data }) => ids.includes(data.clusterId))
  expect(seen).toHaveLength(ids.length)
  expect(new Set(seen.map(({ data }) => data.clusterId))).toEqual(new Set(ids))
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
})

it('tells nobody what the caller may not see, and filters', async () => {
  const url = await open()
  const admin = await follow(url)
  const ofBlue = await follow(url, { token: await h.tokenFor([{ team: 'blue', role: 'requester' }]) })
  const green = await h.tokenFor([{ team: 'green', role: 'team_admin' }])
  const ofGreen = await follow(url, { token: green })
  const auditor = await follow(url, {
    token: await h.tokenFor([{ team: '*', role: 'auditor' }]),
    query: '?type=finding',
  })
  const other = await follow(url, { query: '?team=blue' })
  const { cluster } = await h.requestCluster('greens', { team: 'green' })
  const only = await follow(url, { query: `?cluster=${cluster.id}` })
  await h.rows(
    `insert into notices (id, type, team, data) values ('msg_1', 'finding.filed', '*', '{"type": "orphan"}')`,
  )
  await h.requestCluster('blues', { team: 'blue' })
  await admin.next(({ event, data }) => event === 'cluster.requested' && data.cluster.name === 'blues')
  await ofBlue.next(({ event }) => event === 'cluster.requested')
  await auditor.next(({ event }) => event === 'finding.filed')
  await other.next(({ event }) => event === 'cluster.requested')
  const teams = (stream: Stream) => new Set(stream.told.map(({ data }) => data.team))
  expect(teams(admin)).toEqual(new Set(['*', 'blue', 'green']))
  expect([teams(ofBlue), teams(ofGreen), teams(other)]).toEqual([new Set(['blue']), new Set(['green']), new Set(['blue'])]) // prettier-ignore
  expect(auditor.told.map(({ event }) => event)).toEqual(['finding.filed'])
  // What was asked for just before may be handed on just after.
  await h.call('PUT', `/clusters/${cluster.id}/protection`, { body: { reason: 'the fair', until: inAnHour() } })
  await only.next(({ event }) => event === 'cluster.end_moved')
  expect(only.told.filter(({ data }) => data.clusterId !== cluster.id)).toEqual([])
  // Who sees nothing of it is still told how far it has got.
  await eventually(() => ofGreen.lastId() === admin.lastId())
  for (const stream of [admin, ofBlue, ofGreen, auditor, other, only]) await stream.close()
})

it('a place that is not known any more is told, and what was handed on since then is not', async () => {
  const stream = await follow(await open(), { after: '1-999999' })
  expect(await stream.next(({ event }) => event === 'reset')).toMatchObject({ id: expect.stringMatching(/^\d+-\d+$/) })
  await h.requestCluster('after-reset')
  await stream.next(({ event, data }) => event === 'cluster.requested' && data.cluster.name === 'after-reset')
  expect(stream.told[0]?.event).toBe('reset')
  await stream.close()
  const wrong = await follow(await open(), { after: 'x' })
  expect(await wrong.next(({ event }) => event === 'reset')).toMatchObject({ data: {} })
  await wrong.close()
})

it('a database that has lost what was told is noticed', { timeout: 30_000 }, async () => {
  const stream = await follow(await open())
  await h.requestCluster('lost')
  await stream.next(({ data }) => data.cluster?.name === 'lost')
  await h.rows(`delete from notices where position = (select max(position) from notices)`)
  await h.rows(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ocpctl-events' and datname = current_database()`,
  )
  await stream.next(({ event }) => event === 'reset')
  await h.requestCluster('found')
  await stream.next(({ data }) => data.cluster?.name === 'found')
  await stream.close()
})

it('what the database lost is noticed also when it fails just after it is back', { timeout: 30_000 }, async () => {
  let failures = 0
  const db = new Proxy(h.app.db, {
    get(target, key) {
      if (key === 'select' && failures > 0) {
        failures--
        throw new Error('the database is not there yet')
      }
      return Reflect.get(target, key) as unknown
    },
  })
  const stream = await follow(await open({ ...h.app, db }))
  await h.requestCluster('lost-too')
  await stream.next(({ data }) => data.cluster?.name === 'lost-too')
  await h.rows(`delete from notices where position = (select max(position) from notices)`)
  failures = 4
  await h.rows(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ocpctl-events' and datname = current_database()`,
  )
  await stream.next(({ event }) => event === 'reset')
  expect(failures).toBe(0)
  await stream.close()
})

it(
  'is resumed over more than a reader may leave unread, and given up in the middle of it',
  { timeout: 30_000 },
  async () => {
    const url = await open()
    const first = await follow(url)
    const after = await eventually(() => first.lastId())
    await first.close()
    await h.rows(
      `insert into notices (id, type, team, data) select 'msg_long' || n, 'finding.filed', '*', jsonb_build_object('n', n, 'text', repeat('x', 1000)) from generate_series(1, 1500) n`,
    )
    await h.requestCluster('long')
    // Who goes away in the middle gives its place back: there are fifty.
    for (let n = 0; n < 60; n++) {
      const answer = await eventually(async () => {
        const asked = await ask(url, { after })
        return asked.statusCode === 200 && asked
      })
      answer.destroy()
    }
    const stream = await follow(url, { after })
    await stream.next(({ data }) => data.data?.n === 1500)
    const numbers = stream.told.flatMap(({ event, data }) => (event === 'finding.filed' ? data.data.n : []))
    expect(numbers).toEqual(Array.from({ length: 1500 }, (_, n) => n + 1))
    await stream.close()
  },
)

it('a place that another process has told already is known, and not told again', { timeout: 30_000 }, async () => {
  const deaf = await open({ ...h.app, events: { ...h.app.events, on: () => () => undefined } })
  // It has read up to here, and hears nothing more.
  const slow = await follow(deaf)
  const quick = await follow(await open())
  await h.requestCluster('elsewhere')
  await quick.next(({ data }) => data.cluster?.name === 'elsewhere')
  const after = quick.lastId()
  const moved = await follow(deaf, { after })
  await h.requestCluster('onwards')
  await moved.next(({ data }) => data.cluster?.name === 'onwards')
  expect(moved.told.filter(({ data, event }) => event === 'reset' || data.cluster?.name === 'elsewhere')).toEqual([])
  for (const stream of [slow, quick, moved]) await stream.close()
})

it('ends for a caller that may no longer follow, and says why', { timeout: 30_000 }, async () => {
  const token = await h.tokenFor([{ team: 'red', role: 'requester' }])
  const stream = await follow(await open(), { token })
  await h.rows(`update api_tokens set revoked_at = now() where id = (select max(id) from api_tokens)`)
  expect(await stream.next(({ event }) => event === 'refused')).toMatchObject({ data: { code: 'UNAUTHENTICATED' } })
  await stream.ended
})

it('a reader that does not read is cut off, and the others go on', { timeout: 30_000 }, async () => {
  const url = await open()
  const idle = await ask(url)
  const stream = await follow(url)
  const connections = () =>
    new Promise<number>((resolve, reject) =>
      servers.at(-1)?.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
  let from = 0
  // The sockets themselves hold some megabytes. What the other one is given at once is less than it may leave unread.
  for (; (await connections()) === 2; from += 100) {
    await h.rows(
      `insert into notices (id, type, team, data) select 'msg_big' || n, 'finding.filed', '*', jsonb_build_object('n', n, 'text', repeat('x', 2000)) from generate_series(${from}, ${from + 99}) n`,
    )
    await publishNotices(h.app)
    await stream.next(({ data }) => data.data?.n === from + 99)
  }
  await expect(once(idle.resume(), 'end')).rejects.toThrow('aborted')
  expect(stream.told.filter(({ event }) => event === 'finding.filed')).toHaveLength(from)
  await stream.close()
})

it('has the headers of any answer, and ends at once for HEAD', async () => {
  const url = await open()
  const stream = await follow(url)
  const { 'x-request-id': requestId, ...any } = Object.fromEntries((await h.call('GET', '/api/v1/whoami')).headers)
  expect(stream.headers).toMatchObject({ ...any, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  expect(stream.headers['x-request-id']).toMatch(/^[\w-]{36}$/)
  expect(requestId).not.toBe(stream.headers['x-request-id'])
  await stream.close()
  const headers = { authorization: `Bearer ${h.admin}` }
  const head = await fetch(`${url}/api/v1/events/stream`, { method: 'HEAD', headers })
  expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, 'text/event-stream', ''])
})

it('gives its places back when a connection that asked for several of them breaks', async () => {
  const url = await open()
  const token = await h.tokenFor([{ team: 'red', role: 'requester' }])
  const asked = `GET /api/v1/events/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`
  // There are fifty. What is asked for behind a stream waits for its end.
  for (let n = 0; n < 26; n++) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(asked.repeat(2))
    await once(socket, 'data')
    socket.destroy()
  }
  await eventually(async () => {
    const all = await Promise.all(Array.from({ length: 40 }, async () => ask(url, { token })))
    for (const each of all) each.destroy()
    return all.every(({ statusCode }) => statusCode === 200)
  })
})
