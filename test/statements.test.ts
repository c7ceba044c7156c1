// What the hot paths ask of the database, counted: a statement or a trip more is a decision, not an accident.
import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { claimJob } from '../src/jobs/claim.ts'
import { renewLock } from '../src/jobs/lock.ts'
import { settleJob } from '../src/jobs/settle.ts'
import type { Delivery } from '../src/queue/queue.ts'
import { openHarness, type Harness } from './harness.ts'

type Count = { statements: number; trips: number }
let count: Count = { statements: 0, trips: 0 }
const outstanding = new WeakMap<Client, number>()

// Every statement that this process sends, whoever sends it. One that is sent while another one is not answered yet shares its trip.
// oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
const send = Client.prototype.query
Client.prototype.query = function (this: Client, ...args: unknown[]) {
  // Word of commits goes out with that of others, on a connection of its own.
  const [asked] = args as [{ name?: string } | string | undefined]
  if (typeof asked === 'object' && asked.name === 'tell') return Reflect.apply(send, this, args)
  const before = outstanding.get(this) ?? 0
  count.statements++
  if (before === 0) count.trips++
  outstanding.set(this, before + 1)
  const answered = () => outstanding.set(this, (outstanding.get(this) ?? 1) - 1)
  const last = args.at(-1)
  if (typeof last === 'function') {
    args[args.length - 1] = (...told: unknown[]) => {
      answered()
      Reflect.apply(last, undefined, told)
    }
    return Reflect.apply(send, this, args)
  }
  const result = Reflect.apply(send, this, args) as Promise<unknown> // without a callback
  result.then(answered, answered)
  return result
} as typeof send

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(async () => {
  Client.prototype.query = send
  await h.close()
})

/** The least of a few: what the clock does beside it asks now and then too. */
async function counted(run: () => Promise<unknown>): Promise<Count> {
  const counts: Count[] = []
  for (let n = 0; n < 4; n++) {
    count = { statements: 0, trips: 0 }
    await run()
    counts.push(count)
  }
  counts.sort((a, b) => a.statements - b.statements || a.trips - b.trips)
  return counts[0] ?? count
}

let made = 0
const submit = async () => {
  const answer = await h.requestCluster(`s${made++}`)
  return { answer, queueId: await queueIdOf(answer.job.id) }
}
const queueIdOf = async (jobId: string) => {
  const [row] = await h.rows<{ id: string }>(`select id::text from pgboss.job where data ->> 'jobId' = '${jobId}'`)
  return row?.id ?? ''
}

it('a request takes two trips: what it reads, and what it writes', async () => {
  await h.requestCluster('warm')
  // BEGIN, key, name and holdings; all rows as one statement, and COMMIT. Without a quota nobody's turn is taken.
  expect(await counted(() => h.requestCluster(`s${made++}`))).toEqual({ statements: 5, trips: 2 })
})

it('a page takes one, and a cluster one for itself and one for each thing shown with it', async () => {
  const { cluster } = await h.requestCluster('read')
  await h.call('GET', '/clusters?limit=50')
  expect(await counted(() => h.call('GET', '/clusters?limit=50'))).toEqual({ statements: 1, trips: 1 })
  expect(await counted(() => h.call('GET', `/clusters/${cluster.id}`))).toEqual({ statements: 6, trips: 6 })
})

it('an attempt takes two trips to begin, three to end, and three to renew', async () => {
  const deliveries: Delivery[] = []
  for (let n = 0; n < 4; n++) {
    const { answer, queueId } = await submit()
    await h.rows(`update pgboss.job set state = 'active', started_on = now() where id = '${queueId}'`)
    deliveries.push({ jobId: answer.job.id, queueId, retryCount: 0, retryLimit: 20 })
  }
  const claims: NonNullable<Awaited<ReturnType<typeof claimJob>>>[] = []
  const toClaim = [...deliveries]
  const claim = await counted(async () => {
    const [delivery] = toClaim.splice(0, 1)
    const got = delivery && (await claimJob(h.app, delivery, 'counted'))
    if (!got) throw new Error('not claimed')
    claims.push(got)
  })
  const [first] = claims
  if (!first) throw new Error('not claimed')
  const renewal = await counted(() => renewLock(h.app.leaseDb, h.app.queue, first.lock, first.delivery, 30))
  const toSettle = [...claims]
  const settle = await counted(async () => {
    const [each] = toSettle.splice(0, 1)
    if (each) await settleJob(h.app, each, { kind: 'succeeded', changes: { readyAt: new Date() } })
  })
  expect({ claim, renewal, settle }).toEqual({
    claim: { statements: 7, trips: 2 },
    renewal: { statements: 6, trips: 3 },
    settle: { statements: 7, trips: 3 },
  })
})
