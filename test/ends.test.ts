// The end of a cluster: when it comes, how far it may be moved, who may protect a cluster from it.
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { destroyDueClusters } from '../src/cron/janitor.ts'
import { newId } from '../src/ids.ts'
import { endAtReady, latestEnd, momentsOf, nextWarningAt } from '../src/policy/end.ts'
import { openHarness, ROOT, type Harness } from './harness.ts'

const HOUR_MS = 3_600_000
let h: Harness
/** In the last hours of a month there is little to spend. */
const monthLeft = (Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 1) - Date.now()) / HOUR_MS
/** For five clusters of two hours, and for one and a half extensions to twenty. */
const POOR_USD = 0.84 * (5 * Math.min(2, monthLeft) + 1.5 * Math.max(0, Math.min(20, monthLeft) - 2) + 0.1)
/** Lives 24 hours by default, 72 at most; an extension reaches 48 hours from now. */
const PROFILE = 'bounded'

beforeAll(async () => {
  const profilesDir = mkdtempSync(join(tmpdir(), 'profiles-'))
  cpSync(join(ROOT, 'profiles'), profilesDir, { recursive: true })
  const text = readFileSync(join(profilesDir, 'aws-minimal-test.yaml'), 'utf8')
  writeFileSync(
    join(profilesDir, `${PROFILE}.yaml`),
    text.replace('name: aws-minimal-test', `name: ${PROFILE}`).replace('maxTtlHours: 72', 'maxTtlHours: 72\n  maxExtensionHours: 48'), // prettier-ignore
  )
  writeFileSync(join(profilesDir, 'quotas.yaml'), `teams:\n  poor: { usdPerMonth: ${POOR_USD} }\n`)
  h = await openHarness({ profilesDir })
})
afterAll(() => h.close())

const request = (name: string, more: Record<string, unknown> = {}) =>
  h.requestCluster(name, { profile: PROFILE, ...more })
const extend = (id: string, body: unknown, token?: string) =>
  h.call('POST', `/clusters/${id}/extend`, { key: newId('evt'), body, ...(token === undefined ? {} : { token }) })
const protect = (id: string, until: Date, reason = 'a demonstration') =>
  h.call('PUT', `/clusters/${id}/protection`, { body: { reason, until: until.toISOString() } })
const show = async (id: string) => (await h.call('GET', `/clusters/${id}`)).body
const fromNow = (hours: number) => new Date(Date.now() + hours * HOUR_MS)
const isNear = (time: string, wanted: Date) => Math.abs(new Date(time).getTime() - wanted.getTime()) < 60_000
const age = (id: string, hours: number) =>
  h.rows(`update clusters set created_at = created_at - interval '${hours} hours', destroy_at = destroy_at - interval '${hours} hours' where id = '${id}'`) // prettier-ignore

describe('an extension', () => {
  it('counts hours from now, and says what bounds it and what it adds', async () => {
    const { cluster } = await request('hours')
    const { status, body } = await extend(cluster.id, { hours: 48 })
    expect(status).toBe(200)
    expect(isNear(body.cluster.destroyAt, fromNow(48))).toBe(true)
    expect(body).toMatchObject({ rule: 'relativeMaximum', usdAdded: 20.16, usdLeft: { team: null, profile: null } })
    expect(isNear(body.latest, fromNow(48))).toBe(true)
    expect(await h.rows(`select end_revision as revision, warn_at = destroy_at - interval '24 hours' as warned from clusters where id = '${cluster.id}'`)).toEqual([{ revision: 2, warned: true }]) // prettier-ignore
  })

  it('takes a time with any offset, and may shorten', async () => {
    const { cluster } = await request('until')
    const end = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2 * HOUR_MS)
    const offset = new Date(end.getTime() + 5.5 * HOUR_MS).toISOString().replace('.000Z', '+05:30')
    const { status, body } = await extend(cluster.id, { until: offset })
    expect([status, body.cluster.destroyAt]).toEqual([200, end.toISOString()])
    expect(body.usdAdded).toBeLessThan(0)
  })

  it.each([
    ['past the time from now', { hours: 48.5 }, 0, /further from now/, 48],
    ['past the time from the request', { hours: 40 }, 40, /lets this cluster live/, 32],
    [
      'nearer than 15 minutes',
      { until: new Date(Date.now() + 10 * 60_000).toISOString() },
      0,
      /at least 15 minutes/,
      0.25,
    ],
  ])('%s is refused with the nearest end that is allowed', async (name, body, aged, why, nearest) => {
    const { cluster } = await request(`refused-${aged}-${nearest < 1 ? 'near' : 'far'}`)
    await age(cluster.id, aged)
    const answer = await extend(cluster.id, body)
    expect(answer.status, name).toBe(422)
    expect(answer.body.code).toBe('POLICY_VIOLATION')
    expect(answer.body.detail).toMatch(why)
    const [told] = answer.body.errors
    const hours = typeof told.nearest === 'number' ? told.nearest : (new Date(told.nearest).getTime() - Date.now()) / HOUR_MS // prettier-ignore
    expect(Math.abs(hours - nearest)).toBeLessThan(0.02)
    expect((await extend(cluster.id, typeof told.nearest === 'number' ? { hours: told.nearest } : { until: told.nearest })).status).toBe(nearest < 1 ? 422 : 200) // prettier-ignore
  })

  it.each([{}, { hours: 2, until: fromNow(2).toISOString() }, { until: 'tomorrow' }, { hours: 0 }])(
    'asked for as %j is bad input',
    async (body) => {
      const { cluster } = await request(`bad-${newId('evt').slice(-8)}`)
      expect((await extend(cluster.id, body)).status).toBe(400)
    },
  )

  it('is refused once a destroy began', async () => {
    const { cluster } = await request('late')
    await h.destroy(cluster.id)
    const { status, body } = await extend(cluster.id, { hours: 5 })
    expect([status, body.code]).toEqual([409, 'NOT_IN_STATE'])
    expect((await show(cluster.id)).actions).toEqual([])
  })

  it('of fifty at once never passes what the team may spend', async () => {
    const ids = await Promise.all(
      [1, 2, 3, 4, 5].map(async (n) => (await request(`poor-${n}`, { team: 'poor', ttlHours: 2 })).cluster.id),
    )
    const answers = await Promise.all(ids.flatMap((id) => Array.from({ length: 10 }, (_, n) => extend(id, { hours: 20 + n })))) // prettier-ignore
    expect(answers.filter(({ status }) => status === 200).length, JSON.stringify(answers[0]?.body)).toBeGreaterThan(0)
    const refused = answers.filter(({ status }) => status !== 200)
    if (monthLeft > 3) expect(refused.length).toBeGreaterThanOrEqual(30)
    for (const { body } of refused) expect([body.code, body.errors[0].nearest]).toEqual(['QUOTA_EXCEEDED', expect.any(Number)]) // prettier-ignore
    const [spent] = await h.rows<{ usd: number }>(`select sum(usd_per_hour * extract(epoch from
      least(destroy_at, date_trunc('month', now() at time zone 'utc') at time zone 'utc' + interval '1 month') - created_at) / 3600)::float8 as usd
      from clusters where team = 'poor'`)
    expect(spent?.usd).toBeLessThanOrEqual(POOR_USD)
    // Shortening is always allowed.
    expect((await extend(ids[0] ?? '', { hours: 1 })).status).toBe(200)
  })
})

describe('a protected cluster', () => {
  it('is destroyed by nobody and nothing, until then', async () => {
    const { cluster, job } = await request('held')
    expect((await protect(cluster.id, fromNow(48))).body).toMatchObject({ protected: true, protectedReason: 'a demonstration', actions: ['extend', 'protect'] }) // prettier-ignore
    await h.rows(`update clusters set destroy_at = now() - interval '1 hour' where id = '${cluster.id}'`)
    await destroyDueClusters(h.app)
    const destroy = await h.call('POST', `/clusters/${cluster.id}/destroy`, { key: newId('evt') })
    expect([destroy.status, destroy.body.detail]).toEqual([
      409,
      expect.stringMatching(/protected until .*a demonstration/),
    ])
    expect((await h.call('POST', `/jobs/${job.id}/cancel`, { key: newId('evt') })).status).toBe(409)
    const shown = await show(cluster.id)
    expect([shown.status, isNear(shown.destroyAt, fromNow(48))]).toEqual(['PENDING', true])

    await h.rows(`update clusters set protected_until = now() - interval '1 second' where id = '${cluster.id}'`)
    await destroyDueClusters(h.app)
    expect(await show(cluster.id)).toMatchObject({ status: 'DESTROYING', protected: false, protectedUntil: null })
  })

  it('keeps its end when a protection that ended before it is lifted', async () => {
    const { cluster } = await request('short-hold')
    await protect(cluster.id, fromNow(1))
    const before = await show(cluster.id)
    await h.rows(`update clusters set protected_until = now() where id = '${cluster.id}'`)
    await destroyDueClusters(h.app)
    expect(await show(cluster.id)).toMatchObject({ status: 'PENDING', protected: false, destroyAt: before.destroyAt })
  })

  it('lives on for half an hour when its protection is taken away past its end', async () => {
    const { cluster } = await request('released')
    await protect(cluster.id, fromNow(48))
    await h.rows(`update clusters set destroy_at = now() - interval '1 hour' where id = '${cluster.id}'`)
    const { status, body } = await h.call('DELETE', `/clusters/${cluster.id}/protection`)
    expect([status, body.protected, isNear(body.destroyAt, fromNow(0.5))]).toEqual([200, false, true])
    await destroyDueClusters(h.app)
    expect((await show(cluster.id)).status).toBe('PENDING')
    expect((await h.call('DELETE', `/clusters/${cluster.id}/protection`)).status).toBe(409)
  })

  it('is protected for 30 days at most, and that can be renewed', async () => {
    const { cluster } = await request('long-hold')
    const { status, body } = await protect(cluster.id, fromNow(31 * 24))
    expect([status, body.errors[0].pointer]).toEqual([422, '/until'])
    expect((await protect(cluster.id, fromNow(29 * 24))).status).toBe(200)
    expect((await protect(cluster.id, fromNow(30 * 24 - 0.01))).status).toBe(200)
  })
})

describe('the janitor', () => {
  it('begins the destroy within a minute of the end', async () => {
    const { cluster: soon } = await request('soon')
    const { cluster: later } = await request('later')
    await h.rows(`update clusters set destroy_at = now() + interval '15 seconds' where id = '${soon.id}'`)
    await h.rows(`update clusters set destroy_at = now() + interval '61 seconds' where id = '${later.id}'`)
    await destroyDueClusters(h.app)
    expect([(await show(soon.id)).status, (await show(later.id)).status]).toEqual(['DESTROYING', 'PENDING'])
  })

  it('destroys many at once, each with its job, its queue entry and its audit events', async () => {
    const asked = await Promise.all(Array.from({ length: 30 }, (_, n) => request(`many-${n}`)))
    const ids = asked.map(({ cluster }) => `'${cluster.id}'`).join(',')
    // A cluster that has no open job, as after its installation.
    await h.rows(`update jobs set status = 'CANCELLED', ended_at = now() where cluster_id in (${ids})`)
    await h.rows(`delete from pgboss.job where name = 'cluster-jobs' and singleton_key in (${ids})`)
    await h.rows(`update clusters set status = 'READY', destroy_at = now() where id in (${ids})`)
    await Promise.all([destroyDueClusters(h.app), destroyDueClusters(h.app)])
    expect(await h.rows(`select count(distinct cluster_id)::int as clusters, count(*)::int as jobs from jobs where type = 'JANITOR_DESTROY' and cluster_id in (${ids})`)).toEqual([{ clusters: 30, jobs: 30 }]) // prettier-ignore
    expect(await h.rows(`select count(*)::int as entries from pgboss.job where name = 'cluster-jobs' and singleton_key in (${ids})`)).toEqual([{ entries: 30 }]) // prettier-ignore
    expect(await h.rows(`select action, count(*)::int as n from audit_events where cluster_id in (${ids}) and action in ('cluster.startDestroy', 'job.open') and actor = 'system:janitor' group by 1 order by 1`)).toEqual([{ action: 'cluster.startDestroy', n: 30 }, { action: 'job.open', n: 30 }]) // prettier-ignore
  })

  it('begins no more in a run than the setting allows', async () => {
    const asked = await Promise.all(Array.from({ length: 5 }, (_, n) => request(`paced-${n}`)))
    const ids = asked.map(({ cluster }) => `'${cluster.id}'`).join(',')
    await h.rows(`update clusters set destroy_at = now() where id in (${ids})`)
    const paced = { ...h.app, config: { ...h.app.config, destroysPerMinute: 2 } }
    const waiting = async () =>
      (await h.rows<{ n: number }>(`select count(*)::int as n from clusters where id in (${ids}) and status = 'PENDING'`))[0]?.n // prettier-ignore
    for (const left of [3, 1, 0]) {
      await destroyDueClusters(paced)
      expect(await waiting()).toBe(left)
    }
  })
})

describe('the rules of the end', () => {
  const lifecycle = {
    maxTtlHours: 24,
    maxLifetimeHours: 48,
    maxExtensionHours: 12,
    warnHours: [24, 2, 0.5],
    graceHours: 1,
  }
  const created = new Date('2026-03-01T00:00:00Z')
  const after = (hours: number) => new Date(created.getTime() + hours * HOUR_MS)

  it('the earlier of both bounds holds', () => {
    expect(latestEnd(lifecycle, created, after(1))).toEqual({ at: after(13), rule: 'relativeMaximum' })
    expect(latestEnd(lifecycle, created, after(40))).toEqual({ at: after(49), rule: 'maximum' })
  })

  it('starts anew once, after a long installation, and never past the longest life', () => {
    const cluster = { createdAt: created, destroyAt: after(25), endRevision: 1, ttlHours: 24, lifecycle }
    expect(endAtReady(cluster, after(1))).toBeUndefined()
    expect(endAtReady(cluster, after(2))).toEqual(after(27))
    expect(endAtReady(cluster, after(30))).toEqual(after(49))
    expect(endAtReady({ ...cluster, endRevision: 2 }, after(2))).toBeUndefined()
  })

  it('nobody is warned of a moment that was past when the end was set, and each moment comes once', () => {
    fc.assert(
      fc.property(
        fc.record({
          set: fc.integer({ min: 0, max: 100 }),
          life: fc.integer({ min: 0, max: 200 }),
          held: fc.option(fc.integer({ min: 0, max: 700 }), { nil: null }),
          warn: fc.uniqueArray(fc.constantFrom(0.25, 0.5, 1, 2, 24, 48), { maxLength: 4 }),
        }),
        ({ set, life, held, warn }) => {
          const ending = {
            endSetAt: after(set),
            destroyAt: after(set + life),
            protectedUntil: held === null ? null : after(set + held),
          }
          const starts = Math.max(set + life, held === null ? 0 : set + held)
          const moments = momentsOf(ending, warn)
          expect(new Set(moments.map(({ mark }) => mark)).size).toBe(moments.length)
          for (const { at } of moments) {
            expect(at > ending.endSetAt).toBe(true)
            expect(at <= after(starts)).toBe(true)
          }
          // Walked one after the other, as the schedule does.
          const walked: Date[] = []
          for (let at = nextWarningAt(ending, warn, ending.endSetAt); at; at = nextWarningAt(ending, warn, at))
            walked.push(at)
          expect(walked.map(Number)).toEqual([...new Set(moments.map(({ at }) => at.getTime()))])
        },
      ),
    )
  })
})
