// Another number of workers: what a cluster's own API is told, what it costs meanwhile, and how it can fail.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../src/ids.ts'
import { chooseLeaving, spreadWorkers, type Machine } from '../src/kubernetes/machines.ts'
import { selects } from '../src/kubernetes/budgets.ts'
import type { SimulatedState } from '../src/kubernetes/simulated/cluster.ts'
import { openHarness, type Harness } from './harness.ts'

describe('workers over machine sets', () => {
  const spread = (sizes: number[], wanted: number) => {
    const sets = sizes.map((replicas, index) => ({ name: `set-${index}`, replicas }))
    const sizes2 = spreadWorkers(sets, wanted)
    return sets.map(({ name }) => sizes2.get(name))
  }
  it.each([
    [[1, 1, 1], 5, [2, 2, 1]],
    [[2, 0, 1], 4, [2, 1, 1]],
    [[0, 0, 3], 3, [1, 1, 1]],
    [[1, 1, 1, 0, 0, 0], 3, [1, 1, 1, 0, 0, 0]],
    [[0, 1, 0], 1, [0, 1, 0]],
    [[3], 7, [7]],
    [[2, 2, 2], 0, [0, 0, 0]],
    [[5, 1, 1], 7, [3, 2, 2]],
  ])('%j become %i as %j', (sizes, wanted, expected) => {
    expect(spread(sizes, wanted)).toEqual(expected)
  })

  it('are spread the same when a part of them is there already', () => {
    for (const sizes of [[1, 1, 1], [2, 1, 1], [2, 2, 1]]) expect(spread(sizes, 5)).toEqual([2, 2, 1]) // prettier-ignore
  })

  it('leave first where no node came of them, then the newest', () => {
    const machine = (name: string, madeAt: string, isNodeReady: boolean, more: Partial<Machine> = {}): Machine => ({
      ...{ name, set: 's', madeAt, isNodeReady, isGoing: false, isMarked: false, phase: '', error: undefined },
      ...{ node: name, drain: undefined },
      ...more,
    })
    const all = [
      machine('old', '2026-01-01', true),
      machine('new', '2026-03-01', true),
      machine('lame', '2026-02-01', false),
      machine('other', '2026-04-01', true, { set: 't' }),
    ]
    expect(chooseLeaving(all, 's', 2).map(({ name }) => name)).toEqual(['lame', 'new'])
    expect(chooseLeaving([...all, machine('going', '', true, { isGoing: true })], 's', 2).map(({ name }) => name)).toEqual(['lame']) // prettier-ignore
  })

  it('are kept by a budget whose selector has them', () => {
    const of = (more: object) => ({ matchLabels: {}, ...more })
    expect(selects(undefined, { app: 'a' })).toBe(false)
    expect(selects(of({}), { app: 'a' })).toBe(true)
    expect(selects(of({ matchLabels: { app: 'a' } }), { app: 'b' })).toBe(false)
    const expression = (operator: string, values?: string[]) => of({ matchExpressions: [{ key: 'app', operator, values }] }) // prettier-ignore
    expect(selects(expression('In', ['a', 'b']), { app: 'a' })).toBe(true)
    expect(selects(expression('NotIn', ['a']), { app: 'a' })).toBe(false)
    expect(selects(expression('NotIn', ['a']), {})).toBe(true)
    expect(selects(expression('Exists'), {})).toBe(false)
    expect(selects(expression('DoesNotExist'), {})).toBe(true)
  })
})

describe('a cluster', () => {
  let h: Harness
  beforeAll(async () => {
    h = await openHarness({ concurrency: 8 })
    await h.startWorker()
  })
  afterAll(() => h.close())

  const profile = 'aws-standard'
  async function install(name: string, workerReplicas = 3): Promise<string> {
    const { cluster } = await h.requestCluster(name, { profile, workerReplicas })
    await h.reach(cluster.id, 'READY')
    return cluster.id
  }
  const scale = (id: string, replicas: number, more = {}) =>
    h.call('POST', `/clusters/${id}/scale-workers`, { key: newId('evt'), body: { replicas }, ...more })
  const get = async (id: string) => (await h.call('GET', `/clusters/${id}`)).body
  const jobOf = async (id: string) => {
    const [{ id: jobId }] = (await h.call('GET', `/clusters/${id}/jobs?limit=1`)).body.items
    return (await h.call('GET', `/jobs/${jobId}`)).body
  }
  const workersOf = (name: string) => h.resources().filter((file) => new RegExp(`^${name}-\\w{5}/.*-worker-`).test(file) && !file.includes('iam') && !file.includes('profile')) // prettier-ignore
  const stateOf = (name: string) => {
    const home = join(h.cloudDir, 'kubernetes')
    const path = join(home, readdirSync(home).find((file) => file.startsWith(`${name}-`)) ?? '')
    return { path, state: JSON.parse(readFileSync(path, 'utf8')) as SimulatedState }
  }

  it('grows: it costs more from the request on, and is READY again when its nodes are', async () => {
    const id = await install('grows')
    const before = await get(id)
    const { status, body } = await scale(id, 5)
    expect({ status, body }).toMatchObject({ status: 202, body: { cluster: { status: 'SCALING', workerReplicas: 5 }, job: { type: 'SCALE_WORKERS' } } }) // prettier-ignore
    expect(body.cluster.usdPerHour).toBeGreaterThan(before.usdPerHour)
    await h.reach(id, 'READY')
    expect(await jobOf(id)).toMatchObject({
      type: 'SCALE_WORKERS',
      status: 'SUCCEEDED',
      attempts: [{ stage: 'nodes' }],
    })
    expect(workersOf('grows')).toHaveLength(5)
    expect(stateOf('grows').state.sets.map(({ replicas }) => replicas)).toEqual([2, 2, 1])
    const samples = await h.rows(`select status, nodes from usage_samples where cluster_id = '${id}' order by at desc limit 2`) // prettier-ignore
    expect(samples).toEqual([
      { status: 'READY', nodes: 8 },
      { status: 'SCALING', nodes: 8 },
    ])
    expect(await h.rows(`select type from notices where cluster_id = '${id}' and type = 'cluster.ready'`)).toHaveLength(1) // prettier-ignore
    await h.destroy(id)
    await h.reach(id, 'DESTROYED')
    expect(workersOf('grows')).toEqual([])
  })

  it('shrinks: it costs less when the machines are gone, and those that were marked go', async () => {
    const id = await install('shrinks', 5)
    const before = await get(id)
    expect((await scale(id, 3)).body.cluster).toMatchObject({ workerReplicas: 5, usdPerHour: before.usdPerHour })
    await h.reach(id, 'READY')
    const after = await get(id)
    expect(after).toMatchObject({ workerReplicas: 3 })
    expect(after.usdPerHour).toBeLessThan(before.usdPerHour)
    expect(workersOf('shrinks')).toHaveLength(3)
  })

  it('is refused what its profile does not allow, in another state, and without a right', async () => {
    const id = await install('refused')
    expect(await scale(id, 1000)).toMatchObject({ status: 422, body: { code: 'POLICY_VIOLATION', errors: [{ pointer: '/replicas' }] } }) // prettier-ignore
    const reader = await h.tokenFor([{ team: '*', role: 'auditor' }])
    expect(await scale(id, 4, { token: reader })).toMatchObject({ status: 403 })
    await scale(id, 4)
    expect(await scale(id, 5)).toMatchObject({ status: 409, body: { code: 'NOT_IN_STATE' } })
    await h.reach(id, 'READY')
  })

  it('is left to its autoscaler, which is named', async () => {
    const id = await install('autoscaled')
    await scale(id, 4)
    await h.reach(id, 'READY')
    const { path, state } = stateOf('autoscaled')
    const [first] = state.sets
    writeFileSync(path, JSON.stringify({ ...state, autoscaled: [first?.name] }))
    expect(await scale(id, 5)).toMatchObject({ status: 409, body: { code: 'CONFLICT', detail: expect.stringContaining(`scaler-of-${first?.name}`) } }) // prettier-ignore
  })

  it('is READY again when a disruption budget holds a node, and the pod and the budget are named', async () => {
    const id = await install('held', 4)
    await scale(id, 5)
    await h.reach(id, 'READY')
    const { path, state } = stateOf('held')
    writeFileSync(path, JSON.stringify({ ...state, blocked: Object.fromEntries(state.machines.filter(({ set }) => set).map(({ name }) => [name, 'db-0'])) })) // prettier-ignore
    await scale(id, 3)
    await h.reach(id, 'READY')
    expect(await jobOf(id)).toMatchObject({ status: 'FAILED', reason: 'DrainBlocked', message: expect.stringContaining('shop/db-0 (disruption budget db-0)') }) // prettier-ignore
    expect(await get(id)).toMatchObject({ workerReplicas: 5, statusReason: expect.stringContaining('DrainBlocked') })
    writeFileSync(path, JSON.stringify({ ...stateOf('held').state, blocked: {} }))
    await scale(id, 3)
    await h.reach(id, 'READY')
    expect(await get(id)).toMatchObject({ workerReplicas: 3, statusReason: null })
    expect(workersOf('held')).toHaveLength(3)
  })

  it('is READY again when a machine fails, and the cloud’s words are told', async () => {
    const id = await install('failing')
    await scale(id, 4)
    await h.reach(id, 'READY')
    const { path, state } = stateOf('failing')
    writeFileSync(path, JSON.stringify({ ...state, failing: Object.fromEntries(state.sets.map(({ name }) => [name, 'InsufficientInstanceCapacity'])) })) // prettier-ignore
    await scale(id, 6)
    await h.reach(id, 'READY')
    expect(await jobOf(id)).toMatchObject({ status: 'FAILED', reason: 'MachineFailed', message: expect.stringContaining('InsufficientInstanceCapacity') }) // prettier-ignore
  })

  it('can be destroyed meanwhile, and nothing of it is left', async () => {
    const id = await install('overtaken')
    await scale(id, 6)
    await h.destroy(id)
    await h.reach(id, 'DESTROYED')
    expect(workersOf('overtaken')).toEqual([])
    expect(await h.rows(`select status from jobs where cluster_id = '${id}' and type = 'SCALE_WORKERS'`)).toEqual([{ status: 'CANCELLED' }]) // prettier-ignore
  })
})
