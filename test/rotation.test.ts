// A secrets key is replaced while the service runs: everything opens before, meanwhile and after, and at the end without
// the old key. Nothing is lost and nothing left over, wherever a run is cut off and however many run at once.
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { App } from '../src/app.ts'
import { openSnapshot } from '../src/artifacts/snapshot.ts'
import { StoreUnavailable, type ArtifactStore } from '../src/artifacts/store.ts'
import type { Actor } from '../src/auth/principal.ts'
import { readCredential } from '../src/clusters/outputs.ts'
import { discardArtifact } from '../src/clusters/discard.ts'
import { resealSecrets } from '../src/clusters/reseal.ts'
import { readConfig } from '../src/config.ts'
import { rotateKeys, tellOfKeys } from '../src/cron/rotation.ts'
import { createSecretBox } from '../src/secrets.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

const SETUP: Actor = { kind: 'system', name: 'setup' }
const [NEW, OTHER] = [randomBytes(32), randomBytes(32)]
const ids = { new: createSecretBox(NEW).keyId }

let h: Harness
let clusterId: string
let OLD: Buffer
let oldId: string
/** What is sealed: two credentials and the snapshots. */
let values: number
let before: Record<string, string>

beforeEach(async () => {
  h = await openHarness()
  OLD = Buffer.from(h.environment['OCPCTL_SECRETS_KEY'] ?? '', 'base64')
  oldId = h.app.box.keyId
  const worker = await h.startWorker()
  const { cluster } = await h.requestCluster('rotated')
  clusterId = cluster.id
  await h.reach(clusterId, 'READY')
  await worker.drain(0)
  before = await openAll(h.app)
  values = Object.keys(before).length
})
afterEach(() => h.close())

type Row = { id: string; key: string; sha256: string; keyId: string | null }
const artifacts = () => h.rows<Row>(`select id, key, sha256, key_id as "keyId" from cluster_artifacts order by id`)
const withKeys = (key: Buffer, older: Buffer[] = [], store: Partial<ArtifactStore> = {}): App => ({
  ...h.app,
  box: createSecretBox(key, older),
  store: { ...h.app.store, ...store },
})
const open = (app: App, { key, sha256 }: Pick<Row, 'key' | 'sha256'>) =>
  openSnapshot(app.store, app.box, { key, sha256, workDir: join(h.app.config.dataDir, 'work'), context: key })

/** Everything that is sealed, by a name that stays; of archives the hash. */
async function openAll(app: App): Promise<Record<string, string>> {
  const opened: Record<string, string> = {}
  for (const credential of ['kubeconfig', 'kubeadmin-password'] as const)
    opened[credential] = await app.db.transaction((tx) => readCredential(tx, app.box, SETUP, clusterId, credential))
  for (const row of await artifacts()) opened[row.id] = await hashOf(await open(app, row))
  return opened
}
async function hashOf(content: Readable): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of content) hash.update(chunk as Buffer) // a stream of bytes
  return hash.digest('hex')
}
/** As if their hour were over. */
async function runDiscards(app: App): Promise<void> {
  for (const { key } of await h.rows<{ key: string }>(
    `select data ->> 'key' as key from pgboss.job where name = 'discard-artifacts'`,
  ))
    await discardArtifact(app, key)
}
async function expectNothingLeftOver(): Promise<void> {
  await runDiscards(h.app)
  const stored = await Array.fromAsync(h.app.store.list(''))
  expect(stored.toSorted()).toEqual((await artifacts()).map(({ key }) => key).toSorted())
}
const audited = async (action: string) =>
  (await h.rows<{ detail: unknown }>(`select detail from audit_events where action = '${action}'`)).map(
    (row) => row.detail,
  )

describe('a rotation', () => {
  it('leaves everything readable before, meanwhile and after, and then does without the old key', async () => {
    const rotated = withKeys(NEW, [OLD])
    expect(await openAll(rotated)).toEqual(before)

    let puts = 0
    const put: ArtifactStore['put'] = async (key, body) => {
      if (++puts > 2) throw new StoreUnavailable('full')
      return h.app.store.put(key, body)
    }
    expect(await resealSecrets(withKeys(NEW, [OLD], { put }))).toMatchObject({
      sealedAnew: 4,
      left: { [oldId]: values - 4 },
      failures: [{ reason: 'full' }],
    })
    expect(await openAll(rotated)).toEqual(before)

    const rows = await artifacts()
    expect(await resealSecrets(rotated)).toEqual({ sealedAnew: values - 4, left: {}, failures: [] })
    expect(await openAll(withKeys(NEW))).toEqual(before)
    expect((await artifacts()).map(({ keyId }) => keyId)).toEqual(rows.map(() => ids.new))
    // Whoever has read the row before it was switched still finds its object.
    for (const row of rows) expect(await hashOf(await open(rotated, row))).toBe(before[row.id])

    await expectNothingLeftOver()
    expect(await openAll(withKeys(NEW))).toEqual(before)
    expect(await resealSecrets(withKeys(NEW))).toEqual({ sealedAnew: 0, left: {}, failures: [] })
    expect(await audited('cluster.reseal-credentials')).toEqual([{ from: [oldId, oldId], to: ids.new }])
    expect(await audited('artifact.reseal')).toHaveLength(rows.length)
  })

  it('and one after it keep the names of objects short', async () => {
    const [first] = await artifacts()
    await resealSecrets(withKeys(NEW, [OLD]))
    await resealSecrets(withKeys(OTHER, [NEW]))
    expect((await artifacts())[0]?.key).toMatch(
      new RegExp(`^${first?.key.replaceAll('.', '\\.')}\\.${createSecretBox(OTHER).keyId}-[0-9a-f]{16}$`),
    )
    expect(await openAll(withKeys(OTHER))).toEqual(before)
    await expectNothingLeftOver()
  })

  it('without the old key, or with a wrong one, changes nothing and tells what is missing', async () => {
    const told: [unknown, string][] = []
    const log = { ...h.app.log, warn: (...line: [unknown, string]) => told.push(line) } as unknown as App['log'] // as far as it is used
    for (const older of [[], [OTHER]]) {
      const app = { ...withKeys(NEW, older), log }
      expect(await resealSecrets(app)).toEqual({ sealedAnew: 0, left: { [oldId]: values }, failures: [] })
      await rotateKeys(app)
      await tellOfKeys(app)
      await expect(openAll(app)).rejects.toThrow(
        `the kubeconfig of ${clusterId} does not open: sealed with key ${oldId}, which is not among the configured keys`,
      )
    }
    expect(told[0]).toEqual([
      { sealedAnew: 0, left: { [oldId]: values }, missing: [oldId], failures: [] },
      `0 values sealed anew, ${values} left under older keys`,
    ])
    expect(told[1]?.[1]).toContain('OCPCTL_SECRETS_KEYS_OLD')
    expect(await openAll(h.app)).toEqual(before)
  })

  it('goes on past what does not open, and counts it as left', async () => {
    const [first, second] = await artifacts()
    await h.app.store.delete(first?.key ?? '')
    await h.rows(`update cluster_artifacts set sha256 = repeat('0', 64) where id = '${second?.id}'`)
    await h.rows(`update cluster_outputs set kubeconfig_sealed = overlay(kubeconfig_sealed placing '\\x00' from 60)`)
    expect(await resealSecrets(withKeys(NEW, [OLD]))).toEqual({
      sealedAnew: values - 4,
      left: { [oldId]: 4 },
      failures: [
        { subject: clusterId, reason: expect.stringContaining('changed') },
        { subject: first?.id, reason: expect.stringContaining('not in the store') },
        { subject: second?.id, reason: expect.stringContaining('SHA-256') },
      ],
    })
  })

  it.each(['before the object is stored', 'after the object is stored', 'after the row is switched'])(
    'that is killed %s is finished by the next, and nothing is left over',
    async (when) => {
      const isDead = new Error('killed')
      const store: Partial<ArtifactStore> = {
        async put(key, body) {
          if (when.startsWith('before')) {
            body.destroy()
            throw isDead
          }
          await h.app.store.put(key, body)
          throw isDead
        },
      }
      const app = withKeys(NEW, [OLD], when === 'after the row is switched' ? {} : store)
      const { failures } = await resealSecrets(app)
      expect(failures).toHaveLength(when === 'after the row is switched' ? 0 : values - 2)
      expect(await openAll(withKeys(NEW, [OLD]))).toEqual(before)
      await resealSecrets(withKeys(NEW, [OLD]))
      expect(await openAll(withKeys(NEW))).toEqual(before)
      await expectNothingLeftOver()
      expect(await openAll(withKeys(NEW))).toEqual(before)
    },
  )

  it('by two at once seals each value once', async () => {
    const results = await Promise.all([1, 2, 3].map(() => resealSecrets(withKeys(NEW, [OLD]))))
    expect(results.flatMap(({ failures }) => failures)).toEqual([])
    expect(results.reduce((sum, { sealedAnew }) => sum + sealedAnew, 0)).toBe(values)
    await expectNothingLeftOver()
    expect(await openAll(withKeys(NEW))).toEqual(before)
  })

  it('by processes that do not agree on the key loses nothing', async () => {
    for (let round = 0; round < 3; round++) {
      await Promise.all([resealSecrets(withKeys(NEW, [OLD])), resealSecrets(withKeys(OLD, [NEW]))])
      await runDiscards(h.app)
      expect(await openAll(withKeys(NEW, [OLD]))).toEqual(before)
    }
    await resealSecrets(withKeys(NEW, [OLD]))
    await expectNothingLeftOver()
    expect(await openAll(withKeys(NEW))).toEqual(before)
  })

  it('that was frozen until its new object may be discarded leaves the row with the old one', async () => {
    const app = withKeys(NEW, [OLD])
    const db = Object.assign(Object.create(app.db) as App['db'], {
      async execute(query: Parameters<App['db']['execute']>[0]) {
        const result = await app.db.execute(query)
        for (const row of result.rows) if ('at' in row) row['at'] = '2026-01-01T00:00:00Z'
        return result
      },
    })
    expect(await resealSecrets({ ...app, db: db })).toMatchObject({ sealedAnew: 2, failures: [] })
    await expectNothingLeftOver()
    expect(await openAll(app)).toEqual(before)
  })

  it('does not take over what was written meanwhile', async () => {
    const outputs = { kubeconfig: 'new', password: 'new' }
    const app = withKeys(NEW, [OLD])
    const seal = app.box.seal.bind(app.box)
    const box = {
      ...app.box,
      seal(plaintext: Buffer | string, context: string) {
        // Its own write comes after this one, which it has not read.
        written ??= h.rows(
          `update cluster_outputs set kubeconfig_sealed = '\\x${h.app.box
            .seal(outputs.kubeconfig, `cluster_outputs:${clusterId}:kubeconfig`)
            .toString('hex')}'`,
        )
        return seal(plaintext, context)
      },
    }
    let written: Promise<unknown> | undefined
    const db = Object.assign(Object.create(app.db) as App['db'], {
      transaction: async (...args: Parameters<App['db']['transaction']>) => {
        await written
        return app.db.transaction(...args)
      },
    })
    await resealSecrets({ ...app, box, db: db })
    expect(await openAll(app)).toMatchObject({ kubeconfig: 'new' })
    await resealSecrets(app)
    expect(await openAll(withKeys(NEW))).toMatchObject({ kubeconfig: 'new' })
  })
})

describe('snapshots from before their key was noted', () => {
  beforeEach(() => h.rows('update cluster_artifacts set key_id = null'))

  it('get a note of it, and are sealed anew when it is an older one', async () => {
    expect(await resealSecrets(h.app)).toEqual({ sealedAnew: 0, left: {}, failures: [] })
    expect((await artifacts()).every(({ keyId }) => keyId === oldId)).toBe(true)
    await h.rows('update cluster_artifacts set key_id = null')
    expect(await resealSecrets(withKeys(NEW, [OLD]))).toEqual({ sealedAnew: values, left: {}, failures: [] })
    expect(await openAll(withKeys(NEW))).toEqual(before)
  })

  it('get no note of an object that is not theirs', async () => {
    const lie = createSecretBox(NEW).seal('x'.repeat(100), 'anything')
    const app = withKeys(NEW, [OLD], { get: async () => Readable.from([lie]) })
    const told = await resealSecrets(app)
    expect(told.left).toEqual({ unknown: values - 2 })
    expect(told.failures).toHaveLength(values - 2)
    expect((await artifacts()).every(({ keyId }) => keyId === null)).toBe(true)
    expect((await resealSecrets(withKeys(NEW, [OLD]))).left).toEqual({})
  })

  it('of a key that is not configured are counted under it', async () => {
    expect((await resealSecrets(withKeys(NEW))).left).toEqual({ [oldId]: values })
  })
})

it('the credentials of a cluster that is long gone are left alone', async () => {
  await h.rows(`update clusters set status = 'DESTROYED', destroyed_at = now() - interval '29 days'`)
  expect((await resealSecrets(withKeys(NEW))).left).toEqual({ [oldId]: values })
  await h.rows(`update clusters set destroyed_at = now() - interval '31 days'`)
  // What its profile keeps is still opened by somebody.
  const kept = (await artifacts()).length
  expect(await resealSecrets(withKeys(NEW, [OLD]))).toEqual({ sealedAnew: kept, left: {}, failures: [] })
})

it('the queue has an object discarded, unless a row names it', async () => {
  const [named] = await artifacts()
  await h.app.store.put('clusters/nobody', await h.app.store.get(named?.key ?? ''))
  for (const key of [named?.key ?? '', 'clusters/nobody']) await h.app.queue.discardArtifact(h.app.db, key, 0)
  await h.app.queue.workDiscards((key) => discardArtifact(h.app, key))
  await eventually(async () => (await h.app.store.find('clusters/nobody')) === undefined)
  expect(await h.app.store.find(named?.key ?? '')).toBeDefined()
})

it('the older keys are read from the environment', () => {
  const config = readConfig({ OCPCTL_SECRETS_KEYS_OLD: ` ${OLD.toString('base64')} ,${OTHER.toString('base64')}` })
  expect(config.secretsKeysOld).toEqual([OLD.toString('base64'), OTHER.toString('base64')])
  expect(readConfig({}).secretsKeysOld).toEqual([])
  expect(() => readConfig({ OCPCTL_SECRETS_KEYS_OLD: `${OLD.toString('base64')},short` })).toThrow(
    'OCPCTL_SECRETS_KEYS_OLD must be keys with commas between',
  )
})
