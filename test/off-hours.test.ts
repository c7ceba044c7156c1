// Off-hours kept by the clock: what the service does of itself, told ahead, turned by hand, woken for certificates, idle.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { putIdleToSleep } from '../src/clusters/idle.ts'
import { keepHours, newForesight } from '../src/clusters/keep-hours.ts'
import { dueAt, type Kept } from '../src/hours/due.ts'
import { readHours } from '../src/hours/off-hours.ts'
import { newId } from '../src/ids.ts'
import { openHarness, type Harness } from './harness.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const utc = { zone: 'UTC', awake: ['Mon-Fri 07:00-19:00'] }
/** Of a week that begins on Monday, the 7th of December. */
const at = (day: number, time: string) => new Date(`2026-12-${String(6 + day).padStart(2, '0')}T${time}:00Z`)

describe('what is due', () => {
  const kept: Kept = {
    status: 'READY',
    hours: readHours(utc),
    overrides: [],
    announcedFor: null,
    wakeBy: null,
    maintenanceUntil: null,
    endsAt: at(30, '00:00'),
  }
  const due = (more: Partial<Kept>, when: Date) => dueAt({ ...kept, ...more }, when)
  const by = 'user:ana'

  it('is the announcement half an hour before, once, and then the sleep', () => {
    expect(due({}, at(1, '18:29'))).toBeUndefined()
    expect(due({}, at(1, '18:30'))).toMatchObject({ kind: 'announce-sleep', at: at(1, '19:00') })
    expect(due({ announcedFor: at(1, '19:00') }, at(1, '18:45'))).toBeUndefined()
    expect(due({ announcedFor: at(1, '19:00') }, at(1, '19:00'))).toMatchObject({ kind: 'sleep', why: 'asleep until Tue 07:00 by its off-hours' }) // prettier-ignore
  })

  it('is never a sleep that nobody was told of', () => {
    // It became READY in the evening, or the service was down.
    expect(due({}, at(1, '20:00'))).toMatchObject({ kind: 'announce-sleep', at: at(1, '20:30') })
    expect(due({ announcedFor: at(1, '20:30') }, at(1, '20:29'))).toBeUndefined()
    expect(due({ announcedFor: at(1, '20:30') }, at(1, '20:30'))).toMatchObject({ kind: 'sleep' })
    // What was told of another night does not count.
    expect(due({ announcedFor: at(1, '19:00') }, at(2, '20:00'))).toMatchObject({ kind: 'announce-sleep' })
  })

  it('gives the whole notice where the look before was missed, and leaves out a sleep that would be over by then', () => {
    expect(due({}, at(1, '18:58'))).toMatchObject({ kind: 'announce-sleep', at: at(1, '19:28') })
    expect(due({ announcedFor: at(1, '19:28') }, at(1, '18:59'))).toBeUndefined()
    expect(due({ announcedFor: at(1, '19:28') }, at(1, '19:00'))).toBeUndefined()
    expect(due({ announcedFor: at(1, '19:28') }, at(1, '19:28'))).toMatchObject({ kind: 'sleep' })
    expect(due({}, at(2, '06:45'))).toBeUndefined()
  })

  it('needs no notice where somebody asked for it', () => {
    const asked = { how: 'until' as const, state: 'asleep' as const, from: at(1, '12:00'), until: at(1, '15:00'), by }
    expect(due({ overrides: [asked] }, at(1, '12:01'))).toMatchObject({ kind: 'sleep', why: 'asleep until 15:00 because user:ana asked for it' }) // prettier-ignore
  })

  it('is a wake at its time, some seconds early, and whatever was missed', () => {
    const asleep = { status: 'HIBERNATED' as const }
    expect(due(asleep, at(2, '06:59'))).toBeUndefined()
    expect(due(asleep, new Date(at(2, '07:00').getTime() - 15_000))).toMatchObject({ kind: 'wake', why: 'awake until 19:00 by its off-hours' }) // prettier-ignore
    expect(due(asleep, at(4, '12:00'))).toMatchObject({ kind: 'wake' })
    expect(due(asleep, at(6, '12:00'))).toBeUndefined()
  })

  it('turns what failed on its way', () => {
    expect(due({ status: 'RESUMING' }, at(2, '12:00'))).toMatchObject({ kind: 'wake' })
    expect(due({ status: 'RESUMING' }, at(2, '22:00'))).toMatchObject({ kind: 'sleep' })
    expect(due({ status: 'HIBERNATING' }, at(2, '22:00'))).toMatchObject({ kind: 'sleep' })
    for (const status of ['SCALING', 'CREATING', 'DESTROYING', 'FAILED'] as const)
      expect(due({ status }, at(2, '22:00'))).toBeUndefined()
  })

  it('is a wake for the certificates three days before they end, for a day, unless the cluster ends first', () => {
    const asleep = { status: 'HIBERNATED' as const, hours: undefined, wakeBy: at(20, '00:00') }
    expect(due(asleep, at(15, '23:59'))).toBeUndefined()
    expect(due(asleep, at(16, '00:00'))).toMatchObject({ kind: 'announce-maintenance', at: at(17, '00:00') })
    expect(due({ ...asleep, announcedFor: at(17, '00:00') }, at(16, '12:00'))).toBeUndefined()
    expect(due(asleep, at(17, '00:00'))).toMatchObject({ kind: 'maintain' })
    expect(due({ ...asleep, endsAt: at(19, '00:00') }, at(18, '00:00'))).toBeUndefined()
    const awake = { ...asleep, status: 'READY' as const, wakeBy: null, maintenanceUntil: at(18, '01:00') }
    expect(due(awake, at(18, '00:59'))).toBeUndefined()
    expect(due(awake, at(18, '01:00'))).toMatchObject({ kind: 'announce-sleep', at: at(18, '01:30') })
    expect(due({ ...awake, announcedFor: at(18, '01:30') }, at(18, '01:29'))).toBeUndefined()
    expect(due({ ...awake, announcedFor: at(18, '01:30') }, at(18, '01:30'))).toMatchObject({ kind: 'sleep' })
    // Off-hours have no say meanwhile.
    expect(due({ ...awake, hours: readHours(utc) }, at(18, '00:30'))).toBeUndefined()
    expect(due({ ...awake, hours: readHours(utc) }, at(18, '01:00'))).toEqual({ kind: 'end-maintenance' })
  })
})

describe('a cluster with off-hours', () => {
  let h: Harness
  beforeAll(async () => {
    h = await openHarness({ concurrency: 8 })
    await h.startWorker()
  })
  afterAll(() => h.close())
  // The clusters of other tests have no say.
  beforeEach(() => h.rows('update clusters set off_hours = null, wake_by = null, maintenance_until = null'))

  const profile = 'aws-off-hours'
  async function install(name: string, more: object = {}): Promise<string> {
    const { cluster } = await h.requestCluster(name, { profile, ...more })
    await h.reach(cluster.id, 'READY')
    return cluster.id
  }
  const get = async (id: string) => (await h.call('GET', `/clusters/${id}`)).body
  const override = (id: string, body: object) => h.call('POST', `/clusters/${id}/off-hours/override`, { key: newId('evt'), body }) // prettier-ignore
  const keep = (when: Date) => keepHours(h.app, newForesight(), when)
  const notices = (id: string, type: string) => h.rows<{ data: { at: string }; mailed_to: string }>(`select data, mailed_to from notices where cluster_id = '${id}' and type = '${type}' order by sequence`) // prettier-ignore
  /** One window, of so many minutes from now on. */
  const awakeFor = (minutes: number) => {
    const [from, to] = [Date.now() - 60 * MINUTE_MS, Date.now() + minutes * MINUTE_MS]
    const [begin, end] = [from, to].map((each) => new Date(each).toISOString().slice(11, 16))
    return { zone: 'UTC', awake: [`${begin}-${end}`] }
  }

  it('is shown what it will do and save, in the dry run, and after', async () => {
    const body = { name: 'planned', platform: 'aws', profile, offHours: utc }
    const { body: preview } = await h.call('POST', '/clusters?dryRun=true', { body })
    expect(preview.nextChanges).toHaveLength(5)
    expect(preview.usdSaved).toBeGreaterThan(50)
    const { cluster } = await h.requestCluster('planned', { profile, offHours: 'off=(M-F,19);on=(M-F,7);tz=Europe/Berlin' }) // prettier-ignore
    expect(cluster).toMatchObject({ offHours: { zone: 'Europe/Berlin', awake: ['Mon-Fri 07:00-19:00'] } })
    const shown = await get(cluster.id)
    expect(shown).toMatchObject({ wanted: { state: 'awake' }, usdSaved: 0 })
    expect(shown.nextChanges[0].state).toBe('asleep')
    expect(shown.usdToSave).toBeGreaterThan(50)
    const none = await h.call('POST', '/clusters', { key: newId('evt'), body: { ...body, name: 'none', profile: 'aws-standard' } }) // prettier-ignore
    expect(none).toMatchObject({ status: 422, body: { errors: [{ pointer: '/offHours' }] } })
    const wrong = await h.call('POST', '/clusters', { key: newId('evt'), body: { ...body, offHours: 'off=(M-F,25)' } })
    expect(wrong).toMatchObject({ status: 400, body: { errors: [{ pointer: '/offHours', detail: expect.stringContaining('as a tag of Cloud Custodian') }] } }) // prettier-ignore
  })

  it('is told, sleeps and wakes by the clock, and the report knows what that saved', async () => {
    const id = await install('by-the-clock')
    await h.call('PUT', `/clusters/${id}/off-hours`, { body: awakeFor(20) })
    expect(await keep(new Date())).toEqual({ asleep: 0, awake: 0, told: 1 })
    expect(await keep(new Date())).toEqual({ asleep: 0, awake: 0, told: 0 })
    const [told] = await notices(id, 'cluster.sleep_near')
    expect(told).toMatchObject({ mailed_to: 'owner', data: { in: expect.stringMatching(/minutes$/), why: expect.stringContaining('by its off-hours') } }) // prettier-ignore
    const sleepAt = new Date(told?.data.at ?? '')
    expect(await keep(sleepAt)).toMatchObject({ asleep: 1 })
    await h.reach(id, 'HIBERNATED')
    const [job] = (await h.call('GET', `/clusters/${id}/jobs`)).body.items
    expect(job).toMatchObject({ type: 'HIBERNATE', requestedBy: 'system:off-hours' })
    // A day later the window opens again.
    const wakeAt = new Date(sleepAt.getTime() + DAY_MS - 100 * MINUTE_MS)
    expect(await keep(wakeAt)).toMatchObject({ awake: 0 })
    await h.rows(`update usage_samples set at = at - interval '1 hour' where cluster_id = '${id}'`)
    expect((await get(id)).usdSaved).toBeCloseTo(1.15, 1)
    const { body: usage } = await h.call('GET', '/api/v1/usage?window=7d&groupBy=cluster')
    const item = usage.items.find(({ cluster }: { cluster: string }) => cluster === id)
    expect(item.asleepHours).toBeGreaterThan(0.9)
    expect(item.usdSaved).toBeCloseTo(item.asleepHours * (1.45 - 0.3), 2)
    expect(await keep(new Date(wakeAt.getTime() + 30 * MINUTE_MS))).toMatchObject({ awake: 1 })
    await h.reach(id, 'READY')
    // Nobody is mailed each morning.
    expect((await notices(id, 'cluster.ready')).map(({ mailed_to }) => mailed_to)).toEqual(['owner', null])
  })

  it('that is turned by hand stays so until its hours change it, which is said', async () => {
    const id = await install('by-hand')
    await h.call('PUT', `/clusters/${id}/off-hours`, { body: awakeFor(300) })
    await h.call('POST', `/clusters/${id}/hibernate`, { key: newId('evt'), body: {} })
    await h.reach(id, 'HIBERNATED')
    expect(await keep(new Date())).toEqual({ asleep: 0, awake: 0, told: 0 })
    expect(await get(id)).toMatchObject({ wanted: { state: 'asleep', says: expect.stringMatching(/^asleep until .* because token:.* put it to sleep$/) }, overrides: [{ how: 'hand', state: 'asleep' }] }) // prettier-ignore
    await h.call('POST', `/clusters/${id}/resume`, { key: newId('evt'), body: {} })
    await h.reach(id, 'READY')
    expect(await get(id)).toMatchObject({ wanted: { state: 'awake' } })
  })

  it('stays awake, asleep or awake once more for whoever asks', async () => {
    const id = await install('overridden')
    expect(await override(id, { skipNext: true })).toMatchObject({ status: 409 })
    await h.call('PUT', `/clusters/${id}/off-hours`, { body: utc })
    const skipped = await override(id, { skipNext: true })
    expect(skipped).toMatchObject({ status: 200, body: { overrides: [{ how: 'skip', state: 'awake' }] } })
    const until = new Date(Date.now() + 5 * HOUR_MS).toISOString()
    expect(await override(id, { until, state: 'asleep' })).toMatchObject({ status: 200, body: { wanted: { state: 'asleep' } } }) // prettier-ignore
    expect(await keep(new Date())).toMatchObject({ asleep: 1 })
    await h.reach(id, 'HIBERNATED')
    expect(await override(id, { until: '2020-01-01T00:00:00Z', state: 'awake' })).toMatchObject({ status: 422 })
    expect(await override(id, { until })).toMatchObject({ status: 400 })
    const cleared = await h.call('DELETE', `/clusters/${id}/off-hours`)
    expect(cleared).toMatchObject({ status: 200, body: { offHours: null, wanted: null, overrides: [], status: 'HIBERNATED' } }) // prettier-ignore
    const reader = await h.tokenFor([{ team: '*', role: 'auditor' }])
    expect(await h.call('PUT', `/clusters/${id}/off-hours`, { body: utc, token: reader })).toMatchObject({ status: 403 }) // prettier-ignore
    const bad = await h.call('PUT', `/clusters/${id}/off-hours`, { body: { zone: 'Europe/Berln', awake: ['Mon 7-19'] } }) // prettier-ignore
    expect(bad.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/zone', '/awake/0'])
  })

  it('whose wake failed is woken again after a while, and each time a longer one', async () => {
    const id = await install('fails')
    await h.call('PUT', `/clusters/${id}/off-hours`, { body: { zone: 'UTC', awake: ['00:00-23:59'] } })
    const noon = new Date(new Date().toISOString().replace(/T.*/, 'T12:00:00Z'))
    await h.rows(`update clusters set status = 'RESUMING', hibernated_at = now(), wake_by = now() + interval '90 days' where id = '${id}'`) // prettier-ignore
    const fail = (minutesAgo: number) => h.rows(`update jobs set type = 'RESUME', status = 'FAILED', reason = 'NoCapacity', ended_at = '${new Date(noon.getTime() - minutesAgo * MINUTE_MS).toISOString()}' where id in (select id from jobs where cluster_id = '${id}' order by id desc limit 1)`) // prettier-ignore
    await fail(9)
    expect(await keep(noon)).toMatchObject({ awake: 0 })
    await fail(10)
    expect(await keep(noon)).toMatchObject({ awake: 1 })
    // Its job is under way.
    expect(await keep(noon)).toMatchObject({ awake: 0 })
    await h.reach(id, 'READY')
  })

  it('that would not wake again is not put to sleep', async () => {
    const id = await install('old')
    await h.rows(`update clusters set ready_at = now() - interval '364 days' where id = '${id}'`)
    const refused = await h.call('POST', `/clusters/${id}/hibernate`, { key: newId('evt'), body: {} })
    expect(refused).toMatchObject({ status: 409, body: { detail: expect.stringContaining('would not wake again') } })
    await h.call('PUT', `/clusters/${id}/off-hours`, { body: awakeFor(20) })
    expect(await keep(new Date(Date.now() + 60 * MINUTE_MS))).toEqual({ asleep: 0, awake: 0, told: 0 })
  })

  it('that sleeps for long is woken for its certificates, and sleeps again', async () => {
    const id = await install('sleeps-long')
    await h.call('POST', `/clusters/${id}/hibernate`, { key: newId('evt'), body: {} })
    await h.reach(id, 'HIBERNATED')
    await h.rows(`update clusters set destroy_at = now() + interval '300 days' where id = '${id}'`)
    const { wakeBy, nextChanges } = await get(id)
    const from = new Date(new Date(wakeBy).getTime() - 3 * DAY_MS)
    expect(nextChanges).toEqual([{ at: from.toISOString(), state: 'awake' }])
    expect(await keep(new Date(from.getTime() - DAY_MS))).toMatchObject({ told: 1 })
    expect(await notices(id, 'cluster.wake_near')).toHaveLength(1)
    expect(await keep(from)).toMatchObject({ awake: 1 })
    await h.reach(id, 'READY')
    const { maintenanceUntil } = await get(id)
    expect(new Date(maintenanceUntil).getTime() - Date.now()).toBeGreaterThan(24.9 * HOUR_MS)
    const over = new Date(maintenanceUntil)
    expect(await keep(over)).toMatchObject({ asleep: 0, told: 1 })
    expect(await keep(new Date(over.getTime() + 30 * MINUTE_MS))).toMatchObject({ asleep: 1 })
    await h.reach(id, 'HIBERNATED')
    expect(await get(id)).toMatchObject({ maintenanceUntil: null })
  })

  describe('that nobody uses', () => {
    const stateOf = (name: string) => {
      const home = join(h.cloudDir, 'kubernetes')
      const file = readdirSync(home).find((each) => each.startsWith(`${name}-`)) ?? ''
      return { path: join(home, file), state: JSON.parse(readFileSync(join(home, file), 'utf8')) }
    }
    const hour = (back: number) => new Date(Date.now() - back * HOUR_MS).getUTCHours()
    const counted = (name: string, asked: object[]) => {
      const { path, state } = stateOf(name)
      writeFileSync(path, JSON.stringify({ ...state, asked }))
    }
    const own = { username: 'system:serviceaccount:openshift-monitoring:prometheus-k8s', count: 900 }
    const ana = { username: 'ana', count: 1 }
    async function installIdle(name: string): Promise<string> {
      const id = await install(name)
      await h.rows(`update clusters set idle_hours = 4, in_use_at = now() - interval '5 hours' where id = '${id}'`)
      // The simulation keeps a state once somebody has asked.
      await h.call('POST', `/clusters/${id}/scale-workers`, { key: newId('evt'), body: { replicas: 3 } })
      await h.reach(id, 'READY')
      return id
    }
    const look = (when = new Date()) => putIdleToSleep(h.app, when)

    it('is told and sleeps, unless somebody skips it; and stays awake while it is not known', async () => {
      const id = await installIdle('idle')
      expect(await look()).toEqual({ asleep: 0, told: 0 })
      counted('idle', [{ ...own, hour: hour(0) }, { ...ana, hour: hour(0), isNamed: false }]) // prettier-ignore
      expect(await look()).toEqual({ asleep: 0, told: 0 })
      // It asked for more names, and one of them is a person's.
      expect(await look()).toEqual({ asleep: 0, told: 0 })
      expect(new Date((await get(id)).inUseAt).getTime()).toBeGreaterThan(Date.now() - HOUR_MS)
      await h.rows(`update clusters set in_use_at = now() - interval '5 hours' where id = '${id}'`)

      counted('idle', [{ ...own, hour: hour(0) }, { ...own, hour: hour(2) }]) // prettier-ignore
      expect(await look()).toEqual({ asleep: 0, told: 1 })
      expect(await look()).toEqual({ asleep: 0, told: 0 })
      const half = new Date(Date.now() + 30 * MINUTE_MS)
      expect(await override(id, { skipNext: true })).toMatchObject({ status: 200 })
      expect(await look(half)).toEqual({ asleep: 0, told: 0 })

      await h.rows(`update clusters set in_use_at = now() - interval '5 hours' where id = '${id}'`)
      expect(await look()).toEqual({ asleep: 0, told: 1 })
      expect(await look(new Date(Date.now() + 31 * MINUTE_MS))).toEqual({ asleep: 1, told: 0 })
      await h.reach(id, 'HIBERNATED')
    })
  })
})
