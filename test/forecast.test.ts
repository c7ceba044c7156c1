// What teams will have spent, beside what they may: told once when it comes near, refused with ways to fit when it is past.
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { warnOfQuotas } from '../src/clusters/quota-warnings.ts'
import { newId } from '../src/ids.ts'
import { forecastUsage } from '../src/usage/forecast.ts'
import { openHarness, ROOT, type Harness } from './harness.ts'

const HOUR_MS = 3_600_000
const HOURLY = 0.84
let h: Harness
const monthEnd = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 1)
const hoursLeft = (monthEnd - Date.now()) / HOUR_MS
/** In the last hours of a month little can be spent in it. */
const LIMIT = HOURLY * Math.min(10, hoursLeft * 0.9)

beforeAll(async () => {
  const profilesDir = mkdtempSync(join(tmpdir(), 'profiles-'))
  cpSync(join(ROOT, 'profiles'), profilesDir, { recursive: true })
  writeFileSync(join(profilesDir, 'quotas.yaml'), `teams:\n  poor: { usdPerMonth: ${LIMIT} }\n  thrifty: { usdPerMonth: ${LIMIT} }\n`) // prettier-ignore
  h = await openHarness({ profilesDir })
})
afterAll(() => h.close())

const ask = (body: object) => h.call('POST', '/clusters', { key: newId('evt'), body: { platform: 'aws', ...body } })
const forecast = async (months = 3) => (await h.call('GET', `/api/v1/usage/forecast?months=${months}`)).body.items
const thisMonth = new Date().toISOString().slice(0, 7)

it('a refusal names three ways to fit, and each of them is accepted', async () => {
  const wanted = { name: 'rich', team: 'poor', profile: 'aws-standard', ttlHours: 72, workerReplicas: 3 }
  const { status, body } = await ask(wanted)
  expect([status, body.code]).toEqual([409, 'QUOTA_EXCEEDED'])
  const ways = body.errors.filter(({ nearest }: { nearest?: unknown }) => nearest !== undefined)
  const byPointer = new Map<string, { detail: string; nearest: unknown }>(ways.map((way: { pointer: string }) => [way.pointer, way])) // prettier-ignore
  expect(byPointer.get('/ttlHours')?.detail).toMatch(/^shorter: \d+ hours would come to \d+(\.\d+)? USD$/)
  for (const [pointer, { nearest }] of byPointer) {
    const answer = await h.call('POST', '/clusters?dryRun=true', { body: { platform: 'aws', ...wanted, [pointer.slice(1)]: nearest, ...(pointer === '/profile' ? { workerReplicas: undefined } : {}) } }) // prettier-ignore
    expect([answer.status, answer.body.allowed], `${pointer} ${String(nearest)}: ${JSON.stringify(answer.body.violations)}`).toEqual([200, true]) // prettier-ignore
  }
  const shorter = Number(byPointer.get('/ttlHours')?.nearest)
  const longer = await h.call('POST', '/clusters?dryRun=true', { body: { platform: 'aws', ...wanted, ttlHours: shorter + 1 } }) // prettier-ignore
  expect(longer.body.allowed).toBe(false)
})

it('smaller and cheaper are named where they fit', async () => {
  const small = { team: 'thrifty', ttlHours: 1 }
  const { body: plain } = await h.call('POST', '/clusters?dryRun=true', { body: { platform: 'aws', name: 'x', profile: 'aws-standard', ...small } }) // prettier-ignore
  const { body: minimal } = await h.call('POST', '/clusters?dryRun=true', { body: { platform: 'aws', name: 'x', profile: 'aws-minimal-test', ...small } }) // prettier-ignore
  expect(minimal.usdPerHour).toBeLessThan(plain.usdPerHour)
  // Between both: so long that only the cheaper one fits.
  const hours = Math.floor(LIMIT / plain.usdPerHour) + 1
  if (hours * minimal.usdPerHour > LIMIT || hours > hoursLeft) return
  const { body } = await ask({ name: 'big', profile: 'aws-standard', team: 'thrifty', ttlHours: hours })
  expect(body.errors.map(({ pointer }: { pointer: string }) => pointer)).toContain('/profile')
})

it('the forecast has what was spent and what is to come, by month, beside the limit', async () => {
  const { body } = await ask({ name: 'counted', team: 'free', profile: 'aws-minimal-test', ttlHours: 48 })
  await h.rows(`update clusters set status = 'READY' where id = '${body.cluster.id}'`)
  const items = (await forecast()).filter(({ team }: { team: string }) => team === 'free')
  const sum = items.reduce((usd: number, { usdCommitted }: { usdCommitted: number }) => usd + usdCommitted, 0)
  expect(sum).toBeCloseTo(48 * HOURLY, 1)
  expect(items[0]).toMatchObject({ month: thisMonth, usdLimit: null, usdReserved: null, isNear: false })
  expect(items[0].usdCommitted).toBeCloseTo(Math.min(48, hoursLeft) * HOURLY, 1)
  // The same at a turn of the year, seen from just before it.
  const near = await forecastUsage(h.app, { kind: 'system', name: 'setup' }, 2, new Date(Date.now() + 47 * HOUR_MS))
  expect(near.reduce((usd, { usdCommitted, usdSpent }) => usd + usdCommitted - usdSpent, 0)).toBeCloseTo(HOURLY, 1)
})

it('a team is told once in a month that it comes near its limit', async () => {
  const told = () => h.rows<{ team: string; data: { usd: number; limit: number; percent: number }; mailed: string }>(`select team, data, mailed_to as mailed from notices where type = 'quota.near'`) // prettier-ignore
  expect(await warnOfQuotas(h.app)).toBe(0)
  const hours = Math.floor(LIMIT / HOURLY)
  if (hours < 1) return
  const { status } = await ask({ name: 'near', team: 'poor', profile: 'aws-minimal-test', ttlHours: hours })
  expect(status).toBe(202)
  await h.rows(
    `update clusters set destroy_at = now() + interval '1 second' * ${(0.85 * LIMIT * 3600) / HOURLY} where name = 'near'`,
  )
  const counts = await Promise.all(Array.from({ length: 4 }, () => warnOfQuotas(h.app)))
  expect(counts.reduce((sum, n) => sum + n)).toBe(1)
  expect(await told()).toMatchObject([{ team: 'poor', mailed: 'admins', data: { percent: 85 } }])
  const [item] = (await forecast(1)).filter(({ team }: { team: string }) => team === 'poor')
  expect(item).toMatchObject({ isNear: true, usdReserved: expect.any(Number) })
  await h.rows(`update quota_notices set month = '2001-01'`)
  expect(await warnOfQuotas(h.app)).toBe(1)
})
