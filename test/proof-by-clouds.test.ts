// A create and a destroy on each platform end with the proof by that platform's own inventory, over HTTP. The simulated
// cloud speaks through doubles of the clouds, whose state is what its directory holds.
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inventoriesOfSimulator } from '../src/clouds/doubles.ts'
import { isProvedEmpty, unansweredOf } from '../src/clouds/inventory.ts'
import { openInventory } from '../src/clouds/by-platform.ts'
import { queryOfWhole } from '../src/clusters/inventory-query.ts'
import { clusters } from '../src/clusters/tables.ts'
import { platforms, type Platform } from '../src/vocabulary.ts'
import { startCloudDoubles } from './doubles/server.ts'
import { openWorld, type Thing } from './doubles/world.ts'
import { openHarness, type Harness } from './harness.ts'

/** They are known by another thing, which every destroyer deletes after them, or which a cloud does not let go before them. */
const neverWithout: Record<string, string> = {
  subnetwork: 'network',
  router: 'network',
  firewall: 'network',
  'iam-authorization': 'service-instance',
}

let h: Harness
beforeAll(async () => {
  h = await openHarness({ hasDoubles: true, concurrency: 8 })
  h.setFaults([{ cluster: 'known-on-*', action: 'leave-known' }])
  await h.startWorker()
})
afterAll(() => h.close())

async function install(name: string, platform: Platform): Promise<string> {
  const { cluster } = await h.requestCluster(name, { platform, profile: `${platform}-minimal-test` })
  await h.reach(cluster.id, 'READY')
  return cluster.id
}
const thingsOf = (name: string): Thing[] =>
  openWorld(h.cloudDir)().filter(({ infraID }) => infraID.replace(/-\w{5}$/, '') === name)
const rowOf = async (id: string) => {
  const row = (await h.app.db.select().from(clusters)).find((each) => each.id === id)
  if (!row) throw new Error(`there is no ${id}`)
  return row
}

describe.concurrent.each(platforms)('on %s', (platform) => {
  it.concurrent('each kind is found that alone is left', async () => {
    const name = `kinds-on-${platform}`
    const id = await install(name, platform)
    const all = thingsOf(name)
    let left: Thing[] = all
    const doubles = await startCloudDoubles(() => left)
    try {
      const { find } = openInventory(inventoriesOfSimulator({ cloudDir: '', doubles: doubles.origin }))
      const query = await queryOfWhole(h.app.db, await rowOf(id))
      for (const [type, ofType] of Map.groupBy(all, (each) => each.type)) {
        left = [...ofType, ...all.filter((each) => each.type === neverWithout[type])]
        const answer = await find(query)
        const { found } = answer
        expect({ type, unanswered: unansweredOf(answer) }).toEqual({ type, unanswered: [] })
        expect(found.length, `${type}: ${JSON.stringify(found)}`).toBeGreaterThanOrEqual(left.length)
      }
      left = []
      const answer = await find(query)
      expect(answer).toMatchObject({ found: [] })
      expect(unansweredOf(answer)).toEqual([])
      expect(isProvedEmpty(answer)).toBe(true)
    } finally {
      await doubles.close()
    }
    await h.destroy(id)
    await h.reach(id, 'DESTROYED')
    expect(thingsOf(name)).toEqual([])
  })

  it.concurrent('its machines sleep and wake, and it is destroyed asleep', async () => {
    const id = await install(`asleep-on-${platform}`, platform)
    const query = await queryOfWhole(h.app.db, await rowOf(id))
    const { list, stop, start } = h.app.instances
    const statesOf = async () => (await list(query)).instances.map(({ state }) => state)
    const { instances, notChecked } = await list(query)
    expect(notChecked).toEqual([])
    expect(instances.length).toBeGreaterThanOrEqual(3)
    const all = (state: string) => instances.map(() => state)
    await stop(query, instances)
    expect(await statesOf()).toEqual(all('stopped'))
    await start(query, instances)
    expect(await statesOf()).toEqual(all('running'))
    await stop(query, instances)
    await h.destroy(id)
    await h.reach(id, 'DESTROYED')
    expect(await statesOf()).toEqual([])
  })

  it.concurrent('what the destroyer is known to leave is named, and the cluster is DESTROYED once it is gone', async () => {
    const name = `known-on-${platform}`
    const id = await install(name, platform)
    // The destroyer would wait for ever for what others hold in the network.
    for (const { file, type } of missed(name)) if (type === 'firewall') rmSync(file)
    await h.destroy(id)
    await h.reach(id, 'DESTROY_FAILED')
    const { body } = await h.call('GET', `/clusters/${id}`)
    const left = missed(name)
    expect(left.length).toBeGreaterThanOrEqual(2)
    // A resource group of IBM Cloud stays while anything is in it.
    expect(thingsOf(name).filter(({ type }) => type !== 'resource-group')).toEqual(left)
    // A member that is deleted goes by itself, and costs nothing.
    for (const each of left) if (each.type !== 'role-binding') expect(body.statusReason).toContain(shownAs(each))
    for (const { file } of thingsOf(name)) rmSync(file)
    await h.destroy(id)
    await h.reach(id, 'DESTROYED')
  })
})

/** What no destroyer looks for. */
const missed = (name: string) => thingsOf(name).filter(({ isMissed }) => isMissed)

/** In a sentence each cloud has its own id of a record; the name is in all of them. */
const shownAs = ({ type, id, name }: Thing) =>
  type === 'dns-record' ? name.slice(0, name.indexOf('.')).replace('*', '*.apps') : id
