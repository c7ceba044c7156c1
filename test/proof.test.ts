// What proves that nothing is left, and what people are told when it is not proved.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { answerOf, hearNothing, NotAnswered } from '../src/clouds/asking.ts'
import { describeAnswer, isProvedEmpty, type InventoryAnswer, type InventoryQuery } from '../src/clouds/inventory.ts'
import { openSimulatedInventory } from '../src/clouds/simulated.ts'

const disk = { id: 'disk-1', type: 'disk', name: 'demo-abcde-1', region: 'r' }
const empty: InventoryAnswer = { found: [], checked: ['disks.list'], notChecked: [] }
const untold = { kind: 'vpcs.list', why: 'the caller lacks the permission', isDenied: true as const }

describe('a cluster', () => {
  it('is proved gone when all was asked and nothing is found', () => {
    expect(isProvedEmpty(empty)).toBe(true)
    expect(isProvedEmpty({ ...empty, lingering: [{ ...disk, billable: false }] })).toBe(true)
    expect(isProvedEmpty({ ...empty, notChecked: [{ ...untold, isOptional: true }] })).toBe(true)
  })

  it.each<[string, Partial<InventoryAnswer>]>([
    ['something is found', { found: [disk] }],
    ['something was not told', { notChecked: [untold] }],
    ['nothing was asked', { checked: [] }],
  ])('is not when %s', (_, changes) => {
    expect(isProvedEmpty({ ...empty, ...changes })).toBe(false)
  })

  it('of which not all is told is described by what is missing and by what is found already', () => {
    const answer = { ...empty, found: [disk], notChecked: [untold, { kind: 'keys.list', why: 'off', isOptional: true as const }] } // prettier-ignore
    expect(describeAnswer('gcp', answer)).toBe(
      'Google Cloud is not verified: the caller lacks the permission (vpcs.list); found already: disk disk-1',
    )
    expect(describeAnswer('gcp', { ...answer, found: [] })).not.toContain('found already')
    expect(describeAnswer('gcp', empty)).toBe('nothing')
  })
})

it('a question that was refused once is not checked, though it was answered for another place', () => {
  const heard = hearNothing()
  for (const kind of ['a.list', 'b.list']) heard.checked.add(kind)
  const refusals = [1, 2].map(() => new NotAnswered('a.list', 'refused', { isDenied: true }))
  expect(
    answerOf({ platform: 'gcp', region: 'r', baseDomain: 'example.com' }, heard, { answers: [disk], refusals }),
  ).toEqual({
    found: [{ ...disk, usdPerHour: 0.0164 }],
    checked: ['b.list'],
    notChecked: [{ kind: 'a.list', why: 'refused', isDenied: true }],
  })
})

describe('in the simulated cloud', () => {
  let cloudDir: string
  beforeEach(async () => {
    cloudDir = await mkdtemp(join(tmpdir(), 'ocpctl-cloud-'))
    await mkdir(join(cloudDir, 'resources', 'x'), { recursive: true })
  })
  afterEach(() => rm(cloudDir, { recursive: true }))

  it('nothing of a cluster is found whose infraID begins, or whose tag ends, as ours does', async () => {
    const put = (name: string, tags: Record<string, string> = {}) =>
      writeFile(join(cloudDir, 'resources', 'x', `${name}.json`), JSON.stringify({ ...disk, id: name, name, tags }))
    await put('demo-abcdef-1')
    await put('demo-abcde2')
    await put('tagged-1', { 'kubernetes.io/cluster/my-demo-abcde': 'owned' })
    const query: InventoryQuery = { platform: 'gcp', region: 'r', name: 'demo', baseDomain: 'example.com', clusterId: undefined, infraIds: ['demo-abcde'], records: 'all' } // prettier-ignore
    const inventory = openSimulatedInventory(cloudDir)
    expect(await inventory.find(query)).toSatisfy(isProvedEmpty)
    await put('demo-abcde-1')
    await put('tagged-2', { 'kubernetes.io_cluster.demo-abcde': 'owned' })
    expect((await inventory.find(query)).found.map(({ name }) => name).toSorted()).toEqual(['demo-abcde-1', 'tagged-2'])
  })
})
