// Merging a kubeconfig: what was there stays as it was, whoever writes at the same time, and nobody else may read it.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { parse } from 'yaml'
import { openHome, serve, type Home } from './cli.ts'
import { openHarness, type Harness } from './harness.ts'

const MINE = `# written by hand
apiVersion: v1
kind: Config
preferences:
  colors: true
x-mine: kept
clusters:
- name: zebra
  cluster:
    server: https://zebra.example.com:6443 # the old one
    proxy-url: http://proxy.example.com
- cluster:
    server: https://ant.example.com:6443
  name: ant
users:
- name: me
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: get-token
      interactiveMode: Never
contexts:
- name: work
  context:
    cluster: zebra
    user: me
    namespace: shop
current-context: work
`

let h: Harness
let url: string
let home: Home
beforeAll(async () => {
  h = await openHarness()
  ;({ url } = await serve(h))
  await h.startWorker()
  for (const name of ['one', 'two', 'three']) {
    const { cluster } = await h.requestCluster(name)
    await h.reach(cluster.id, 'READY')
  }
})
afterAll(() => h.close())
beforeEach(() => {
  home = openHome({ OCPCTL_URL: url, OCPCTL_TOKEN: h.admin })
})
afterEach(() => home.remove())

const path = () => join(home.dir, '.kube/config')
const config = (file = path()) => parse(readFileSync(file, 'utf8'))
const names = (section: string, file?: string) => config(file)[section].map(({ name }: { name: string }) => name)
const write = (text: string) => {
  mkdirSync(join(home.dir, '.kube'), { recursive: true })
  writeFileSync(path(), text)
}

it('is printed as the API has it', async () => {
  const { stdout } = await home.run(['kubeconfig', 'one'])
  const { items } = (await h.call('GET', '/clusters?q=one')).body
  expect(stdout).toBe((await h.call('GET', `/clusters/${items[0].id}/kubeconfig`)).body)
  expect(existsSync(path())).toBe(false)
})

it('is merged into a file that is made for it', async () => {
  const { code, stdout, stderr } = await home.run(['kubeconfig', 'one', '--merge'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  expect(stderr).toContain('the context ocpctl/one, which is the current one')
  const own = parse((await home.run(['kubeconfig', 'one'])).stdout)
  const { clusters, users, contexts, 'current-context': current } = config()
  expect([clusters[0].cluster, users[0].user, current]).toEqual([
    own.clusters[0].cluster,
    own.users[0].user,
    'ocpctl/one',
  ])
  expect(contexts[0]).toMatchObject({ name: 'ocpctl/one', context: { cluster: 'ocpctl/one', user: 'ocpctl/one' } })
  expect(statSync(path()).mode & 0o777).toBe(0o600)
})

it('leaves every line that was there, in its place, and is the same when it is merged again', async () => {
  write(MINE)
  chmodSync(path(), 0o644)
  expect((await home.run(['kubeconfig', 'one', '--merge', '--keep-current'])).code).toBe(0)
  const once = readFileSync(path(), 'utf8')
  const lines = once.split('\n')
  let from = 0
  for (const line of MINE.trimEnd().split('\n')) {
    from = lines.indexOf(line, from) + 1
    expect({ line, isThere: from > 0 }).toEqual({ line, isThere: true })
  }
  expect(names('clusters')).toEqual(['zebra', 'ant', 'ocpctl/one'])
  expect(config()['current-context']).toBe('work')
  expect(statSync(path()).mode & 0o777).toBe(0o600)
  await home.run(['kubeconfig', 'one', '--merge', '--keep-current'])
  expect(readFileSync(path(), 'utf8')).toBe(once)
})

it('keeps what somebody added to our own entries', async () => {
  await home.run(['kubeconfig', 'one', '--merge'])
  const text = readFileSync(path(), 'utf8')
    .replace('    cluster: ocpctl/one\n', '    cluster: ocpctl/one\n    namespace: shop\n')
    .replace('    extensions:\n', '    extensions:\n    - name: other.example.com\n      extension:\n        a: 1\n')
  write(text)
  expect((await home.run(['kubeconfig', 'one', '--merge'])).code).toBe(0)
  const { context } = config().contexts[0]
  expect(context).toMatchObject({
    namespace: 'shop',
    extensions: [{ name: 'other.example.com', extension: { a: 1 } }, { name: 'ocpctl' }],
  })
})

it('loses nothing when many write at once', async () => {
  write(MINE)
  const runs = ['one', 'two', 'three', 'one', 'two', 'three'].map((name, n) =>
    home.run(['kubeconfig', name, '--merge', '--as', `${name}-${n}`]),
  )
  expect((await Promise.all(runs)).map(({ code }) => code)).toEqual(runs.map(() => 0))
  expect(names('contexts')).toHaveLength(7)
  expect(config()['x-mine']).toBe('kept')
  expect(existsSync(`${path()}.lock`)).toBe(false)
})

it("respects kubectl's own lock", async () => {
  write(MINE)
  writeFileSync(`${path()}.lock`, '')
  const { code, stderr } = await home.run(['kubeconfig', 'one', '--merge'])
  expect([code, stderr.includes(`${path()}.lock is there`)]).toEqual([1, true])
  expect([readFileSync(path(), 'utf8'), existsSync(`${path()}.lock`)]).toEqual([MINE, true])
})

it('follows KUBECONFIG, and a link stays a link', async () => {
  const real = join(home.dir, 'real')
  writeFileSync(real, MINE)
  symlinkSync(real, join(home.dir, 'link'))
  const KUBECONFIG = [join(home.dir, 'not-there'), join(home.dir, 'link')].join(':')
  expect((await home.run(['kubeconfig', 'two', '--merge'], { environment: { KUBECONFIG } })).code).toBe(0)
  expect(lstatSync(join(home.dir, 'link')).isSymbolicLink()).toBe(true)
  expect(names('contexts', real)).toEqual(['work', 'ocpctl/two'])
})

it('takes no name that is somebody else’s', async () => {
  write(MINE)
  const mine = await home.run(['kubeconfig', 'one', '--merge', '--as', 'work'])
  expect([mine.code, mine.stderr.includes('not of ocpctl')]).toEqual([6, true])
  await home.run(['kubeconfig', 'one', '--merge', '--as', 'shared'])
  const other = await home.run(['kubeconfig', 'two', '--merge', '--as', 'shared'])
  expect([other.code, other.stderr.includes('which is not destroyed')]).toEqual([6, true])
})

it.each([['not yaml: ['], ['- a list\n'], ['just a text']])('leaves %j alone, which is no kubeconfig', async (text) => {
  write(text)
  const { code } = await home.run(['kubeconfig', 'one', '--merge'])
  expect([code, readFileSync(path(), 'utf8')]).toEqual([2, text])
})

it('takes away those of destroyed clusters, and no others', async () => {
  write(MINE)
  for (const name of ['two', 'three']) await home.run(['kubeconfig', name, '--merge'])
  expect((await home.run(['kubeconfig', '--prune'])).stderr).toBe('nothing to take away\n')
  expect((await home.run(['destroy', 'three', '--wait'])).code).toBe(0)
  const { code, stderr } = await home.run(['kubeconfig', '--prune'])
  expect([code, stderr]).toEqual([0, 'ocpctl/three is taken away: its cluster is destroyed\n'])
  for (const [section, mine] of [
    ['clusters', ['zebra', 'ant']],
    ['users', ['me']],
    ['contexts', ['work']],
  ] as const)
    expect(names(section)).toEqual([...mine, 'ocpctl/two'])
  expect(config()['current-context']).toBe('')
  // A new cluster of an old name takes its context.
  const { cluster } = await h.requestCluster('three')
  await h.reach(cluster.id, 'READY')
  expect((await home.run(['kubeconfig', 'three', '--merge'])).code).toBe(0)
  expect(config()['current-context']).toBe('ocpctl/three')
})
