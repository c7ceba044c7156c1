// Destroyers go by names that contain an infraID. So no cluster is made whose infraID contains another one that lives, and
// none is destroyed while its own is a part of one.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { listInfraIds, listOverlapping } from '../src/clusters/ledger.ts'
import { openHarness, type Harness } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await openHarness()
  await h.startWorker()
})
afterEach(() => h.close())

async function install(name: string) {
  const { cluster } = await h.requestCluster(name)
  await h.reach(cluster.id, 'READY')
  const [infraId = ''] = await listInfraIds(h.app.db, cluster.id)
  return { id: cluster.id, infraId }
}

it('a cluster with another one’s infraID for its name is refused before anything is made', async () => {
  const first = await install('one')
  const before = h.resources().length
  const { cluster } = await h.requestCluster(first.infraId)
  await h.reach(cluster.id, 'FAILED')
  const { body } = await h.call('GET', `/clusters/${cluster.id}`)
  expect(body).toMatchObject({ infraId: null, lastFailure: { reason: 'InfraIdOverlaps' } })
  expect(body.statusReason).toContain(`${first.infraId} of the cluster one`)
  expect(h.resources()).toHaveLength(before)
  expect(await listOverlapping(h.app.db, first.infraId, 'aws')).toEqual([])
})

it('a cluster is destroyed once the one with the longer infraID is gone', async () => {
  const [first, second] = [await install('one'), await install('two')]
  const longer = `${first.infraId}-abcde`
  const rename = (from: string, to: string) =>
    h.rows(`update infra_ledger set infra_id = '${to}' where infra_id = '${from}'`)
  await rename(second.infraId, longer)
  const overlap = { infraId: longer, clusterName: 'two' }
  expect(await listOverlapping(h.app.db, first.infraId, 'aws')).toMatchObject([overlap])
  expect(await listOverlapping(h.app.db, longer, 'aws')).toMatchObject([{ infraId: first.infraId }])
  expect(await listOverlapping(h.app.db, first.infraId, 'gcp')).toEqual([])
  const resources = h.resources().length
  await h.destroy(first.id)
  await h.reach(first.id, 'DESTROY_FAILED')
  const { body } = await h.call('GET', `/clusters/${first.id}`)
  expect(body).toMatchObject({ lastFailure: { reason: 'InfraIdOverlaps' } })
  expect(body.statusReason).toContain('Destroy two first')
  expect(h.resources()).toHaveLength(resources)

  await rename(longer, second.infraId)
  for (const { id } of [second, first]) {
    await h.destroy(id)
    await h.reach(id, 'DESTROYED')
  }
  expect(h.resources()).toEqual([])
})
