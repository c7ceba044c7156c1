// The stream of events: what many readers cost the process that they read from, and how late they hear.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { createToken } from '../../src/auth/api-tokens.ts'
import { rbacMappings } from '../../src/auth/tables.ts'
import { startTelling } from '../../src/cron/telling.ts'
import { newId } from '../../src/ids.ts'
import { tellOfChange } from '../../src/notices/notices.ts'
import { openBenchApp } from './app.ts'
import { newRequest, query, rateOf, startServer, TOKEN, type Ground } from './ground.ts'
import { residentMb } from './process.ts'
import type { Report } from './report.ts'

const READERS = 500
/** A caller may have fifty streams. */
const CALLERS = 10
const EVENTS_A_SECOND = 20
const SECONDS = 15
const REQUESTS_BEFORE = 5000
const TICKS_A_SECOND = 100

export async function measureEvents(ground: Ground, report: Report): Promise<void> {
  const url = await ground.createDatabase('events')
  const { app, close } = await openBenchApp(ground, url)
  const server = await startServer(ground, url)
  await server.call('POST', '/api/v1/clusters', newRequest())
  const [cluster] = await query<{ id: string; team: string }>(url, 'select id, team from clusters')
  if (!cluster) throw new Error('there is no cluster')
  const tokens: string[] = []
  for (let n = 0; n < CALLERS; n++)
    await app.db.transaction(async (tx) => {
      const by = { kind: 'system', name: 'setup' } as const
      const { id, secret } = await createToken(tx, by, { name: `reader ${n}`, scopes: ['read'] })
      const binding = { id: newId('rbm'), principalType: 'token', principal: id, team: '*', role: 'auditor' } as const
      await tx.insert(rbacMappings).values({ ...binding, createdBy: 'bench' })
      tokens.push(secret)
    })
  const stopTelling = await startTelling(app)
  // What the loading of code costs, and the room that V8 takes for the garbage of any request, is not the readers'.
  await rateOf(() => server.call('GET', '/api/v1/clusters?limit=50'), 16, REQUESTS_BEFORE)
  const first = readAlong(`${server.url}/api/v1/events/stream`, TOKEN)
  await first.begun
  const idle = residentMb(server.pid)
  const readers = Array.from({ length: READERS }, (_, n) =>
    readAlong(`${server.url}/api/v1/events/stream`, tokens[n % CALLERS] ?? ''),
  )
  await Promise.all(readers.map(({ begun }) => begun))
  const quiet = await shareOf(server.pid, 5)
  const telling = (async () => {
    const from = performance.now()
    for (let n = 0; n < EVENTS_A_SECOND * SECONDS; n++) {
      // Just before the transaction that commits it.
      const data = { sentAt: Date.now() }
      const change = { type: 'cluster.changed' as const, team: cluster.team, clusterId: cluster.id, data }
      await app.db.transaction(async (tx) => tellOfChange(tx, change))
      await setTimeout(Math.max(0, from + ((n + 1) * 1000) / EVENTS_A_SECOND - performance.now()))
    }
  })()
  const busy = await shareOf(server.pid, SECONDS)
  const loaded = residentMb(server.pid)
  await telling
  const wanted = EVENTS_A_SECOND * SECONDS
  while (readers.some(({ delays }) => delays.length < wanted)) await setTimeout(50)
  const delays = readers.flatMap((reader) => reader.delays).toSorted((a, b) => a - b)
  for (const reader of [first, ...readers]) reader.stop()
  await stopTelling()
  await server.stop()
  await close()
  report.figure(`events, p99 from commit to ${READERS} readers (goal ≤ 1000)`, delays[Math.floor(delays.length * 0.99)] ?? 0, 'ms') // prettier-ignore
  report.figure(`events, memory of ${READERS} readers (goal ≤ 40)`, loaded - idle, 'MiB')
  report.figure(
    `events, of one core with ${READERS} readers and ${EVENTS_A_SECOND} a second (goal ≤ 5)`,
    busy * 100,
    '%',
  )
  report.figure(`events, of one core with ${READERS} readers and none`, quiet * 100, '%')
}

/** What the process takes of one core, over so many seconds. */
async function shareOf(pid: number, seconds: number): Promise<number> {
  const ticks = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return Number(fields[11]) + Number(fields[12])
  }
  const [before, from] = [ticks(), performance.now()]
  await setTimeout(seconds * 1000)
  return (ticks() - before) / TICKS_A_SECOND / ((performance.now() - from) / 1000)
}

const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })

function readAlong(url: string, token: string) {
  const delays: number[] = []
  const begun = Promise.withResolvers<void>()
  const asked = request(url, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
    if (response.statusCode !== 200) return begun.reject(new Error(`a reader got ${response.statusCode}`))
    let rest = ''
    response.setEncoding('utf8').on('data', (text: string) => {
      begun.resolve()
      const events = (rest + text).split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) {
        const sentAt = /"sentAt":(\d+)/.exec(event)?.[1]
        if (sentAt !== undefined) delays.push(Date.now() - Number(sentAt))
      }
    })
    response.on('error', () => undefined)
  })
  asked.on('error', begun.reject)
  asked.end()
  return { begun: begun.promise, delays, stop: () => asked.destroy() }
}
