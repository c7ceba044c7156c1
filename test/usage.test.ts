// What clusters took and cost, to the second: the series, its sums, its reports and exports.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { openDatabase } from '../src/db/client.ts'
import type { Actor } from '../src/auth/principal.ts'
import { newId } from '../src/ids.ts'
import { openLog } from '../src/observability/log.ts'
import { csvLine } from '../src/usage/focus.ts'
import { readCost, exportDays, readUsage } from '../src/usage/report.ts'
import { dropOldSamples, makePartitionsAhead, rollUpDays, sampleUsage } from '../src/usage/series.ts'
import { partsOf, windowBefore, windowOf } from '../src/usage/window.ts'
import { clusterStatuses, type ClusterStatus } from '../src/vocabulary.ts'
import { openHarness, type Harness } from './harness.ts'

const SYSTEM: Actor = { kind: 'system', name: 'setup' }
const HOUR_S = 3600
let h: Harness

beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())

const seriesOf = (id: string) =>
  h.rows<{ status: string; nodes: number; usd: string }>(
    `select status, nodes, usd_per_hour::text as usd from usage_samples where cluster_id = '${id}' order by at`,
  )

describe('the series', () => {
  it('has each state of a life, with what it takes and costs, ended by DESTROYED', async () => {
    const worker = await h.startWorker()
    const { cluster } = await h.requestCluster('series')
    await h.reach(cluster.id, 'READY')
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
    await worker.drain(0)
    const running = { nodes: 3, usd: '0.840000' }
    expect(await seriesOf(cluster.id)).toEqual([
      { status: 'PENDING', nodes: 0, usd: '0.000000' },
      { status: 'CREATING', ...running },
      { status: 'READY', ...running },
      { status: 'DESTROYING', ...running },
      { status: 'DESTROYED', nodes: 0, usd: '0.000000' },
    ])
  })

  it('changes with the size and the price, and costs nothing for what never stood', async () => {
    const { cluster } = await h.requestCluster('sizes')
    await h.rows(`update jobs set status = 'CANCELLED', ended_at = now() where cluster_id = '${cluster.id}'`)
    await h.rows(`update clusters set status = 'READY' where id = '${cluster.id}'`)
    await h.rows(`update clusters set worker_replicas = 3, usd_per_hour = 1.1 where id = '${cluster.id}'`)
    await h.rows(`update clusters set destroy_at = destroy_at + interval '1 hour' where id = '${cluster.id}'`)
    await h.rows(`update clusters set status = 'HIBERNATED' where id = '${cluster.id}'`)
    await h.rows(`update clusters set status = 'FAILED' where id = '${cluster.id}'`)
    expect((await seriesOf(cluster.id)).slice(1)).toEqual([
      { status: 'READY', nodes: 3, usd: '0.840000' },
      { status: 'READY', nodes: 6, usd: '1.100000' },
      { status: 'HIBERNATED', nodes: 0, usd: '0.260000' },
      { status: 'FAILED', nodes: 0, usd: '0.000000' },
    ])
  })

  it('is in the order of the changes, though a clock is stepped back and transactions wait for each other', async () => {
    const { cluster } = await h.requestCluster('order')
    await h.rows(`update usage_samples set at = now() + interval '1 hour' where cluster_id = '${cluster.id}'`)
    await Promise.all([
      h.rows(`update clusters set status = 'CREATING' where id = '${cluster.id}' and status = 'PENDING'`),
      h.rows(`begin; select pg_sleep(0.05); update clusters set status = 'READY' where id = '${cluster.id}'; commit`),
    ])
    const [last] = (await seriesOf(cluster.id)).toReversed()
    const [now] = await h.rows<{ status: string }>(`select status from clusters where id = '${cluster.id}'`)
    expect(last?.status).toBe(now?.status)
    const before = await seriesOf(cluster.id)
    expect(await sampleUsage(h.app)).toBe(0)
    expect(await seriesOf(cluster.id)).toEqual(before)
    await h.rows(`delete from usage_samples where cluster_id = '${cluster.id}'`)
  })

  it('gets a sample of each cluster that lives by schedule, except of those that are just being changed', async () => {
    const { cluster } = await h.requestCluster('sampled')
    const { cluster: locked } = await h.requestCluster('locked')
    const count = async (id: string) => (await seriesOf(id)).length
    const [before, beforeLocked] = [await count(cluster.id), await count(locked.id)]
    await h.app.db.transaction(async (tx) => {
      await tx.$client.query('update clusters set owner = owner where id = $1', [locked.id])
      expect(await sampleUsage(h.app)).toBeGreaterThan(0)
    })
    expect([await count(cluster.id), await count(locked.id)]).toEqual([before + 1, beforeLocked])
  })

  it('takes a change at a time for which no month was made, and moves it there later', async () => {
    const { cluster } = await h.requestCluster('far')
    await h.rows(`insert into usage_samples values ('${cluster.id}', now() + interval '14 months', 'READY', 1, 1, 1)`)
    const place = () => h.rows(`select tableoid::regclass::text as name from usage_samples where cluster_id = '${cluster.id}' and at > now() + interval '1 year'`) // prettier-ignore
    expect(await place()).toEqual([{ name: 'usage_samples_default' }])
    await Promise.all([1, 2].map(() => h.rows(`select make_usage_partition(now() + interval '14 months')`)))
    expect(await place()).toEqual([{ name: expect.stringMatching(/^usage_samples_20\d{4}$/) }])
    expect(await makePartitionsAhead(h.app)).toBe(0)
    await h.rows(`delete from usage_samples where cluster_id = '${cluster.id}'`)
  })
})

describe('a window', () => {
  const now = new Date('2026-03-31T10:30:00Z') // a Tuesday
  const at = (text: string) => new Date(`${text}Z`)
  it.each([
    [{}, '2026-03-01T00:00', '2026-03-31T10:30'],
    [{ window: '7d' }, '2026-03-24T10:30', '2026-03-31T10:30'],
    [{ window: 'lastweek' }, '2026-03-23T00:00', '2026-03-30T00:00'],
    [{ window: 'lastmonth' }, '2026-02-01T00:00', '2026-03-01T00:00'],
    [{ from: '2026-03-01T02:00:00+02:00', to: '2026-03-02T00:00:00Z' }, '2026-03-01T00:00', '2026-03-02T00:00'],
  ])('%j', (asked, from, to) => {
    expect(windowOf(asked, now)).toEqual({ from: at(from), to: at(to) })
  })
  it.each([
    { window: '7y' },
    { window: '7d', from: '2026-01-01T00:00:00Z' },
    { to: '2026-01-01T00:00:00Z' },
    { from: '2027-01-01T00:00:00Z' },
  ])('%j is bad input', (asked) => expect(() => windowOf(asked, now)).toThrow(/the window/))
  it('is compared with as much time before, a month with the month before', () => {
    expect(windowBefore(windowOf({ window: '7d' }, now)).from).toEqual(at('2026-03-17T10:30'))
    expect(windowBefore(windowOf({ window: 'lastmonth' }, now))).toEqual({ from: at('2026-01-01T00:00'), to: at('2026-02-01T00:00') }) // prettier-ignore
  })
  it('is divided into whole days and the rest without a gap', () => {
    fc.assert(
      fc.property(fc.tuple(fc.nat(400), fc.nat(400), fc.nat(20)), ([a, b, rolled]) => {
        const hour = (n: number) => new Date(Date.UTC(2026, 2, 1) + n * 3_600_000)
        const window = { from: hour(Math.min(a, b)), to: hour(Math.max(a, b) + 1) }
        const { days, rest } = partsOf(window, rolled === 0 ? undefined : hour(rolled * 24))
        const parts = [...rest, ...(days ? [days] : [])].toSorted((x, y) => Number(x.from) - Number(y.from))
        expect(parts[0]?.from).toEqual(window.from)
        expect(parts.at(-1)?.to).toEqual(window.to)
        for (const [index, part] of parts.entries()) if (index > 0) expect(part.from).toEqual(parts[index - 1]?.to)
        if (days) expect([days.from.getTime() % 86_400_000, days.to.getTime() % 86_400_000]).toEqual([0, 0])
      }),
    )
  })
})

// Histories at the ends of months and at the changes of the clocks in Berlin and New York, in whole seconds.
const EVENTS = ['2026-02-28T20:00:00Z', '2026-03-08T05:00:00Z', '2026-03-28T22:00:00Z', '2026-10-25T00:00:00Z', '2026-10-31T22:30:00Z'] // prettier-ignore
type Step = { at: number; status: ClusterStatus; rate: number }
type History = { id: string; team: string; steps: Step[] }
const COUNT = 2200

function randomHistories(): History[] {
  const living = clusterStatuses.filter((status) => status !== 'DESTROYED')
  const one = fc.record({
    start: fc
      .constantFrom(...EVENTS)
      .chain((from) => fc.integer({ min: 0, max: 6 * HOUR_S }).map((s) => Date.parse(from) / 1000 + s)),
    gaps: fc.array(fc.oneof(fc.integer({ min: 1, max: 4 * HOUR_S }), fc.integer({ min: 1, max: 60 })), {
      maxLength: 8,
    }),
    statuses: fc.array(fc.constantFrom(...living), { minLength: 9, maxLength: 9 }),
    rates: fc.array(fc.integer({ min: 0, max: 5_000_000 }), { minLength: 9, maxLength: 9 }),
    isDestroyed: fc.boolean(),
    livesZero: fc.integer({ min: 0, max: 20 }).map((n) => n === 0),
  })
  return fc
    .sample(one, { numRuns: COUNT, seed: 20261129 })
    .map(({ start, gaps, statuses, rates, isDestroyed, livesZero }, n) => {
      let at = start
      const steps: Step[] = [{ at, status: 'PENDING', rate: 0 }]
      for (const [index, gap] of (livesZero ? [] : gaps).entries())
        steps.push({ at: (at += gap), status: statuses[index] ?? 'READY', rate: rates[index] ?? 0 })
      // One that lives 0 seconds is destroyed in the millisecond after.
      if (isDestroyed || livesZero || start < Date.parse('2026-10-01') / 1000)
        steps.push({ at: livesZero ? at : at + 1, status: 'DESTROYED', rate: 0 })
      return { id: newId('clu'), team: `t${n % 7}`, steps }
    })
}

describe('a report over random histories', () => {
  let histories: History[] = []
  let w: Harness
  let db: ReturnType<typeof openDatabase>
  beforeAll(async () => {
    histories = randomHistories()
    w = await openHarness()
    // A server with another zone counts the same.
    await w.rows(
      `do $$ begin execute format('alter database %I set timezone = %L', current_database(), 'America/New_York'); end $$`,
    )
    db = openDatabase(w.url, { ...w.app.config.pool, log: openLog('silent'), name: 'usage' })
    const { cluster } = await w.requestCluster('template')
    await w.rows('alter table clusters disable trigger user')
    await db.pool.query(
      `insert into clusters select (jsonb_populate_record(c, jsonb_build_object('id', r.id, 'name', r.name, 'team', r.team, 'status', r.status,
         'created_at', r.created, 'destroyed_at', r.destroyed))).* from clusters c, jsonb_to_recordset($1) as r(id text, name text, team text, status text, created timestamptz, destroyed timestamptz)
       where c.id = $2`,
      [
        JSON.stringify(
          histories.map(({ id, team, steps }, n) => {
            const last = steps.at(-1)
            const time = (at = 0) => new Date(at * 1000).toISOString()
            return { id, team, name: `c${n}`, status: last?.status, created: time(steps[0]?.at), destroyed: last?.status === 'DESTROYED' ? time(last.at) : null } // prettier-ignore
          }),
        ),
        cluster.id,
      ],
    )
    await w.rows(`delete from usage_samples`)
    await w.rows(`delete from jobs; delete from pgboss.job where name = 'cluster-jobs'`).catch(() => undefined)
    const samples = histories.flatMap(({ id, steps }) =>
      steps.map(({ at, status, rate }, n) => ({
        cluster_id: id,
        // In the same millisecond a cluster has one sample.
        at: new Date(at * 1000 + (steps[n - 1]?.at === at ? 1 : 0)).toISOString(),
        status,
        nodes: 1,
        vcpu: 2,
        usd_per_hour: (rate / 1_000_000).toFixed(6),
      })),
    )
    await db.pool.query(`insert into usage_samples select * from jsonb_populate_recordset(null::usage_samples, $1)`, [JSON.stringify(samples)]) // prettier-ignore
    await w.rows(`delete from clusters where id = '${cluster.id}'`).catch(() => undefined)
  })
  afterAll(async () => {
    await db.close()
    await w.close()
  })

  /** By the second, in millionths of a USD an hour times seconds. */
  const walk = ({ steps }: History, from: number, to: number): bigint => {
    let sum = 0n
    let index = -1
    const begins = Math.max(from, steps[0]?.at ?? 0)
    const last = steps.at(-1)
    const ends = Math.min(to, last?.status === 'DESTROYED' ? last.at : to)
    for (let second = begins; second < ends; second++) {
      while ((steps[index + 1]?.at ?? Infinity) <= second) index++
      const step = steps[index]
      if (step && step.status !== 'DESTROYED') sum += BigInt(step.rate)
    }
    return sum
  }
  const windows = [
    ['2026-02-28T22:13:20Z', '2026-03-01T03:46:41Z'],
    ['2026-03-01T00:00:00Z', '2026-03-10T00:00:00Z'],
    ['2026-03-08T06:59:59Z', '2026-03-08T07:00:01Z'],
    ['2026-03-28T23:30:00Z', '2026-03-29T02:30:00Z'],
    ['2026-10-25T00:30:00Z', '2026-10-26T00:00:00Z'],
    ['2026-10-31T23:59:00Z', '2026-11-01T12:00:00Z'],
  ] as const
  const compare = async () => {
    const dbApp = { db: db.db }
    for (const [from, to] of windows) {
      const window = { from: new Date(from), to: new Date(to) }
      const { items, unowned, total } = await readUsage(dbApp, SYSTEM, window, ['cluster'])
      const { items: byTeam } = await readUsage(dbApp, SYSTEM, window, ['team'], { step: '1d' })
      // Counted in another way: a line of each cluster and day.
      const { items: lines } = await readUsage(dbApp, SYSTEM, window, ['cluster'], { step: '1d' })
      const days = [...new Set(lines.map(({ step }) => step))]
      const countOf = (of: typeof lines, day: string | undefined) =>
        of.reduce((sum, { step, clusters }) => sum + (step === day ? clusters : 0), 0)
      expect(days.map((day) => countOf(byTeam, day))).toEqual(
        days.map((day) => lines.filter(({ step }) => step === day).length),
      )
      expect(lines.every(({ clusters }) => clusters === 1)).toBe(true)
      const expected = histories.map((history) =>
        walk(history, window.from.getTime() / 1000, window.to.getTime() / 1000),
      )
      const usdOf = (sum: bigint) => Number(sum) / 1_000_000 / 3600
      const all = expected.reduce((sum, each) => sum + each, 0n)
      expect(Math.abs(total.usd - usdOf(all)), `${from} to ${to}`).toBeLessThan(1e-5)
      const shown = [...byTeam.map(({ usd }) => usd), ...unowned.map(({ usd }) => usd)].reduce(
        (sum, usd) => sum + usd,
        0,
      )
      expect(Math.abs(shown - total.usd)).toBeLessThan(1e-3)
      // What a destroy failed of is no team's, so a cluster's own line may have less.
      const perCluster = new Map(items.map(({ group, usd }) => [group.cluster, usd]))
      for (const [n, history] of histories.entries()) {
        const hasUnproved = history.steps.some(({ status }) => status === 'DESTROY_FAILED')
        const told = perCluster.get(history.id) ?? 0
        if (!hasUnproved) expect(Math.abs(told - usdOf(expected[n] ?? 0n))).toBeLessThan(1e-5)
        else expect(told).toBeLessThanOrEqual(usdOf(expected[n] ?? 0n) + 1e-5)
      }
    }
  }

  it(`agrees with a walk by the second of ${COUNT} clusters, from the samples alone`, compare)

  it('agrees when the days are summed, which is done once', async () => {
    const dbApp = { db: db.db }
    const rolled = await Promise.all([rollUpDays(dbApp), rollUpDays(dbApp)])
    expect(rolled[0] + rolled[1]).toBeGreaterThan(200)
    expect(await rollUpDays(dbApp)).toBe(0)
    await compare()
  })

  it('agrees when old samples are dropped, and a month whose sums were changed is kept', async () => {
    const dbApp = { db: db.db }
    // As if these months were old enough: the clock of the rule is the database's.
    await w.rows(
      `select make_usage_partition(t) from (values ('2026-03-05'::timestamptz), ('2026-02-05'), ('2026-10-05')) as v(t)`,
    )
    await w.rows(`create function months_pass() returns void language sql as 'select'`)
    const old = { db: Object.assign(Object.create(db.db) as typeof db.db, { $client: ahead(db.pool) }) }
    await w.rows(`update usage_days_rolled set usd_seconds = usd_seconds + 1 where day = '2026-03-08'`)
    expect(await dropOldSamples(old)).toEqual({ dropped: ['202602'], kept: [{ month: '202603', day: '2026-03-08' }] })
    await w.rows(`update usage_days_rolled set usd_seconds = usd_seconds - 1 where day = '2026-03-08'`)
    expect(await dropOldSamples(old)).toEqual({ dropped: ['202603'], kept: [] })
    expect(await w.rows(`select count(*)::int as n from usage_samples where at < '2026-04-01Z'`)).toEqual([{ n: 0 }])
    // The windows that cut a day of the dropped months can no longer be told to the second; whole days can.
    const { total } = await readUsage(dbApp, SYSTEM, { from: new Date('2026-03-01Z'), to: new Date('2026-03-10Z') }, [
      'team',
    ])
    const expected = histories.reduce(
      (sum, each) => sum + walk(each, Date.parse('2026-03-01Z') / 1000, Date.parse('2026-03-10Z') / 1000),
      0n,
    )
    expect(Math.abs(total.usd - Number(expected) / 1_000_000 / 3600)).toBeLessThan(1e-5)
  })

  it('an export has the same money as the report', async () => {
    const window = { from: new Date('2026-10-25T00:30:00Z'), to: new Date('2026-11-02T12:00:00Z') }
    let usd = 0
    for await (const rows of exportDays({ db: db.db }, SYSTEM, window)) for (const row of rows) usd += Number(row.usd)
    const { total } = await readUsage({ db: db.db }, SYSTEM, window, ['team'])
    expect(Math.abs(usd - total.usd)).toBeLessThan(1e-3)
  })

  it('tells the clusters of an instant in the states that they had', async () => {
    const asOf = new Date('2026-10-31T23:45:00Z')
    const expected = new Map(
      histories.flatMap(({ id, steps }) => {
        const step = steps.findLast(({ at }) => at * 1000 <= asOf.getTime())
        return step ? [[id, step.status] as const] : []
      }),
    )
    const told = new Map<string, string>()
    for (let cursor = ''; ;) {
      const { body } = await w.call(
        'GET',
        `/clusters?limit=200&asOf=${asOf.toISOString()}${cursor && `&cursor=${cursor}`}`,
      )
      for (const { id, status } of body.items) told.set(id, status)
      cursor = body.nextCursor ?? ''
      if (cursor === '') break
    }
    expect(told).toEqual(expected)
    const { body } = await w.call('GET', `/clusters?asOf=${asOf.toISOString()}&status=READY&limit=200`)
    expect(body.items.every(({ id }: { id: string }) => expected.get(id) === 'READY')).toBe(true)
  })

  it('what a cluster has cost so far is the same, whether its days are summed or not', async () => {
    const history = histories.find(({ steps }) => (steps[0]?.at ?? 0) > Date.parse('2026-10-20') / 1000 && steps.length > 4 && steps.at(-1)?.status === 'DESTROYED') // prettier-ignore
    if (!history) throw new Error('the histories have one')
    const { usd } = await readCost(db.db, history.id)
    const all = walk(history, 0, Date.parse('2026-12-01') / 1000)
    expect(Math.abs(usd - Number(all) / 1_000_000 / 3600)).toBeLessThan(1e-5)
  })
})

/** The pool, on which now() is two years later. */
function ahead(pool: ReturnType<typeof openDatabase>['pool']) {
  return new Proxy(pool, {
    get(target, key) {
      if (key !== 'query') return Reflect.get(target, key, target) as unknown
      return async (...args: [string, unknown[]?]) => {
        const result = await target.query(...args)
        for (const row of result.rows as { name?: string; now?: Date }[])
          if (row.now && row.name) row.now = new Date(Date.UTC(2027, row.name.endsWith('10') ? -12 : 5, 2))
        return result
      }
    },
  })
}

it('a field that a spreadsheet would run is none', () => {
  expect(csvLine(['=1+1', '-2', '-x', 'a,"b"', null, 1.5])).toBe(`'=1+1,-2,'-x,"a,""b""",,1.5\r\n`)
})

describe('FOCUS', () => {
  // What the specification calls mandatory, and which of them may be empty: https://focus.finops.org, 1.0 and 1.2.
  const neverEmpty = ['BilledCost', 'BillingAccountId', 'BillingCurrency', 'BillingPeriodEnd', 'BillingPeriodStart', 'ChargeCategory', 'ChargePeriodEnd', 'ChargePeriodStart', 'ContractedCost', 'EffectiveCost', 'InvoiceIssuerName', 'ListCost', 'ProviderName', 'PublisherName', 'ServiceCategory', 'ServiceName'] // prettier-ignore
  const mayBeEmpty = ['BillingAccountName', 'ChargeClass', 'ChargeDescription', 'PricingQuantity', 'PricingUnit']
  /** Which follow from a usage that is no correction. */
  const neverEmptyForUsage = ['PricingQuantity', 'PricingUnit', 'ConsumedQuantity', 'ConsumedUnit', 'PricingCategory', 'ListUnitPrice', 'ContractedUnitPrice', 'SkuId', 'SkuPriceId'] // prettier-ignore
  const instants = ['BillingPeriodEnd', 'BillingPeriodStart', 'ChargePeriodEnd', 'ChargePeriodStart']
  const numbers = ['BilledCost', 'ContractedCost', 'EffectiveCost', 'ListCost', 'PricingQuantity', 'ConsumedQuantity', 'ListUnitPrice', 'ContractedUnitPrice'] // prettier-ignore

  const linesOf = (csv: string) =>
    csv.split('\r\n').slice(0, -1).map((line) => [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '')) // prettier-ignore

  it.each(['1.0', '1.2'] as const)('%s has what is mandatory, empty only where it may be', async (version) => {
    const { cluster } = await h.requestCluster(`focus-${version.replace('.', '-')}`, { costCenter: 'a, "b"' })
    await h.rows(`update clusters set status = 'READY' where id = '${cluster.id}'`)
    await h.rows(`update clusters set created_at = created_at - interval '3 days' where id = '${cluster.id}'`)
    await h.rows(`update usage_samples set at = at - interval '3 days' where cluster_id = '${cluster.id}'`)
    const answer = await h.call('GET', '/api/v1/usage?window=7d', {
      headers: { accept: `text/csv;profile=focus-${version}` },
    })
    expect(answer.headers.get('content-type')).toContain('text/csv')
    const [header = [], ...rows] = linesOf(answer.body)
    expect(header).toEqual(expect.arrayContaining([...neverEmpty, ...mayBeEmpty]))
    expect(header.includes('ServiceSubcategory')).toBe(version === '1.2')
    expect(header.every((name) => /^(x_)?[A-Z][A-Za-z]+$/.test(name))).toBe(true)
    const ours = rows.map((row) => Object.fromEntries(header.map((name, index) => [name, row[index] ?? '']))).filter((row) => row['ResourceId'] === cluster.id && row['x_State'] === 'READY') // prettier-ignore
    expect(rows.every((row) => row.length === header.length)).toBe(true)
    expect(ours.length).toBe(4) // the rest of a day, two days, and the beginning of today
    for (const row of ours) {
      for (const name of [...neverEmpty, ...neverEmptyForUsage]) expect(row[name], name).not.toBe('')
      expect(row).toMatchObject({ ChargeCategory: 'Usage', ChargeClass: '', BillingCurrency: 'USD', ServiceCategory: 'Compute', x_Estimated: 'true' }) // prettier-ignore
      for (const name of instants) expect(row[name], name).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/)
      for (const name of numbers) expect(row[name], name).toMatch(/^-?\d+(\.\d+)?$/)
      const time = (name: string) => Date.parse(row[name] ?? '')
      expect(time('ChargePeriodStart')).toBeLessThan(time('ChargePeriodEnd'))
      expect(time('ChargePeriodStart')).toBeGreaterThanOrEqual(time('BillingPeriodStart'))
      expect(time('ChargePeriodEnd')).toBeLessThanOrEqual(time('BillingPeriodEnd'))
      expect(Number(row['PricingQuantity']) * Number(row['ListUnitPrice'])).toBeCloseTo(Number(row['ListCost']), 4)
      expect(JSON.parse(row['Tags'] ?? '')).toMatchObject({ team: 'default', costCenter: 'a, "b"' })
    }
    const hours = ours.reduce((sum, row) => sum + Number(row['ConsumedQuantity']), 0)
    expect(hours).toBeCloseTo(72, 1)
  })
})
