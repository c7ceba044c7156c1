// What is said of a destroyed cluster can be proved to people who do not have the service.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compactVerify, importJWK } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { doubtsOf, TYPE, type Facts } from '../src/emptiness/certificate.ts'
import { signingKeyOf, verify } from '../src/emptiness/signature.ts'
import { createSecretBox } from '../src/secrets.ts'
import { openHarness, type Harness } from './harness.ts'

const KEY = Buffer.alloc(32, 7)
const at = (second: number) => new Date(Date.UTC(2026, 10, 30) + second * 1000).toISOString()
const look = (second: number): Facts['looks'][number] => ({
  at: at(second),
  account: '123456789012',
  zones: ['example.com'],
  checked: ['ec2:DescribeInstances'],
  notChecked: [{ kind: 'role assignments', why: 'nothing tells whose they were', isOptional: true }],
  found: 0,
  lingering: [],
})
const facts: Facts = {
  type: TYPE,
  id: 'crt_01k0000000e0000000000000000',
  issuedAt: at(70),
  installation: 'ins_01k0000000e0000000000000000',
  isSimulated: false,
  cluster: {
    id: 'clu_01k0000000e0000000000000000',
    name: 'demo',
    platform: 'aws',
    region: 'eu-west-1',
    baseDomain: 'example.com',
    team: 'blue',
    owner: 'ana',
    requestedBy: 'ana',
    createdAt: at(0),
    infraIds: ['demo-abcde'],
  },
  job: { id: 'job_01k0000000e0000000000000000', type: 'DESTROY' },
  askedBy: {
    clusterTag: 'ocpctl-cluster-id=clu_01k0000000e0000000000000000',
    infraIds: ['demo-abcde'],
    namePrefixes: ['demo-abcde-'],
    domain: 'demo.example.com',
    records: 'all',
    stoodBefore: [],
  },
  lagSeconds: 60,
  looks: [look(0), look(60)],
  installer: { ran: true, warning: null },
  result: 'empty',
}

describe('a certificate', () => {
  const key = signingKeyOf(createSecretBox(KEY))
  const signed = async (changes: Partial<Facts> = {}) => (await key).sign({ ...facts, ...changes })
  const verifyWith = async (certificate: object, keys?: Record<string, unknown>[]) =>
    (await verify(JSON.stringify(certificate), keys ?? [(await key).publicKey])).doubts

  it('is good, in whatever form its JSON is written', async () => {
    const { looks, ...rest } = await signed()
    expect(await verifyWith({ ...rest, looks })).toEqual([])
  })

  it('names the field that was changed, added, or taken away', async () => {
    const good = await signed()
    const cluster = { ...good.cluster, name: 'other' }
    expect(await verifyWith({ ...good, cluster })).toEqual([
      { field: '/cluster/name', why: 'it is not what was signed' },
    ])
    expect(await verifyWith({ ...good, looks: [look(0), { ...look(60), found: 1 }] })).toEqual([
      { field: '/looks/1/found', why: 'it is not what was signed' },
    ])
    expect(await verifyWith({ ...good, note: 'x' })).toEqual([
      { field: '/note', why: 'it was added after the signing' },
    ])
    const { job: _, ...without } = good
    expect(await verifyWith(without)).toEqual([
      { field: '/job/id', why: 'it was signed, and is not there' },
      { field: '/job/type', why: 'it was signed, and is not there' },
    ])
  })

  it('is not good with the signature of another key, of none, or of another document', async () => {
    const good = await signed()
    const other = await signingKeyOf(createSecretBox(Buffer.alloc(32, 8)))
    const { kid } = (await key).publicKey
    const field = '/signature'
    expect(await verifyWith(good, [other.publicKey])).toMatchObject([{ field, why: expect.stringContaining(kid) }])
    expect(await verifyWith(good, [{ ...other.publicKey, kid }])).toMatchObject([{ field }])
    expect(await verifyWith({ ...good, signature: 'none' })).toMatchObject([{ field }])
    expect(await verifyWith(facts)).toEqual([{ field, why: 'it is missing' }])
    expect((await verify('{', [])).doubts).toEqual([{ field: '', why: 'this is no JSON' }])
    const another = await signed({ id: 'crt_01k0000000e0000000000000001' })
    expect(await verifyWith({ ...good, signature: another.signature })).toEqual([
      { field: '/id', why: 'it is not what was signed' },
    ])
  })

  it('is not good, though it is genuine, when it says too little', async () => {
    const denied = { kind: 'iam:ListRoles', why: 'the caller lacks the permission', isOptional: false }
    expect(await verifyWith(await signed({ looks: [look(0), { ...look(60), notChecked: [denied] }] }))).toEqual([
      { field: '/looks/1/notChecked', why: 'iam:ListRoles could not be asked: the caller lacks the permission' },
    ])
    expect(await verifyWith(await signed({ looks: [look(0)] }))).toMatchObject([{ field: '/looks' }])
    expect(await verifyWith(await signed({ looks: [look(0), look(30)] }))).toMatchObject([{ field: '/looks' }])
    expect(await verifyWith(await signed({ looks: [{ ...look(0), checked: [] }, look(60)] }))).toMatchObject([
      { field: '/looks/0/checked' },
    ])
    expect(doubtsOf({ ...facts, looks: [{ ...look(0), found: 3 }, look(60)] })).toMatchObject([
      { field: '/looks/0/found' },
    ])
  })

  it('is a JWS that any library can verify', async () => {
    const { publicKey } = await key
    const { signature } = await signed()
    const { protectedHeader } = await compactVerify(signature, await importJWK(publicKey))
    expect(protectedHeader).toEqual({ alg: 'EdDSA', kid: publicKey.kid })
  })
})

describe('a destroyed cluster', () => {
  let h: Harness
  let dir: string
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ocpctl-certificate-'))
    h = await openHarness()
    await h.startWorker()
  })
  afterAll(async () => {
    await h.close()
    rmSync(dir, { recursive: true })
  })
  const run = (...options: string[]) =>
    promisify(execFile)(process.execPath, ['src/main.ts', 'verify', ...options], {
      env: { OCPCTL_SECRETS_KEY: h.app.config.secretsKey ?? '', PATH: process.env['PATH'] },
    }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
    )

  it('has a certificate that the keys of the service verify, and whose hash is in the audit trail', async () => {
    const { cluster } = await h.requestCluster('gone')
    await h.reach(cluster.id, 'READY')
    const early = await h.call('GET', `/clusters/${cluster.id}/emptiness`)
    expect(early).toMatchObject({ status: 404, body: { detail: expect.stringContaining('READY') } })
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')

    const { body: certificate } = await h.call('GET', `/clusters/${cluster.id}/emptiness`)
    expect(certificate).toMatchObject({
      isSimulated: true,
      cluster: { id: cluster.id, name: 'gone' },
      installer: { ran: true, warning: null },
      looks: [{ found: 0 }, { found: 0 }],
    })
    const [{ document } = { document: '' }] = await h.rows<{ document: string }>(
      `select document from emptiness_certificates where cluster_id = '${cluster.id}'`,
    )
    const events = await h.rows<{ detail: { sha256: string } }>(
      `select detail from audit_events where action = 'cluster.certify-emptiness'`,
    )
    expect(events.map(({ detail }) => detail.sha256)).toEqual([createHash('sha256').update(document).digest('hex')])

    const [file, keys] = [join(dir, 'gone.json'), join(dir, 'keys.json')]
    writeFileSync(file, document)
    writeFileSync(keys, JSON.stringify((await h.call('GET', '/.well-known/ocpctl-keys.json')).body))
    expect(await run(file, '--keys', keys)).toMatchObject({ code: 0, stdout: expect.stringContaining('was empty') })
    expect(await run(file)).toMatchObject({ code: 0 })
    writeFileSync(file, readFileSync(file, 'utf8').replace('"gone"', '"kept"'))
    expect(await run(file, '--keys', keys)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('/cluster/name: it is not what was signed'),
    })
  })
})
