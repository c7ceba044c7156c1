// What teams do: ask for clusters and give them up, at every moment, twice, at both APIs at once, and in contradiction.
// A request that gets no answer is sent again with the same key until it is answered.
import { randomUUID } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import type { Random } from './random.ts'

export type Answer = {
  at: number
  operation: 'create' | 'destroy' | 'cancel' | 'retry'
  /** The cluster that the request is about. */
  name: string
  key: string
  status: number
  clusterId: string | undefined
  jobId: string | undefined
  replayed: boolean
}

type Plan = {
  name: string
  body: object
  createKey: string
  /** Seconds after the request; undefined: only at the end. */
  destroyAfter: number
  cancelAfter: number | undefined
  rules: object[]
}

type Living = Plan & { clusterId: string; jobId: string; requestedAt: number; destroyAskedAt: number | undefined }

export type Load = {
  answers: Answer[]
  sent: { requests: number; repeated: number }
  /** Names of the clusters that were asked for, whatever came of it. */
  names: string[]
  /** Asks for no more, and for the end of all. Resolves when the database says that all is over, or with what is not. */
  finish: (boundMs: number) => Promise<{ settledAfterMs: number; isSettled: boolean }>
  abort: () => void
}

type Row = { id: string; name: string; status: string; open: number; since: number }

export type LoadOptions = {
  urls: string[]
  token: string
  faultsFile: string
  alive: number
  /** Rules that take the installer a minute or more of real time. */
  slowFaults: boolean
  rows: <T extends Row>(sql: string) => Promise<T[]>
  /** How much the cloud still holds of what is asked for here. */
  countLeft: () => Promise<number>
}

const ANSWER_MS = 5000
const UNFINISHED = `
  select c.id, c.name, c.status,
    (select count(*)::int from jobs j where j.cluster_id = c.id and j.status in ('PENDING', 'RUNNING', 'RETRYING')) as open,
    extract(epoch from now() - c.updated_at)::float8 as since
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
  ): Promise<Answer | undefined> {
    for (let round = 0; !abort.signal.aborted; round++) {
      sent.requests++
      if (round > 0) sent.repeated++
      const url = options.urls[(first + round) % options.urls.length]
      try {
        const response = await fetch(`${url}/api/v1${path}`, {
          method: 'POST',
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
    const plan = newPlan(names.length + 1, random, options.slowFaults)
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

  function writeRules(): void {
    const rules = [...living.values()].flatMap((cluster) => cluster.rules)
    // An installer that starts now must not read half of it.
    writeFileSync(`${options.faultsFile}.new`, JSON.stringify(rules))
    renameSync(`${options.faultsFile}.new`, options.faultsFile)
  }

  async function look(): Promise<Row[]> {
    const rows = await options.rows<Row>(UNFINISHED)
    const present = new Set(rows.map((row) => row.name))
    for (const cluster of living.values())
      if (cluster.clusterId !== '' && !present.has(cluster.name)) {
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
        if (!cluster || cluster.clusterId === '') continue
        const isDue = now - cluster.requestedAt > cluster.destroyAfter * 1000
        const mustAgain = row.status === 'DESTROY_FAILED' && now - (cluster.destroyAskedAt ?? 0) > 3000
        if ((isDue && cluster.destroyAskedAt === undefined) || mustAgain) inBackground(destroy(cluster))
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
    async finish(boundMs) {
      finishing.abort()
      const from = Date.now()
      await running
      const asked = new Map<string, number>()
      for (;;) {
        const rows = await look()
        // What a thawed installer made after the destroy is found by a later look.
        const isSettled = rows.length === 0 && busy.size === 0 && (await options.countLeft()) === 0
        if (isSettled || Date.now() - from > boundMs || abort.signal.aborted)
          return { settledAfterMs: Date.now() - from, isSettled }
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

const profiles = [
  { platform: 'aws', profile: 'aws-minimal-test' },
  { platform: 'aws', profile: 'aws-standard' },
  { platform: 'ibmcloud', profile: 'ibmcloud-minimal-test' },
  { platform: 'ibmcloud', profile: 'ibmcloud-standard' },
]
const createStages = ['network', 'machines', 'api', 'bootstrap', 'bootstrap-destroy', 'initialize', 'stability']

function newPlan(number: number, random: Random, slowFaults: boolean): Plan {
  const name = `c${number}-${random.pick(['red', 'blue', 'grey', 'pink'])}`
  const { rules, hangs } = newRules(name, random, slowFaults)
  const span = random.weighted({ soon: 3, short: 4, long: 5, longest: slowFaults ? 1 : 0 })
  const [from, to] = { soon: [0, 8], short: [8, 25], long: [25, 70], longest: [120, 240] }[span] as [number, number] // by keys
  const destroyAfter = from + (to - from) * random.next()
  return {
    name,
    body: { name, ...random.pick(profiles), tags: { number: String(number) } },
    createKey: `create-${name}-${randomUUID()}`,
    // A create that hangs has hours before its deadline: somebody must ask.
    destroyAfter: hangs ? Math.min(destroyAfter, 40) : destroyAfter,
    cancelAfter: random.chance(0.08) ? 12 * random.next() : undefined,
    rules,
  }
}

function newRules(cluster: string, random: Random, slowFaults: boolean): { rules: object[]; hangs: boolean } {
  const attempt = random.pick([1, 1, 2, [1, 2, 3, 4, 5, 6]])
  const stage = random.pick(createStages)
  const create = random.weighted({
    none: 10,
    fail: 3,
    'half-create': 2,
    crash: 2,
    panic: 1,
    hang: 2,
    throttle: 2,
    deaf: slowFaults ? 1 : 0,
    'deaf-hang': slowFaults ? 1 : 0,
    invalid: 1,
  })
  const destroyed = random.weighted({
    none: 12,
    fail: 2,
    'fail-empty': 2,
    crash: 2,
    throttle: 2,
    leave: slowFaults ? 1 : 0,
    hang: slowFaults ? 1 : 0,
  })
  const destroyStage = random.pick(['instances', 'network', 'dns'])
  const command = 'destroy cluster'
  const rules: Record<typeof create | `destroy-${typeof destroyed}`, object[]> = {
    none: [],
    fail: [{ cluster, attempt, stage, action: 'fail', log: 'Error: something went wrong (chaos)' }],
    'half-create': [
      { cluster, attempt, stage: random.pick(['network', 'machines', 'initialize']), action: 'half-create' },
    ],
    crash: [{ cluster, attempt, stage, action: 'crash' }],
    panic: [{ cluster, attempt, stage, action: 'crash', exitCode: 2 }],
    hang: [{ cluster, stage, action: 'hang' }],
    throttle: [{ cluster, stage: random.pick(['network', 'machines', 'initialize']), action: 'throttle', factor: 2 }],
    deaf: [{ cluster, ignoreSigint: true }],
    'deaf-hang': [{ cluster, attempt: 1, stage, action: 'hang', ignoreSigint: true }],
    invalid: [{ cluster, command: 'create manifests', attempt, stage: 'validate', action: 'fail' }],
    'destroy-none': [],
    'destroy-fail': [{ cluster, command, attempt, stage: destroyStage, action: 'fail' }],
    // Nothing is left, and the destroyer fails over it each time.
    'destroy-fail-empty': [
      { cluster, stage: 'network', action: 'fail', exitCode: 1 },
      { cluster, command, stage: 'instances', action: 'fail', exitCode: 1 },
    ],
    'destroy-crash': [{ cluster, command, attempt: 1, stage: destroyStage, action: 'crash' }],
    'destroy-throttle': [{ cluster, command, stage: destroyStage, action: 'throttle', factor: 4 }],
    'destroy-leave': [
      { cluster, command, action: 'leave', type: random.pick(['instance', 'security-group']), times: 1 },
    ],
    'destroy-hang': [{ cluster, command, attempt: 1, stage: destroyStage, action: 'hang' }],
  }
  return {
    rules:
      destroyed === 'fail-empty' ? rules['destroy-fail-empty'] : [...rules[create], ...rules[`destroy-${destroyed}`]],
    hangs: destroyed !== 'fail-empty' && (create === 'hang' || create === 'deaf-hang'),
  }
}
