// A night and a morning of a fleet whose clusters have off-hours of their own, in zones all over the world. The passes are
// given the instants of a day that is over, and what they did is dated there; what is expected is counted by the minute,
// by what Intl shows.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { keepHours, newForesight } from '../src/clusters/keep-hours.ts'
import { eventually, isThorough, openHarness, type Harness } from './harness.ts'

const CLUSTERS = isThorough ? 50 : 8
const MINUTE_MS = 60_000
const STEP_MS = 15 * MINUTE_MS
const HOUR_MS = 60 * MINUTE_MS

const zones = ['Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Chatham', 'America/Los_Angeles', 'Asia/Tokyo', 'Pacific/Marquesas', 'Africa/Lagos', 'Australia/Lord_Howe', 'UTC'] // prettier-ignore
/** In minutes of the day; the second ones run over midnight. */
const windows = [
  { text: '07:00-19:00', from: 420, to: 1140 },
  { text: '22:00-06:15', from: 1320, to: 375 },
  { text: '08:30-17:45', from: 510, to: 1065 },
]
const fleet = Array.from({ length: CLUSTERS }, (_, index) => ({
  name: `night-${index}`,
  zone: zones[index % zones.length] ?? 'UTC',
  window: windows[Math.floor(index / 3) % windows.length] ?? { text: '', from: 0, to: 0 },
}))
type Member = (typeof fleet)[number]

const formats = new Map<string, Intl.DateTimeFormat>()
function isAwakeAt({ zone, window: { from, to } }: Member, ms: number): boolean {
  const format = formats.get(zone) ?? new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit' }) // prettier-ignore
  formats.set(zone, format)
  const [hour = 0, minute = 0] = format.format(ms).split(':').map(Number)
  const shown = hour * 60 + minute
  return from < to ? from <= shown && shown < to : shown >= from || shown < to
}

let h: Harness
beforeAll(async () => {
  h = await openHarness({ concurrency: 10, environment: { OCPCTL_WORKER_TURNS: '50' } })
  await h.startWorker()
})
afterAll(() => h.close())

it(
  `of ${CLUSTERS} clusters ends with each where its hours say, and a report of just those hours`,
  { timeout: 600_000 },
  async () => {
    // Of the day that ended an hour ago at the latest, so that the report has all of it.
    const start = Math.floor((Date.now() - 27 * HOUR_MS) / HOUR_MS) * HOUR_MS
    const counted = { from: start + HOUR_MS, to: start + 25 * HOUR_MS }
    const asked = await Promise.all(
      fleet.map(({ name, zone, window }) =>
        h.requestCluster(name, {
          profile: 'aws-off-hours',
          workerReplicas: 2,
          offHours: { zone, awake: [window.text] },
        }),
      ),
    )
    const ids = asked.map(({ cluster }) => cluster.id)
    await Promise.all(ids.map((id) => h.reach(id, 'READY')))
    // As if all of them had been READY by then.
    const iso = (ms: number) => new Date(ms).toISOString()
    await h.rows(`update clusters set created_at = '${iso(start - HOUR_MS)}', overrides = '[]'`)
    await h.rows(`delete from usage_samples where status <> 'READY'`)
    await h.rows(`update usage_samples set at = '${iso(start - HOUR_MS)}'`)

    const foresight = newForesight()
    const isOver = async () =>
      (await h.rows(`select from clusters where status in ('HIBERNATING', 'RESUMING')`)).length === 0
    for (let now = start; now < counted.to; now += STEP_MS) {
      const done = await keepHours(h.app, foresight, new Date(now))
      if (done.asleep + done.awake === 0) continue
      await eventually(isOver)
      await h.rows(`with late as (
        select cluster_id, at, row_number() over (partition by cluster_id order by at) as n from usage_samples where at > now() - interval '1 hour'
      ) update usage_samples u set at = '${iso(now)}'::timestamptz + make_interval(secs => (n - 1) * 0.001)
      from late where late.cluster_id = u.cluster_id and late.at = u.at`)
    }

    const { body: usage } = await h.call(
      'GET',
      `/api/v1/usage?from=${iso(counted.from)}&to=${iso(counted.to)}&groupBy=cluster`,
    )
    const items: { cluster: string; hours: number; asleepHours: number; usd: number; usdSaved: number }[] = usage.items
    for (const [index, member] of fleet.entries()) {
      let asleep = 0
      for (let ms = counted.from; ms < counted.to; ms += MINUTE_MS) if (!isAwakeAt(member, ms)) asleep++
      const item = items.find(({ cluster }) => cluster === ids[index])
      expect(item?.hours, member.name).toBeCloseTo(24, 3)
      // The samples are milliseconds apart.
      expect(item?.asleepHours, `${member.zone} ${member.window.text}`).toBeCloseTo(asleep / 60, 4)
      const { body: cluster } = await h.call('GET', `/clusters/${ids[index]}`)
      expect(cluster.status, member.name).toBe(isAwakeAt(member, counted.to - STEP_MS) ? 'READY' : 'HIBERNATED')
      expect(item?.usdSaved).toBeCloseTo((asleep / 60) * (cluster.usdPerHour - 0.3), 1)
    }
    // Each sleep was told of before it came.
    const [{ sleeps, told } = { sleeps: 0, told: 0 }] = await h.rows<{ sleeps: number; told: number }>(`select
    (select count(*)::int from jobs where type = 'HIBERNATE') as sleeps, (select count(*)::int from notices where type = 'cluster.sleep_near') as told`)
    expect(sleeps).toBeGreaterThanOrEqual(CLUSTERS)
    expect(told).toBeGreaterThanOrEqual(sleeps)
    expect(await h.rows(`select from jobs where status not in ('SUCCEEDED')`)).toEqual([])

    await Promise.all(ids.map((id) => h.destroy(id)))
    await Promise.all(ids.map((id) => h.reach(id, 'DESTROYED')))
    expect(h.resources()).toEqual([])
    expect(await h.rows('select from cluster_sleeps')).toEqual([])
    expect(await h.rows('select from job_locks')).toEqual([])
  },
)
