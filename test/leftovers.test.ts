// What turns up after DESTROYED, as when a frozen host thaws with its installer.
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { listDueLooks, lookAgain } from '../src/reconcile/leftovers.ts'
import { openHarness, type Harness } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await openHarness()
  await h.startWorker()
})
afterEach(() => h.close())

/** A destroyed cluster, and the way to make some of its resources stand again. */
async function destroyed(name: string, { lost = true } = {}) {
  const { cluster } = await h.requestCluster(name)
  await h.reach(cluster.id, 'READY')
  const root = join(h.cloudDir, 'resources')
  const infraId = readdirSync(root).find((each) => each.startsWith(`${name}-`)) ?? ''
  const kept = join(h.cloudDir, `kept-${name}`)
  cpSync(join(root, infraId), kept, { recursive: true })
  if (lost) await h.rows(`update job_attempts set outcome = 'LOST' where job_id in (select id from jobs where cluster_id = '${cluster.id}')`) // prettier-ignore
  await h.destroy(cluster.id)
  await h.reach(cluster.id, 'DESTROYED')
  const thaw = (...files: string[]) => {
    mkdirSync(join(root, infraId), { recursive: true })
    for (const file of files) cpSync(join(kept, file), join(root, infraId, file))
  }
  return { id: cluster.id, infraId, thaw }
}
const lookOf = async (id: string) =>
  (await h.rows<{ looks: number; due: boolean | null }>(`select looks, look_at > now() as due from clusters where id = '${id}'`))[0] // prettier-ignore

it('sends a cluster that had lost a worker back to DESTROYING, audited, until nothing is left', async () => {
  const { id, thaw } = await destroyed('thawed')
  expect(await lookOf(id)).toEqual({ looks: 0, due: true })
  thaw('vpc-vpc.json', 'hosted-zone-private.json', 'dns-record-api.json')
  await h.rows('update clusters set look_at = now()')
  expect(await listDueLooks(h.app.db)).toEqual([id])
  expect(await lookAgain(h.app, id)).toBe('reopened')
  await h.reach(id, 'DESTROYED')
  expect(h.resources()).toEqual([])
  expect(await h.rows(`select actor, detail from audit_events where action = 'cluster.reopenDestroy'`)).toMatchObject([
    { actor: 'system:later-look', detail: { from: 'DESTROYED', to: 'DESTROYING' } },
  ])
  expect(await lookOf(id)).toEqual({ looks: 0, due: true })
})

it('looks several times within a day, and then no more', async () => {
  const { id } = await destroyed('watched')
  const looks = []
  for (let round = 0; round < 10; round++) {
    const look = await lookOf(id)
    if (look?.due === null) break
    looks.push(look?.looks)
    expect(await lookAgain(h.app, id)).toBe('empty')
  }
  expect(looks).toEqual([0, 1, 2, 3, 4])
  expect(await listDueLooks(h.app.db)).toEqual([])
})

it('does not look at a cluster that never lost a worker', async () => {
  const { id } = await destroyed('calm', { lost: false })
  expect(await lookOf(id)).toEqual({ looks: 0, due: null })
})

it('waits while another cluster holds the name, keeps a record, and leaves that one alone', async () => {
  const { id, thaw } = await destroyed('heir')
  const { cluster: heir } = await h.requestCluster('heir')
  await h.reach(heir.id, 'READY')
  const before = h.resources().length
  expect(await lookAgain(h.app, id)).toBe('empty') // the records of its names are the other one's
  thaw('vpc-vpc.json')
  expect(await lookAgain(h.app, id)).toBe('held')
  expect(await lookAgain(h.app, id)).toBe('held')
  expect(await h.rows('select cluster_id from leak_records')).toEqual([{ cluster_id: id }])
  expect(await h.rows('select type, subject from findings')).toEqual([
    { type: 'resources-of-destroyed-cluster', subject: id },
  ])
  expect(await h.rows(`select status from clusters where id = '${id}'`)).toEqual([{ status: 'DESTROYED' }])
  expect(h.resources()).toHaveLength(before + 1)
  await h.destroy(heir.id)
  await h.reach(heir.id, 'DESTROYED')
  expect(await lookAgain(h.app, id)).toBe('reopened')
  await h.reach(id, 'DESTROYED')
  expect(h.resources()).toEqual([])
})

it('asks again later when the cloud does not tell, and leaves a cluster alone that is not DESTROYED', async () => {
  const { id } = await destroyed('silent')
  const refuse = async () => ({ found: [], checked: [], notChecked: [{ kind: 'disks', why: 'no answer' }] })
  const app = { ...h.app, inventory: { ...h.app.inventory, find: refuse } }
  expect(await lookAgain(app, id)).toBe('unknown')
  expect(await lookOf(id)).toEqual({ looks: 0, due: true })
  const { cluster } = await h.requestCluster('living')
  await h.reach(cluster.id, 'READY')
  expect(await lookAgain(h.app, cluster.id)).toBeUndefined()
})

it('closes what a worker put back into the ledger of a cluster of which nothing is left', async () => {
  const { id } = await destroyed('closed')
  await h.rows(`update infra_ledger set empty_at = null where cluster_id = '${id}'`)
  expect(await lookAgain(h.app, id)).toBe('empty')
  expect(await h.rows('select infra_id from infra_ledger where empty_at is null')).toEqual([])
})

it('takes no record for its own that points elsewhere', async () => {
  const { id, infraId, thaw } = await destroyed('pointed')
  thaw('dns-record-api.json')
  const file = join(h.cloudDir, 'resources', infraId, 'dns-record-api.json')
  writeFileSync(file, JSON.stringify({ id: 'r', type: 'dns-record', name: 'api.pointed.example.com', region: 'global', tags: {}, target: 'other-abcde-api.lb.simulated.example' })) // prettier-ignore
  expect(await lookAgain(h.app, id)).toBe('empty')
})
