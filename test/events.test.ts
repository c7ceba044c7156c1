// The words between processes, over a network that comes and goes.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { announce, openEvents } from '../src/events.ts'
import { openProxy } from './chaos/proxy.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())

const connections = async () =>
  (await h.rows<{ n: number }>(`select count(*)::int as n from pg_stat_activity where application_name = 'ocpctl-events' and datname = current_database()`))[0]?.n // prettier-ignore

it('has one connection after outages behind something that accepts and then closes, and hears each word once', async () => {
  const proxy = await openProxy(Number(new URL(h.url).port))
  const through = new URL(h.url)
  through.hostname = '127.0.0.1'
  through.port = String(proxy.port)
  const before = (await connections()) ?? 0
  const events = await openEvents(through.href, h.app.log)
  let heard = 0
  let gaps = 0
  events.on('job', 'job_x', () => heard++)
  events.onGap(() => gaps++)
  for (let outage = 1; outage <= 3; outage++) {
    const accepted = proxy.accepted()
    proxy.cut()
    await eventually(() => !events.isListening())
    // Several attempts meet it.
    await eventually(() => proxy.accepted() >= accepted + 2)
    proxy.heal()
    await eventually(() => events.isListening())
    expect(await connections()).toBe(before + 1)
    heard = 0
    await h.app.db.transaction(async (tx) => announce(tx, 'job', 'job_x'))
    await eventually(() => heard > 0)
    // A second hearing would have come with the first: what follows in the channel comes after it.
    const later = new Promise<void>((resolve) => events.on('job', 'job_y', resolve))
    await h.app.db.transaction(async (tx) => announce(tx, 'job', 'job_y'))
    await later
    expect(heard).toBe(1)
    expect(gaps).toBe(outage * 2)
  }
  proxy.cut()
  await eventually(() => !events.isListening())
  await events.close()
  await proxy.close()
  await eventually(async () => (await connections()) === before)
})

it('cannot be opened where nobody answers', async () => {
  const proxy = await openProxy(Number(new URL(h.url).port))
  proxy.cut()
  const through = new URL(h.url)
  through.port = String(proxy.port)
  await expect(openEvents(through.href, h.app.log)).rejects.toThrow()
  await proxy.close()
})
