// What teams do: ask for clusters, give them another size, let them sleep and wake, by hand and by the clock, and give them
// up, at every moment, twice, at both APIs at once, and in contradiction.
// A request that gets no answer is sent again with the same key until it is answered.
import { randomUUID } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { newPlan, newWish, type Plan, type Wish } from './plan.ts'
import type { Random } from './random.ts'

export type Answer = {
  sentAt: number
  /** When it came. */
  at: number
  operation: 'create' | 'destroy' | 'cancel' | 'retry' | 'turn'
  /** The cluster that the request is about. */
  name: string
  key: string
  status: number
  clusterId: string | undefined
  jobId: string | undefined
  replayed: boolean
}

type Living = Plan & { clusterId: string; jobId: string; requestedAt: number; destroyAskedAt: number | undefined }

export type Load = {
  answers: Answer[]
  sent: { requests: number; repeated: number }
  /** Names of the clusters that were asked for, whatever came of it. */
  names: string[]
  /** Asks for no more, and for the end of all. Resolves when all is over and the cloud empty for a while, or at the bound. */
  finish: (boundMs: number) => Promise<{ settledAfterMs: number; isSettled: boolean }>
  /** What has been accepted and is not over. */
  living: () => Wish[]
  /** Whoever waits for it has had enough, and has it destroyed. */
  giveUp: (name: string) => void
  abort: () => void
}

type Row = { id: string; name: string; status: string; open: number }

export type LoadOptions = {
  urls: string[]
  token: string
  faultsFile: string
  alive: number
  /** Rules that take the installer a minute or more of real time. */
  slowFaults: boolean
  rows: <T extends Row>(sql: string) => Promise<T[]>
  isCloudEmpty: () => Promise<boolean>
  /** What the names of its clusters begin with. */
  prefix: string
  /** Something to ask for as somebody else has; undefined: something of its own. */
  namesake?: (by: Random) => Wish | undefined
}

const ANSWER_MS = 5000
const TURNED = ['READY', 'HIBERNATED', 'HIBERNATING', 'RESUMING']
/** A destroy of which nothing is seen after so long is asked for again. */
const LOST_ANSWER_MS = 15_000
/** What wakes late, or is found late, may put something back into the cloud: all must be over for this long. */
const STABLE_MS = 6000
const UNFINISHED = `
  select c.id, c.name, c.status,
    (select count(*)::int from jobs j where j.cluster_id = c.id and j.status in ('PENDING', 'RUNNING', 'RETRYING')) as open
  from clusters c where c.status <> 'DESTROYED'`

export function startLoad(options: LoadOptions, random: Random): Load {
  const answers: Answer[] = []
  const sent = { requests: 0, repeated: 0 }
  const names: string[] = []
  const living = new Map<string, Living>()
  const gone: Living[] = []
  const busy = new Set<Promise<unknown>>()
  const abort = new AbortController()
  const finishing = new AbortController()

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const inBackground = (work: Promise<unknown>) => {
    const tracked = work.catch(() => undefined).finally(() => busy.delete(tracked))
    busy.add(tracked)
  }

  /** Undefined only when the run is aborted. */
  async function ask(
    operation: Answer['operation'],
    name: string,
    path: string,
    key: string,
    body: object | undefined,
    first: number,
    method = 'POST',
  ): Promise<Answer | undefined> {
    for (let round = 0; !abort.signal.aborted; round++) {
      sent.requests++
      if (round > 0) sent.repeated++
      const sentAt = Date.now()
      const url = options.urls[(first + round) % options.urls.length]
      try {
        const response = await fetch(`${url}/api/v1${path}`, {
          method,
          signal: AbortSignal.timeout(ANSWER_MS),
          headers: {
            authorization: `Bearer ${options.token}`,
            'idempotency-key': key,
            ...(body ? { 'content-type': 'application/json' } : {}),
          },
          ...(body ? { body: JSON.stringify(body) } : {}),
        })
        const given = (await response.json()) as {
          cluster?: { id?: string; clusterId?: string }
          job?: { id?: string }
          id?: string
        }
        if (response.status < 500) {
          const answer: Answer = {
            sentAt,
            at: Date.now(),
            operation,
            name,
            key,
            status: response.status,
            clusterId: given.cluster?.id,
            jobId: given.job?.id ?? given.id,
            replayed: response.headers.get('idempotency-replayed') === 'true',
          }
          answers.push(answer)
          return answer
        }
      } catch {
        // No answer: the process is gone, cut off or slow. Ask again.
      }
      await pause(200 + 400 * random.next())
    }
    return undefined
  }
  /** At one API, or the same request with the same key at both at the same instant. */
  const submit = async (
    operation: Answer['operation'],
    name: string,
    path: string,
    key: string,
    body: object | undefined,
    twice: boolean,
  ) => {
    const first = random.whole(0, options.urls.length - 1)
    const [answer] = await Promise.all(
      [first, ...(twice ? [first + 1] : [])].map((at) => ask(operation, name, path, key, body, at)),
    )
    return answer
  }

  async function create(): Promise<void> {
    const wish = options.namesake?.(random)
    const isFree = wish && !names.includes(wish.name)
    const plan = newPlan(isFree ? wish : newWish(options.prefix, names.length + 1, random), random, options.slowFaults)
    names.push(plan.name)
    const cluster: Living = { ...plan, clusterId: '', jobId: '', requestedAt: Date.now(), destroyAskedAt: undefined }
    living.set(plan.name, cluster)
    writeRules()
    const answer = await submit('create', plan.name, '/clusters', plan.createKey, plan.body, random.chance(0.3))
    cluster.clusterId = answer?.clusterId ?? ''
    cluster.jobId = answer?.jobId ?? ''
    if (!answer || answer.status !== 202) return void living.delete(plan.name)
    if (plan.cancelAfter !== undefined) inBackground(cancelLater(cluster, plan.cancelAfter))
  }

  async function cancelLater(cluster: Living, seconds: number): Promise<void> {
    await pause(seconds * 1000)
    if (finishing.signal.aborted) return
    await ask('cancel', cluster.name, `/jobs/${cluster.jobId}/cancel`, randomUUID(), undefined, random.whole(0, 1))
  }

  async function destroy(cluster: Living): Promise<void> {
    cluster.destroyAskedAt = Date.now()
    const path = `/clusters/${cluster.clusterId}/destroy`
    const kind = random.weighted({ plain: 5, twice: 3, 'two-keys': 2, 'with-cancel': 2, 'with-retry': 1 })
    const others: Promise<unknown>[] = []
    if (kind === 'two-keys') others.push(ask('destroy', cluster.name, path, randomUUID(), undefined, 1))
    if (kind === 'with-cancel' || kind === 'with-retry') {
      const operation = kind === 'with-cancel' ? 'cancel' : 'retry'
      others.push(ask(operation, cluster.name, `/jobs/${cluster.jobId}/${operation}`, randomUUID(), undefined, 1))
    }
    await Promise.all([submit('destroy', cluster.name, path, randomUUID(), undefined, kind === 'twice'), ...others])
  }

  /** Another size, a sleep, a waking, or hours by which the service does it itself. */
  async function turn(cluster: Living, status: string): Promise<void> {
    const post = (path: string, body: object) => ask('turn', cluster.name, path, randomUUID(), body, random.whole(0, 1))
    const at = (verb: string, body: object = {}) => post(`/clusters/${cluster.clusterId}/${verb}`, body)
    if (status !== 'READY')
      return void (await at(status === 'HIBERNATING' && random.chance(0.3) ? 'hibernate' : 'resume'))
    const kind = random.weighted({ size: 3, sleep: 4, hours: 3 })
    if (kind === 'size') return void (await at('scale-workers', { replicas: random.whole(2, 5) }))
    if (kind === 'sleep') return void (await at('hibernate'))
    const hours = { zone: random.pick(['UTC', 'Asia/Kathmandu', 'America/St_Johns']), awake: ['Mon-Sun 00:00-23:59'] }
    await ask('turn', cluster.name, `/clusters/${cluster.clusterId}/off-hours`, randomUUID(), hours, random.whole(0, 1), 'PUT') // prettier-ignore
    const until = new Date(Date.now() + 1000 * random.whole(5, 25)).toISOString()
    await at('off-hours/override', { until, state: 'asleep' })
    await post('/schedules/keep-hours/run', {})
    if (random.chance(0.3)) await ask('turn', cluster.name, `/clusters/${cluster.clusterId}/off-hours`, randomUUID(), undefined, 0, 'DELETE') // prettier-ignore
  }

  function writeRules(): void {
    const rules = [...living.values()].flatMap((cluster) => cluster.rules)
    // An installer that starts now must not read half of it.
    writeFileSync(`${options.faultsFile}.new`, JSON.stringify(rules))
    renameSync(`${options.faultsFile}.new`, options.faultsFile)
  }

  async function look(): Promise<Row[]> {
    const rows = await options.rows<Row>(UNFINISHED)
    const present = new Set(rows.map((row) => row.id))
    for (const cluster of living.values())
      if (cluster.clusterId !== '' && !present.has(cluster.clusterId)) {
        living.delete(cluster.name)
        gone.push(cluster)
      }
    return rows
  }

  async function live(): Promise<void> {
    while (!finishing.signal.aborted && !abort.signal.aborted) {
      const rows = await look()
      const now = Date.now()
      for (const row of rows) {
        const cluster = living.get(row.name)
        if (cluster?.clusterId !== row.id) continue
        const isDue = now - cluster.requestedAt > cluster.destroyAfter * 1000
        const isAsked = cluster.destroyAskedAt !== undefined
        const askedFor = now - (cluster.destroyAskedAt ?? 0)
        const mustAgain =
          row.open === 0 && (row.status === 'DESTROY_FAILED' ? askedFor > 3000 : isAsked && askedFor > LOST_ANSWER_MS)
        if ((isDue && !isAsked) || mustAgain) inBackground(destroy(cluster))
        else if (!isAsked && row.open === 0 && TURNED.includes(row.status) && random.chance(0.15)) inBackground(turn(cluster, row.status)) // prettier-ignore
      }
      if (living.size < options.alive) inBackground(create())
      // A portal that lost the answer long ago asks once more; the key must still give the old one.
      const old = gone.length > 0 && random.chance(0.05) ? random.pick(gone) : undefined
      if (old) inBackground(ask('create', old.name, '/clusters', old.createKey, old.body, random.whole(0, 1)))
      await pause(300)
    }
  }
  writeRules()
  const running = live()

  return {
    answers,
    sent,
    names,
    abort: () => abort.abort(),
    living: () => [...living.values()].filter((cluster) => cluster.clusterId !== ''),
    giveUp(name) {
      const cluster = living.get(name)
      if (cluster) cluster.destroyAfter = 0
    },
    async finish(boundMs) {
      finishing.abort()
      const from = Date.now()
      await running
      const asked = new Map<string, number>()
      let quietSince: number | undefined
      for (;;) {
        const rows = await look()
        const isQuiet = rows.length === 0 && busy.size === 0 && (await options.isCloudEmpty())
        quietSince = isQuiet ? (quietSince ?? Date.now()) : undefined
        if (quietSince !== undefined && Date.now() - quietSince >= STABLE_MS)
          return { settledAfterMs: quietSince - from, isSettled: true }
        if (Date.now() - from > boundMs || abort.signal.aborted)
          return { settledAfterMs: Date.now() - from, isSettled: false }
        for (const row of rows) {
          const isDestroying = row.status === 'DESTROYING' && row.open > 0
          if (isDestroying || Date.now() - (asked.get(row.id) ?? 0) < 3000) continue
          asked.set(row.id, Date.now())
          inBackground(
            ask('destroy', row.name, `/clusters/${row.id}/destroy`, randomUUID(), undefined, random.whole(0, 1)),
          )
        }
        await pause(250)
      }
    },
  }
}
