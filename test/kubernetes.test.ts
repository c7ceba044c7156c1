// The way into a cluster: which kubeconfig is used at all, and how its API is asked.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { openKubernetes } from '../src/kubernetes/client.ts'
import { ApiNotReached, ApiRefused } from '../src/kubernetes/refusals.ts'
import { KubeconfigRefused, readKubeconfig } from '../src/kubernetes/kubeconfig.ts'
import { openReach } from '../src/kubernetes/reach.ts'
import { eventually } from './harness.ts'
import { startKubernetesServer, type KubernetesServer } from './kubernetes-server.ts'
import { kubeconfigOf, makeAuthority } from './pki.ts'

const DOMAIN = 'demo.clusters.example.com'
const HOST = `api.${DOMAIN}`

let server: KubernetesServer
let good: string
beforeAll(async () => {
  server = await startKubernetesServer()
  good = server.kubeconfig(HOST)
})
afterAll(() => server.stop())

type Kubeconfig = {
  clusters: { name: string; cluster: Record<string, unknown> }[]
  contexts: { name: string; context: Record<string, unknown> }[]
  users: { name: string; user: Record<string, unknown> }[]
  [field: string]: unknown
}
const changed = (change: (file: Kubeconfig) => void) => {
  const file = parse(good) as Kubeconfig // our own
  change(file)
  return stringify(file)
}
const ofUser = (fields: Record<string, unknown>) => changed(({ users }) => Object.assign(users[0]?.user ?? {}, fields))
const ofCluster = (fields: Record<string, unknown>) =>
  changed(({ clusters }) => Object.assign(clusters[0]?.cluster ?? {}, fields))
const refusalOf = (text: string, domain = DOMAIN) => {
  try {
    readKubeconfig(text, domain)
  } catch (error) {
    if (error instanceof KubeconfigRefused) return error
    throw error
  }
  throw new Error('it was accepted')
}

describe('a kubeconfig', () => {
  it('of the installer is read', () => {
    expect(readKubeconfig(good, DOMAIN)).toMatchObject({
      origin: `https://${HOST}:6443`,
      host: HOST,
      ca: server.authority.cert,
      until: expect.any(Date),
    })
  })

  it.each<[field: string, why: RegExp, text: () => string]>([
    ['users[0].user.exec', /run a program/, () => ofUser({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh' } })], // prettier-ignore
    ['users[0].user.auth-provider', /another program or server/, () => ofUser({ 'auth-provider': { name: 'gcp' } })],
    ['users[0].user.tokenFile', /a file of this host/, () => ofUser({ tokenFile: '/var/run/secrets/token' })],
    ['users[0].user.client-certificate', /a file of this host/, () => ofUser({ 'client-certificate': '/etc/a.crt' })],
    ['users[0].user.client-key', /a file of this host/, () => ofUser({ 'client-key': '/etc/a.key' })],
    ['users[0].user.token', /nothing that the installer writes/, () => ofUser({ token: 'sha256~secret' })],
    ['users[0].user.as', /nothing that the installer writes/, () => ofUser({ as: 'root' })],
    ['users[0].user.__proto__', /nothing that/, () => good.replace('    client-key-data', '    __proto__: {exec: {command: a}}\n    client-key-data')], // prettier-ignore
    ['users[0].user.<<', /nothing that/, () => good.replace('    client-key-data', '    <<: {exec: {command: a}}\n    client-key-data')], // prettier-ignore
    ['clusters[0].cluster.certificate-authority', /a file of this host/, () => ofCluster({ 'certificate-authority': '/etc/ca.crt' })], // prettier-ignore
    ['clusters[0].cluster.insecure-skip-tls-verify', /anybody answer/, () => ofCluster({ 'insecure-skip-tls-verify': true })], // prettier-ignore
    ['clusters[0].cluster.tls-server-name', /another server/, () => ofCluster({ 'tls-server-name': 'example.org' })],
    ['clusters[0].cluster.proxy-url', /through another server/, () => ofCluster({ 'proxy-url': 'http://127.0.0.1:3128' })], // prettier-ignore
    ['clusters[0].cluster.server', /is not https/, () => ofCluster({ server: `http://${HOST}:6443` })],
    ['clusters[0].cluster.server', /not within demo/, () => ofCluster({ server: 'https://169.254.169.254:6443' })],
    ['clusters[0].cluster.server', /not within demo/, () => ofCluster({ server: 'https://api.other.example.com:6443' })], // prettier-ignore
    ['clusters[0].cluster.server', /not within demo/, () => ofCluster({ server: `https://api${DOMAIN}:6443` })],
    ['clusters[0].cluster.server', /more than a host/, () => ofCluster({ server: `https://a:b@${HOST}:6443` })],
    ['clusters[0].cluster.server', /more than a host/, () => ofCluster({ server: `https://${HOST}:6443/proxy` })],
    ['clusters[0].cluster.server', /is not a URL/, () => ofCluster({ server: HOST })],
    ['clusters[0].cluster.certificate-authority-data', /is missing/, () => ofCluster({ 'certificate-authority-data': '' })], // prettier-ignore
    ['clusters[0].cluster.certificate-authority-data', /no certificate/, () => ofCluster({ 'certificate-authority-data': 'bm9uZQ==' })], // prettier-ignore
    ['users[0].user.client-certificate-data', /no certificate/, () => ofUser({ 'client-certificate-data': 'bm9uZQ==' })], // prettier-ignore
    ['users[0].user.client-key-data', /not the key/, () => ofUser({ 'client-key-data': 'bm9uZQ==' })],
    ['users[0].user.client-key-data', /is missing/, () => ofUser({ 'client-key-data': undefined })],
    ['current-context', /none of the contexts/, () => changed((file) => (file['current-context'] = 'other'))],
    ['contexts[0].context.user', /none of the users/, () => changed(({ contexts }) => Object.assign(contexts[0]?.context ?? {}, { user: 'x' }))], // prettier-ignore
    ['users[1].user.exec', /run a program/, () => changed(({ users }) => users.push({ name: 'x', user: { exec: { command: 'a' } } }))], // prettier-ignore
    ['clusters[1].cluster.server', /not within/, () => changed(({ clusters }) => clusters.push({ name: 'x', cluster: { server: 'https://example.org' } }))], // prettier-ignore
    ['users', /is missing/, () => changed((file) => delete (file as Record<string, unknown>)['users'])],
    ['plugins', /nothing that/, () => changed((file) => (file['plugins'] = ['a']))],
    ['the file', /is not a map/, () => 'text'],
    ['the file', /is not YAML/, () => `${good}\nusers: []\n`],
  ])('is refused for %s: %s', (field, why, text) => {
    const refused = refusalOf(text())
    expect(refused.field).toBe(field)
    expect(refused.message).toMatch(why)
    expect(refused.message).toContain(field)
    expect(refused.message).not.toMatch(/secret|BEGIN|\/etc|\/bin/)
  })

  it('may have empty fields, which say nothing, and a name with a dot at its end', () => {
    const text = changed(({ clusters, users }) => {
      Object.assign(clusters[0]?.cluster ?? {}, { 'insecure-skip-tls-verify': false, 'proxy-url': '', server: `https://${HOST}.:6443` }) // prettier-ignore
      Object.assign(users[0]?.user ?? {}, { exec: null })
    })
    expect(readKubeconfig(text, DOMAIN).host).toBe(HOST)
  })
})

describe('an API', () => {
  const open = (text = good, stop = new AbortController().signal) =>
    openKubernetes(readKubeconfig(text, DOMAIN), { stop, at: server.at })
  const nameOf = (object: unknown) => (object as { metadata: { name: string } }).metadata.name // as the server sends it
  const failureOf = (promise: Promise<unknown>) => promise.then((value) => ({ value }), (error: unknown) => error) // prettier-ignore

  it('is read in pages, and once more from the start when a list has become too old', async () => {
    const cluster = server.serve(HOST)
    for (let index = 0; index < 5; index++) cluster.put('services', { namespace: 'a', name: `s${index}` })
    const api = open()
    expect(await api.list('/api/v1/services', nameOf)).toEqual(['s0', 's1', 's2', 's3', 's4'])
    server.faults.push({ at: /services/, how: 'expire', times: 1 })
    expect(await api.list('/api/v1/services', nameOf)).toHaveLength(5)
    expect(await api.list('/api/v1/persistentvolumes', nameOf)).toEqual([])
    expect(await api.list('/api/v1/unknowns', nameOf)).toBeUndefined()
    expect(await api.get('/api/v1/namespaces/a/services/s3')).toMatchObject({ metadata: { name: 's3' } })
    expect(await api.get('/api/v1/namespaces/a/services/s9')).toBeUndefined()
    await api.close()
  })

  it('is asked to change and to delete what was seen, and nothing else', async () => {
    const cluster = server.serve(HOST)
    const { metadata } = cluster.put('services', { namespace: 'a', name: 's' }, { type: 'ClusterIP' })
    const api = open()
    const path = '/api/v1/namespaces/a/services/s'
    expect(await api.patch(path, { spec: { type: 'LoadBalancer' } }, 'merge')).toMatchObject({ spec: { type: 'LoadBalancer' } }) // prettier-ignore
    expect(await api.patch('/api/v1/namespaces/a/services/t', { spec: {} }, 'apply', { fieldManager: 'test' })).toMatchObject({ metadata: { name: 't' } }) // prettier-ignore
    expect(await api.patch('/api/v1/namespaces/a/services/none', {}, 'merge')).toBeUndefined()
    expect(await api.delete(path, { uid: 'of-another' })).toBe(false)
    expect(cluster.things('services')).toContain(path)
    expect(await api.delete(path, { uid: metadata.uid })).toBe(true)
    expect(cluster.things('services')).not.toContain(path)
    expect(await api.delete(path, { uid: metadata.uid })).toBe(false)
    await api.close()
  })

  it.each(['throttle', 'fail', 'reset', 'no-json'] as const)('is asked again after %s', async (how) => {
    server.serve(HOST).put('services', { namespace: 'a', name: 's' })
    server.faults.push({ at: /services/, how, times: 2 })
    const api = open()
    const before = server.requests.length
    expect(await api.list('/api/v1/services', nameOf)).toEqual(['s'])
    expect(server.requests.length - before).toBe(3)
    await api.close()
  })

  it('that refuses is not asked again, and its words are kept', async () => {
    server.serve(HOST)
    server.faults.push({ at: /services/, how: 'forbid', times: 1 })
    const api = open()
    const refused = await failureOf(api.list('/api/v1/services', nameOf))
    expect(refused).toBeInstanceOf(ApiRefused)
    expect(refused).toMatchObject({ status: 403, reason: 'Forbidden', message: expect.stringContaining('cannot do this') }) // prettier-ignore
    await api.close()
  })

  it('knows who asks by the certificate alone', async () => {
    server.serve(HOST)
    const stranger = await (await makeAuthority()).issue('system:admin', { organization: 'system:masters' })
    const nobody = await server.authority.issue('somebody')
    for (const who of [stranger, nobody]) {
      const api = open(kubeconfigOf(`https://${HOST}:6443`, server.authority.cert, who))
      expect(await failureOf(api.get('/api/v1/services'))).toMatchObject({ status: 401 })
      await api.close()
    }
  })

  it('is not believed when another authority vouches for it, or for another name', async () => {
    server.serve(HOST)
    const other = await makeAuthority()
    const before = server.requests.length
    const api = open(kubeconfigOf(`https://${HOST}:6443`, other.cert, server.admin))
    expect(await failureOf(api.get('/api/v1/services'))).toBeInstanceOf(ApiNotReached)
    expect(server.requests.length).toBe(before)
    await api.close()
  })

  it('is not asked with a certificate that has ended', async () => {
    const from = new Date(Date.now() - 2 * 86_400_000)
    const ended = await server.authority.issue('system:admin', { from, until: new Date(from.getTime() + 86_400_000) })
    expect(() => open(kubeconfigOf(`https://${HOST}:6443`, server.authority.cert, ended))).toThrow(
      /certificate ended at/,
    )
  })

  it('that nobody serves is told at once', async () => {
    const stop = new AbortController().signal
    const gone = await startKubernetesServer()
    const access = readKubeconfig(gone.kubeconfig(HOST), DOMAIN)
    await gone.stop()
    const api = openKubernetes(access, { stop, at: gone.at })
    expect(await failureOf(api.get('/api/v1/services'))).toMatchObject({
      name: 'ApiNotReached',
      message: 'ECONNREFUSED',
    })
    await api.close()
    const nowhere = await openReach().open(
      kubeconfigOf('https://api.demo.invalid:6443', gone.authority.cert, gone.admin),
      'demo.invalid',
      stop,
    )
    expect(await failureOf(nowhere.get('/api'))).toMatchObject({ name: 'ApiNotReached', message: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) }) // prettier-ignore
    await nowhere.close()
  })

  it('that hangs is left when the time is over', async () => {
    server.serve(HOST)
    server.faults.push({ at: /services/, how: 'hang', times: 1 })
    const stopping = new AbortController()
    const api = open(good, stopping.signal)
    const before = server.requests.length
    const asked = failureOf(api.list('/api/v1/services', nameOf))
    await eventually(() => server.requests.length > before)
    stopping.abort()
    expect(await asked).toMatchObject({ name: 'ApiNotReached', message: 'the time is over' })
    await api.close()
  })
})
