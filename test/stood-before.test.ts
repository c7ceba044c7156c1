// What stands under a cluster's domain before it is made is a neighbour's: never in the way unless it has the
// installer's names, never counted as left, and known to every worker that comes after.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openSimulatedInventory } from '../src/clouds/simulated.ts'
import { placeOf, placesOf, queryOfWhole } from '../src/clusters/inventory-query.ts'
import { clusters } from '../src/clusters/tables.ts'
import { openHarness, type Harness } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await openHarness()
})
afterEach(() => h.close())

const fileOf = (name: string) =>
  join(h.cloudDir, 'resources', 'neighbour', `dns-record-${name.replace('*', 'any')}.json`)
function put(name: string, target = 'neighbour.example'): void {
  mkdirSync(join(h.cloudDir, 'resources', 'neighbour'), { recursive: true })
  const record = { id: name, type: 'dns-record', name, region: 'global', tags: {}, target }
  writeFileSync(fileOf(name), JSON.stringify(record))
}
async function install(name: string): Promise<string> {
  const { cluster } = await h.requestCluster(name)
  await h.reach(cluster.id, 'READY')
  return cluster.id
}
const rowOf = async (id: string) => {
  const row = (await h.app.db.select().from(clusters)).find((each) => each.id === id)
  if (!row) throw new Error(`there is no ${id}`)
  return row
}
const domainOf = (name: string) => `${name}.${h.app.catalog.find('aws-minimal-test')?.baseDomains.default}`
async function destroy(id: string): Promise<void> {
  await h.destroy(id)
  await h.reach(id, 'DESTROYED')
}

it('is not in the way, is not left, and stays', async () => {
  const vault = `vault.${domainOf('guest')}`
  put(vault)
  await h.startWorker()
  const id = await install('guest')
  expect(await h.rows('select stood_before from infra_ledger')).toEqual([{ stood_before: [vault] }])
  expect(await queryOfWhole(h.app.db, await rowOf(id))).toMatchObject({ records: 'all', stoodBefore: [vault] })
  await destroy(id)
  expect(existsSync(fileOf(vault))).toBe(true)
})

it('is known though the worker is gone and the ledger has lost it', async () => {
  const vault = `vault.${domainOf('lost')}`
  put(vault)
  await h.startWorker()
  const id = await install('lost')
  await h.rows('delete from infra_ledger')
  await destroy(id)
  expect(await h.rows('select stood_before from infra_ledger')).toEqual([{ stood_before: [vault] }])
  expect(existsSync(fileOf(vault))).toBe(true)
})

it.each(['api', '*.apps'])('ends the job while nothing exists when it is %s', async (name) => {
  const taken = `${name}.${domainOf('taken')}`
  put(taken, 'other-x7k2p-ext.example')
  await h.startWorker()
  const { cluster } = await h.requestCluster('taken')
  await h.reach(cluster.id, 'FAILED')
  const { body } = await h.call('GET', `/clusters/${cluster.id}`)
  expect(body).toMatchObject({ infraId: null, lastFailure: { reason: 'DNSAlreadyExists' } })
  expect(body.statusReason).toContain(
    `dns-record ${taken}, which leads to other-x7k2p-ext.example and seems to be of the cluster other-x7k2p`,
  )
  expect(h.resources()).toHaveLength(1)
  await destroy(cluster.id)
  expect(existsSync(fileOf(taken))).toBe(true)
})

it('is not told apart from what is left when nobody knows what it was, so the destroy waits for a person', async () => {
  await h.startWorker()
  const id = await install('unclear')
  await h.rows('update infra_ledger set stood_before = null')
  const vault = `vault.${domainOf('unclear')}`
  put(vault)
  await h.destroy(id)
  await h.reach(id, 'DESTROY_FAILED')
  const { body } = await h.call('GET', `/clusters/${id}`)
  expect(body.lastFailure).toMatchObject({ reason: 'InventoryNotVerified', message: expect.stringContaining(vault) })
  expect(JSON.stringify(body)).not.toMatch(/delete by hand/i)
  rmSync(fileOf(vault))
  await destroy(id)
})

it('what is made under the domain afterwards is left until it is gone', async () => {
  await h.startWorker()
  const id = await install('second')
  const second = `*.apps2.${domainOf('second')}`
  put(second)
  const answer = await openSimulatedInventory(h.cloudDir).find(await queryOfWhole(h.app.db, await rowOf(id)))
  expect(answer.found.map((each) => each.id)).toContain(second)
  rmSync(fileOf(second))
  await destroy(id)
})

it('the question has the zone, the role, the subnets and the privacy of the profile as it was', async () => {
  const profile = h.app.catalog.find('aws-private')
  if (!profile?.aws?.subnets) throw new Error('the sample has subnets')
  const aws = { ...profile.aws, hostedZone: 'Z1', hostedZoneRole: 'arn:aws:iam::111111111111:role/zones' }
  const profileSnapshot = { ...profile, aws }
  const place = { region: 'us-east-1', name: 'demo', baseDomain: 'clusters.example.com', profileSnapshot }
  expect(placeOf(place)).toEqual({
    platform: 'aws',
    region: 'us-east-1',
    name: 'demo',
    baseDomain: 'clusters.example.com',
    isPrivate: true,
    subnets: profile.aws.subnets.map(({ id }) => id),
    hostedZone: 'Z1',
    hostedZoneRole: 'arn:aws:iam::111111111111:role/zones',
  })
  expect(placesOf(profileSnapshot)).toMatchObject([{ region: 'us-east-1', baseDomain: 'clusters.example.com' }])
})
