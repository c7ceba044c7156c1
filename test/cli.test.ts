// The command line as people and programs use it: every operation has a command, what it prints, how it ends.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readOperations } from '../cli/build.ts'
import { commands, withoutCommand } from '../cli/commands.ts'
import { startOperations } from '../src/cron/operations.ts'
import { openHome, PROGRAM, serve, type Home } from './cli.ts'
import { eventually, openHarness, ROOT, type Harness } from './harness.ts'

let h: Harness
let home: Home
let url: string
beforeAll(async () => {
  h = await openHarness()
  ;({ url } = await serve(h))
  await h.startWorker()
  home = openHome({ OCPCTL_URL: url, OCPCTL_TOKEN: h.admin })
})
afterAll(async () => {
  home.remove()
  await h.close()
})

const operations = readOperations(JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')))

describe('the program', () => {
  it('is one file of at most 400 kB that a Node of 22 can read, and says its version', async () => {
    expect(statSync(PROGRAM).size).toBeLessThanOrEqual(400_000)
    expect(readFileSync(PROGRAM, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    for (const flag of ['--version', '-V'])
      expect(await home.run([flag])).toMatchObject({ code: 0, stdout: `${version}\n` })
  })

  it('is handed out by the server with its sum', async () => {
    const file = readFileSync(PROGRAM)
    const sum = createHash('sha256').update(file)
    const digest = sum.copy().digest('base64')
    const answer = await fetch(`${url}/downloads/ocpctl.mjs`)
    expect(Buffer.from(await answer.arrayBuffer()).equals(file)).toBe(true)
    expect(answer.headers.get('repr-digest')).toBe(`sha-256=:${digest}:`)
    expect(await (await fetch(`${url}/downloads/ocpctl.mjs.sha256`)).text()).toBe(`${sum.digest('hex')}  ocpctl.mjs\n`)
  })

  it('has a command for every operation of the API', async () => {
    const ids = operations.map(({ id }) => id)
    expect(ids.filter((id) => !Object.hasOwn(commands, id) && !withoutCommand.includes(id))).toEqual([])
    const nouns = Map.groupBy(Object.values(commands), ({ words }) => words.split(' ')[0] ?? '')
    await Promise.all(
      [...nouns].map(async ([noun, of]) => {
        const { stdout } = await home.run([noun, '--help'])
        for (const { words } of of)
          expect(stdout).toMatch(new RegExp(`^ *(?:Usage: ocpctl )?${words.split(' ').at(-1)}\\b`, 'm'))
      }),
    )
  })

  it('shows an example before all else that help says', async () => {
    const { stdout } = await home.run(['--help'])
    expect(stdout).toMatch(/^Example:\n {2}\$ ocpctl /)
    expect(stdout).toContain('Exit codes:')
    const shorts = Object.values(commands).flatMap(({ short }) => short ?? [])
    await Promise.all(
      [...shorts, 'wait', 'open', 'login', 'whoami', 'lint', 'diagnose', 'api', 'cluster protect'].map(
        async (words) => {
          const { stdout } = await home.run([...words.split(' '), '--help'])
          expect(stdout).toMatch(new RegExp(`^Example:\\n  \\$ ocpctl \\S.*\\n\\nUsage: ocpctl ${words} `))
        },
      ),
    )
  })

  it('takes every field that an operation has', async () => {
    for (const operation of operations.filter(
      ({ id }) => commands[id]?.own === undefined && commands[id] !== undefined,
    )) {
      // --from takes a body of any shape.
      const known = operation.fields.filter((field) => field.type === 'other' && field.in !== 'body')
      expect({ id: operation.id, known }).toEqual({ id: operation.id, known: [] })
    }
  })

  it('shows its help to whoever asks for nothing', async () => {
    for (const args of [[], ['cluster']]) {
      const { code, stderr, stdout } = await home.run(args)
      expect([code, stdout, stderr.startsWith('Example:') || stderr.startsWith('Usage:')]).toEqual([2, '', true])
    }
  })

  it('opens the console, at a cluster when one is given', async () => {
    const { cluster } = await h.requestCluster('opened')
    expect((await home.run(['open'])).stdout).toBe(`${url}/\n`)
    expect((await home.run(['open', 'opened'])).stdout).toBe(`${url}/clusters/${cluster.id}\n`)
    await h.reach(cluster.id, 'READY')
    const itsOwn = 'https://console-openshift-console.apps.opened.clusters.example.com'
    expect(await home.run(['open', 'opened', '--openshift'])).toMatchObject({ code: 0, stdout: `${itsOwn}\n` })
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
    expect(await home.run(['open', cluster.id, '--openshift'])).toMatchObject({ code: 6, stdout: '' })
  })

  it('hands requests of any kind on', async () => {
    expect(JSON.parse((await home.run(['api', 'GET', '/whoami'])).stdout)).toEqual(
      (await h.call('GET', '/api/v1/whoami')).body,
    )
    const body = JSON.stringify({ name: 'by-api', platform: 'aws', profile: 'aws-minimal-test' })
    const made = await home.run(['api', 'POST', '/clusters', '--from', '-'], { stdin: body })
    expect(JSON.parse(made.stdout).cluster).toMatchObject({ name: 'by-api' })
    expect((await home.run(['api', 'GET', '/readyz'])).code).toBe(0)
  })
})

describe('its source', () => {
  const files = readdirSync(join(ROOT, 'cli')).filter((name) => name.endsWith('.ts'))
  const textOf = (name: string) => readFileSync(join(ROOT, 'cli', name), 'utf8')

  it('reads the environment in one place, shares lint and diagnosis alone with the server, and is in short files', () => {
    expect(files.filter((name) => /process\.env\b/.test(textOf(name)))).toEqual(['main.ts'])
    expect(files.filter((name) => textOf(name).includes(`'../src/`))).toEqual(['offline.ts'])
    expect(files.filter((name) => textOf(name).trimEnd().split('\n').length > 300)).toEqual([])
  })
})

describe('what it prints', () => {
  it('is the object of the API, unchanged, with -o json', async () => {
    const asked = await home.run([
      'create',
      'as-json',
      '--profile',
      'aws-minimal-test',
      '--tag',
      'purpose=test',
      '--tag',
      'a=b=c',
      '-o',
      'json',
    ])
    const { cluster, job } = JSON.parse(asked.stdout)
    expect(cluster).toMatchObject({ name: 'as-json', platform: 'aws', requestTags: { purpose: 'test', a: 'b=c' } })
    await h.reach(cluster.id, 'READY')
    expect(await home.json('get', 'as-json')).toMatchObject({ id: cluster.id, status: 'READY' })
    expect(await home.json('job', 'get', job.id)).toEqual((await h.call('GET', `/jobs/${job.id}`)).body)
    expect(await home.json('cluster', 'jobs', 'as-json')).toEqual(
      (await h.call('GET', `/clusters/${cluster.id}/jobs`)).body,
    )
    expect(parse((await home.run(['job', 'get', job.id, '-o', 'yaml'])).stdout)).toEqual(
      (await h.call('GET', `/jobs/${job.id}`)).body,
    )
    expect((await home.run(['job', 'get', job.id, '-o', 'name'])).stdout).toBe(`${job.id}\n`)
  })

  it('is the whole of a list for programs, and says what is left out for people', async () => {
    const tokens = Array.from({ length: 203 }, (_, n) => `token-${n}`)
    for (const name of tokens) await h.call('POST', '/api/v1/api-tokens', { body: { name }, key: name })
    const count = Number(
      (await h.rows<{ n: string }>('select count(*) as n from api_tokens where revoked_at is null'))[0]?.n,
    )
    expect(count).toBeGreaterThan(200)
    const { items, nextCursor } = await home.json('api-token', 'list')
    expect({ count: new Set(items.map(({ id }: { id: string }) => id)).size, nextCursor }).toEqual({
      count,
      nextCursor: null,
    })
    const lines = await home.run(['api-token', 'list', '-o', 'jsonl'])
    expect(
      lines.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(items)
    const csv = (await home.run(['api-token', 'list', '-o', 'csv'])).stdout.trim().split('\n')
    expect([csv.length, csv[0]]).toEqual([
      count + 1,
      'id,name,prefix,standsFor,createdBy,scopes,createdAt,expiresAt,lastUsedAt',
    ])
    expect((await home.run(['api-token', 'list', '-o', 'name'])).stdout.trim().split('\n')).toHaveLength(count)
    const table = await home.run(['api-token', 'list'])
    expect(table.stdout.trim().split('\n')).toHaveLength(201)
    expect(table.stderr).toMatch(
      /^200 are shown and there are more: --limit 0 for all, or --cursor \S+ for the next\n$/,
    )
    const cursor = /--cursor (\S+)/.exec(table.stderr)?.[1] ?? ''
    expect((await home.json('api-token', 'list', '--cursor', cursor)).items).toEqual(items.slice(200))
    const wide = (await home.run(['api-token', 'list', '-o', 'wide', '--limit', '1'])).stdout
    expect(wide).toContain('MADE')
    expect(table.stdout).not.toContain('MADE')
  })

  it('has no colours and asks nothing where there is no terminal', async () => {
    const { stdout, stderr } = await home.run(['ls', '--all'], { environment: { FORCE_COLOR: '1' } })
    // oxlint-disable-next-line no-control-regex -- this is what is looked for
    expect(stdout + stderr).not.toMatch(/\u001b/)
    const { cluster } = await h.requestCluster('unasked')
    expect((await home.run(['destroy', 'unasked'])).code).toBe(0)
    await h.reach(cluster.id, 'DESTROYED')
  })

  it('has colours on a terminal, but not where they are unwanted', async () => {
    const escapes = async (environment: Record<string, string>) =>
      // oxlint-disable-next-line no-control-regex -- this is what is looked for
      /\u001b\[\d+m/.test((await home.onTerminal(['ls', '--all'], { environment }).ended).stdout)
    expect([await escapes({}), await escapes({ NO_COLOR: '1' })]).toEqual([true, false])
  })

  it('asks on a terminal before something goes for ever', async () => {
    const { cluster } = await h.requestCluster('asked')
    const terminal = home.onTerminal(['destroy', 'asked'])
    await eventually(() => terminal.stdout().includes('cluster destroy asked: It is taken away'))
    terminal.child.stdin?.write('no\r')
    expect(await terminal.ended).toMatchObject({ code: 130, stdout: expect.stringContaining('nothing was done') })
    const { items } = (await h.call('GET', `/clusters/${cluster.id}/jobs`)).body
    expect(items).toHaveLength(1)
  })

  it('keeps destroyed clusters out of the list unless they are asked for, and says so', async () => {
    const { cluster } = await h.requestCluster('gone')
    expect((await home.run(['destroy', 'gone', '--wait'])).code).toBe(0)
    const names = async (...args: string[]) =>
      (await home.json('ls', ...args)).items.map(({ id }: { id: string }) => id)
    expect(await names()).not.toContain(cluster.id)
    expect(await names('--all')).toContain(cluster.id)
    expect((await home.run(['ls', '-o', 'name'])).stderr).toBe('destroyed clusters are left out; --all shows them\n')
  })

  it('does not let a text from elsewhere steer the terminal', async () => {
    const name = 'red \u009b31m\u202e'
    await h.rows(`update api_tokens set name = '${name}' where name = 'token-0'`)
    const { stdout } = await home.run(['api-token', 'list', '--limit', '0'])
    expect(stdout).toContain('red \\x9b31m\\x202e')
    expect(stdout).not.toContain('\u009b')
  })

  it('is usage as CSV of the API itself', async () => {
    const { stdout } = await home.run(['usage', 'get', '-o', 'csv', '--group-by', 'team,platform'])
    expect(stdout.split('\n')[0]).toMatch(/^kind,team,platform,/)
  })

  it('writes what is downloaded into a new file for its owner alone', async () => {
    const [cluster] = await h.rows<{ id: string }>(`select id from clusters where name = 'as-json'`)
    const { items } = await home.json('artifact', 'list', 'as-json')
    const file = join(home.dir, 'snapshot')
    expect(await home.run(['artifact', 'download', cluster?.id ?? '', items[0].id, '--file', file])).toMatchObject({
      code: 0,
    })
    expect([statSync(file).mode & 0o777, statSync(file).size > 0]).toEqual([0o600, true])
    const again = await home.run(['artifact', 'download', cluster?.id ?? '', items[0].id, '--file', file])
    expect([again.code, again.stderr]).toEqual([1, `ocpctl: EEXIST: file already exists, open '${file}'\n`])
  })

  it('reads secrets from standard input, and fields from a file', async () => {
    const { stdout } = await home.run(
      ['webhook', 'create', '--team', 'blue', '--url-stdin', '--type', 'cluster.ready,job.ended', '-o', 'json'],
      {
        stdin: 'https://example.com/secret-path\n',
      },
    )
    expect(JSON.parse(stdout)).toMatchObject({
      team: 'blue',
      types: ['cluster.ready', 'job.ended'],
      origin: 'https://example.com',
    })
    expect((await home.run(['webhook', 'create', '--url', 'https://example.com/x'])).code).toBe(2)
    writeFileSync(
      join(home.dir, 'binding.yaml'),
      'team: blue\nrole: requester\nprincipalType: oidc_group\nprincipal: developers\n',
    )
    const binding = await home.json('role-binding', 'create', '--from', 'binding.yaml', '--role', 'team_admin')
    expect(binding).toMatchObject({ team: 'blue', role: 'team_admin', principal: 'developers' })
    expect(await home.json('role-binding', 'update', binding.id, '--no-enabled')).toMatchObject({ enabled: false })
    expect((await home.run(['role-binding', 'delete', binding.id])).code).toBe(0)
  })
})

describe('how it ends', () => {
  const problemOf = (stderr: string) => JSON.parse(stderr)

  it('0 when it is done, 1 when the operation failed', async () => {
    h.setFaults([{ cluster: 'broken', stage: 'validate', action: 'fail', exitCode: 3, log: 'no such region' }])
    const { code, stderr, stdout } = await home.run([
      'create',
      'broken',
      '--profile',
      'aws-minimal-test',
      '--wait',
      '-o',
      'json',
    ])
    expect({ code, stderr }).toMatchObject({ code: 1 })
    expect(JSON.parse(stdout)).toMatchObject({
      cluster: { name: 'broken', status: 'FAILED' },
      job: { status: 'FAILED' },
    })
    expect(problemOf(stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({ code: 'FAILED' })
    expect((await home.run(['wait', 'broken', '--for', 'ready'])).code).toBe(1)
    expect((await home.run(['wait', 'broken', '--for', 'job'])).code).toBe(1)
    h.setFaults([])
    expect((await home.run(['destroy', 'broken', '--wait'])).code).toBe(0)
    expect((await home.run(['wait', 'broken', '--for', 'destroyed'])).code).toBe(0)
  })

  it('0 when one thing is done to many, 1 when it was not done to all of them', async () => {
    const [one] = [
      await h.requestCluster('many-1', { team: 'many' }),
      await h.requestCluster('many-2', { team: 'many' }),
    ]
    const which = ['--filter', 'team=many', '--filter', 'status=PENDING,CREATING', '--filter', 'status=READY']
    const preview = await home.json('operation', 'create', 'destroy', ...which, '--dry-run')
    expect(preview).toMatchObject({ matched: 2, allowed: 2, effects: [{ effect: 'destroy-begins', count: 2 }] })
    const stop = await startOperations(h.app)
    const all = ['operation', 'create', 'destroy', ...which, '--expected', '2', '--wait', '-o', 'json']
    const { code, stdout } = await home.run(all)
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, status: 'ENDED', done: 2 })
    const asked = await home.json(
      'operation',
      'create',
      'extend',
      '--cluster',
      `many-2,${one.cluster.id}`,
      '--hours',
      '5',
    )
    const waited = await home.run(['wait', asked.id])
    expect(waited).toMatchObject({ code: 1, stderr: expect.stringContaining(`2 of 2 were not done: \`ocpctl operation items ${asked.id}`) }) // prettier-ignore
    const items = await home.run(['operation', 'items', asked.id, '--outcome', 'REFUSED,FAILED', '-o', 'csv'])
    expect(items.stdout).toMatch(/^clusterId,name,outcome,.*\n.*,many-2,REFUSED,.*\n.*,many-1,REFUSED,/)
    await stop()
  })

  it('2 when the command is wrong, and says what is right', async () => {
    for (const [args, told] of [
      [['lss'], "unknown command 'lss'"],
      [['ls', '--nothing'], "unknown option '--nothing'"],
      [['get'], "missing required argument 'cluster'"],
      [['create', 'x'], 'say which profile: --profile NAME'],
      [['create', 'x', '--profile', 'aws-minimal-test', '--ttl-hours', 'many'], '--ttl-hours takes a number'],
      [['create', 'x', '--profile', 'aws-minimal-test', '--tag', 'plain'], '--tag takes key=value'],
      [['cluster', 'protect', 'as-json', '--reason', 'x', '--until', 'soon'], '"soon" is no time'],
      [['wait', 'as-json', '--timeout', 'long'], '"long" is no span of time'],
      [['ls', '-o', 'html'], 'Allowed choices are'],
    ] as const) {
      const { code, stderr, stdout } = await home.run([...args])
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' })
      expect(stderr).toContain(told)
    }
  })

  it('3 when policy, quota or budget refuse', async () => {
    const args = ['create', 'too-long', '--profile', 'aws-minimal-test', '--ttl-hours', '8000']
    const refused = await home.run([...args, '-o', 'json'])
    expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 3, stdout: '' })
    expect(problemOf(refused.stderr)).toMatchObject({
      code: 'POLICY_VIOLATION',
      status: 422,
      errors: [{ pointer: '/ttlHours' }],
    })
    const preview = await home.run([...args, '--dry-run', '-o', 'json'])
    expect({ code: preview.code, allowed: JSON.parse(preview.stdout).allowed }).toEqual({ code: 3, allowed: false })
    expect((await home.run(args)).stderr).toMatch(/\/ttlHours .*nearest that is allowed: \d+/)
  })

  it('4 when nobody is signed in, 5 when it is not allowed or not there', async () => {
    const nobody = await home.run(['ls', '-o', 'json'], { environment: { OCPCTL_TOKEN: 'ocp_nonsense' } })
    expect(nobody.code).toBe(4)
    expect(problemOf(nobody.stderr.split('\n')[1] ?? '')).toMatchObject({ code: 'UNAUTHENTICATED' })
    expect((await home.run(['whoami'], { environment: { OCPCTL_TOKEN: '' } })).code).toBe(4)
    expect((await home.run(['whoami'], { environment: { OCPCTL_TOKEN: '', OCPCTL_URL: '' } })).stderr).toContain(
      'ocpctl login https://',
    )
    expect((await home.run(['get', 'nowhere'])).code).toBe(5)
    expect((await home.run(['job', 'get', 'job_01k0000000e0000000000000000'])).code).toBe(5)
    const auditor = await h.tokenFor([{ team: '*', role: 'auditor' }])
    expect((await home.run(['destroy', 'as-json'], { environment: { OCPCTL_TOKEN: auditor } })).code).toBe(5)
  })

  it('6 when something stands against it', async () => {
    const taken = await home.run(['create', 'as-json', '--profile', 'aws-minimal-test', '-o', 'json'])
    expect({ code: taken.code, problem: problemOf(taken.stderr).code }).toEqual({ code: 6, problem: 'NAME_TAKEN' })
    const [job] = (await home.json('cluster', 'jobs', 'as-json')).items
    expect((await home.run(['job', 'retry', job.id])).code).toBe(6)
  })

  it('7 when the wait is over and the operation goes on', async () => {
    h.setFaults([{ cluster: 'endless', stage: 'network', action: 'hang' }])
    const { code, stdout, stderr } = await home.run([
      'create',
      'endless',
      '--profile',
      'aws-minimal-test',
      '--wait=1s',
      '-o',
      'json',
    ])
    expect(code).toBe(7)
    const { cluster, job } = JSON.parse(stdout)
    expect(stderr).toContain(`ocpctl wait ${job.id} --for job`)
    expect((await h.call('GET', `/jobs/${job.id}`)).body.status).toMatch(/PENDING|RUNNING/)
    h.setFaults([])
    expect((await home.run(['destroy', cluster.id, '--wait'])).code).toBe(0)
  })

  it('8 when the server cannot be reached', async () => {
    const { code, stderr } = await home.run(['ls', '-o', 'json'], { environment: { OCPCTL_URL: 'http://127.0.0.1:9' } })
    expect(code).toBe(8)
    expect(problemOf(stderr.split('\n')[1] ?? '')).toMatchObject({ code: 'UNREACHABLE' })
  })
})

/** A server that answers as the test says, and remembers what it was asked. */
async function openFake(answer: (request: IncomingMessage, response: ServerResponse, count: number) => void) {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    request.resume()
    answer(request, response, asked.length)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // listens on TCP
    asked,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
const problemBody = (status: number) =>
  JSON.stringify({ status, code: 'UNAVAILABLE', detail: 'not now', title: 'x', type: 'x', requestId: 'r' })

describe('a request', () => {
  it('has a key of its own, the same at each of its tries, and tells it when it failed', async () => {
    const fake = await openFake((_, response) =>
      response.writeHead(503, { 'content-type': 'application/problem+json' }).end(problemBody(503)),
    )
    const environment = { OCPCTL_URL: fake.url, OCPCTL_TOKEN: 'x' }
    const args = ['destroy', 'clu_01k0000000e0000000000000000']
    const first = await home.run(args, { environment })
    expect(first.code).toBe(8)
    const keys = fake.asked.map(({ headers }) => headers['idempotency-key'])
    expect([keys.length > 1, new Set(keys).size]).toEqual([true, 1])
    expect(first.stderr).toContain(`--idempotency-key ${String(keys[0])}`)
    fake.asked.length = 0
    await home.run([...args, '--idempotency-key', 'mine'], { environment })
    expect(new Set(fake.asked.map(({ headers }) => headers['idempotency-key']))).toEqual(new Set(['mine']))
    fake.asked.length = 0
    const problem = await home.run([...args, '-o', 'json'], { environment })
    const [other] = fake.asked.map(({ headers }) => headers['idempotency-key'])
    expect(other).not.toBe(keys[0])
    expect(JSON.parse(problem.stderr)).toMatchObject({ code: 'UNAVAILABLE', idempotencyKey: other })
    fake.close()
  })

  it('is done once when the answer was lost', async () => {
    const handOn = async (request: IncomingMessage, response: ServerResponse, count: number) => {
      const key = String(request.headers['idempotency-key'])
      const headers = { authorization: `Bearer ${h.admin}`, 'idempotency-key': key }
      const answer = await fetch(`${url}${request.url}`, { method: request.method ?? '', headers })
      const body = await answer.text()
      if (count === 1) request.socket.destroy()
      else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body)
    }
    const lossy = await openFake((...given) => void handOn(...given))
    const { cluster } = await h.requestCluster('lossy')
    const { code } = await home.run(['destroy', cluster.id], { environment: { OCPCTL_URL: lossy.url } })
    expect([code, lossy.asked.length]).toEqual([0, 2])
    const jobs = (await h.call('GET', `/clusters/${cluster.id}/jobs`)).body.items
    expect(jobs.filter(({ type }: { type: string }) => type === 'DESTROY')).toHaveLength(1)
    lossy.close()
  })

  it('follows events from where it was, and ends when it is refused', async () => {
    const told = (id: string) => `id: ${id}\nevent: job.changed\ndata: {"job":{"id":"${id}"}}\n\n`
    const refused = 'event: refused\ndata: {"code":"UNAUTHENTICATED","detail":"the token is revoked"}\n\n'
    const fake = await openFake((_, response, count) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      if (count === 1) response.write(`event: open\ndata: {}\n\n${told('1-1')}`, () => response.destroy())
      else response.end(`${told('1-2')}${refused}`)
    })
    const environment = { OCPCTL_URL: fake.url }
    const args = ['event', 'watch', '--type', 'job,cluster.ready', '-o', 'jsonl']
    const { code, stdout } = await home.run(args, { environment })
    expect([code, stdout]).toEqual([4, '{"job":{"id":"1-1"}}\n{"job":{"id":"1-2"}}\n'])
    expect(fake.asked.map((request) => request.headers['last-event-id'])).toEqual([undefined, '1-1'])
    expect(fake.asked[0]?.url).toBe('/api/v1/events/stream?type=job&type=cluster.ready')
    fake.close()
  })

  it('takes its token to no other server', async () => {
    const other = await openFake((_, response) => response.end('{}'))
    const redirecting = await openFake((_, response) =>
      response.writeHead(307, { location: `${other.url}/api/v1/whoami` }).end(),
    )
    const { code } = await home.run(['whoami'], { environment: { OCPCTL_URL: redirecting.url } })
    expect([code, other.asked]).toEqual([8, []])
    for (const each of [other, redirecting]) each.close()
  })

  it('does not go over plain HTTP to another host', async () => {
    const { code, stderr } = await home.run(['ls'], { environment: { OCPCTL_URL: 'http://ocpctl.example.com' } })
    expect(code).toBe(2)
    expect(stderr).toContain('would send your token in clear')
  })
})

describe('without a server', () => {
  const nobody = { OCPCTL_URL: '', OCPCTL_TOKEN: '' }

  it('lints and diagnoses as the service does', async () => {
    const log = join(home.dir, 'install.log')
    writeFileSync(log, 'level=error msg="Quota exceeded: VcpuLimitExceeded"\n')
    const diagnosed = await home.run(['diagnose', log, '-o', 'json'], { environment: nobody })
    expect(JSON.parse(diagnosed.stdout)).toMatchObject({ reason: 'VcpuLimitExceeded' })
    const config = join(home.dir, 'install-config.yaml')
    writeFileSync(config, 'apiVersion: v1\nbaseDomain: example.com\nmetadata:\n  name: Bad_Name\n')
    const linted = await home.run(['lint', config], { environment: nobody })
    expect(linted.code).toBe(1)
    expect(linted.stdout).toMatch(/install-config\.yaml:4 error \/metadata\/name /)
    expect((await home.run(['lint', join(home.dir, 'nothing')], { environment: nobody })).code).toBe(2)
  })
})

describe('completion', () => {
  const offered = async (words: string[], environment: Record<string, string> = { OCPCTL_COMPLETION_MS: '60000' }) =>
    (await home.run(['complete', '--', ...words], { environment })).stdout
      .split('\n')
      .map((line) => line.split('\t')[0])

  it('has a script for each shell', async () => {
    const scripts = await Promise.all(
      ['bash', 'zsh', 'fish', 'powershell'].map((shell) => home.run(['completion', shell])),
    )
    for (const { code, stdout } of scripts) expect([code, stdout.includes('ocpctl')]).toEqual([0, true])
    expect((await home.run(['completion', 'tcsh'])).code).toBe(2)
  })

  it('offers commands, options and their values, and what the server has now', async () => {
    expect(await offered(['clu'])).toContain('cluster')
    expect(await offered(['cluster', 'dest'])).toContain('destroy')
    expect(await offered(['create', '--ttl'])).toContain('--ttl-hours')
    expect(await offered(['ls', '--platform', ''])).toContain('azure')
    const { cluster } = await h.requestCluster('offered')
    expect(await offered(['get', ''])).toEqual(expect.arrayContaining(['offered', cluster.id]))
    expect(await offered(['cluster', 'extend', 'off'])).toContain('offered')
    expect(await offered(['create', '--profile', 'aws-m'])).toContain('aws-minimal-test')
    expect((await offered(['logs', 'job_'])).some((word) => word?.startsWith('job_'))).toBe(true)
  })

  it('offers nothing live where the server is silent, and does not wait for it', async () => {
    const silent = await openFake(() => undefined)
    const words = await offered(['get', ''], { OCPCTL_URL: silent.url })
    expect(words).toEqual([':4', ''])
    silent.close()
  })
})

it('leaves nothing behind in a home where nobody signed in', () => {
  expect(existsSync(join(home.dir, 'config'))).toBe(false)
})
