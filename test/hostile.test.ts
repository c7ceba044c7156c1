// Requests that nobody means well with: each is refused with a problem, and nothing is changed.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import addFormats from 'ajv-formats'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createHttp } from '../src/http/app.ts'
import { createServer } from '../src/http/server.ts'
import { openHarness, ROOT, type Harness } from './harness.ts'

type Case = {
  name: string
  method?: string
  path: string
  body?: string | Uint8Array
  headers?: Record<string, string>
  /** What the status must be; otherwise any 4xx. */
  status?: number
}

const document = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8'))
const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema(document, 'api')
const isProblem = ajv.compile({ $ref: 'api#/components/schemas/Problem' })

let h: Harness
let server: Server
let port: number
let ids: { clu: string; job: string; tok: string; rbm: string }
let before: unknown
const http = () => createHttp(h.app)
const counts = () =>
  h.rows(`select (select count(*) from clusters) as clusters, (select count(*) from jobs) as jobs,
    (select count(*) from api_tokens where revoked_at is null) as tokens, (select count(*) from rbac_mappings) as bindings,
    (select count(*) from idempotency_keys) as keys, (select string_agg(status || protected, ',') from clusters) as states`)

beforeAll(async () => {
  h = await openHarness()
  const { cluster, job } = await h.requestCluster('target')
  const token = await h.call('POST', '/api/v1/api-tokens', { body: { name: 'target' } })
  const binding = { principalType: 'oidc_group', principal: 'target', team: 'red', role: 'requester' }
  const bound = await h.call('POST', '/api/v1/role-bindings', { body: binding })
  ids = { clu: cluster.id, job: job.id, tok: token.body.id, rbm: bound.body.id }
  server = createServer(http()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port // it listens on TCP
  before = await counts()
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await h.close()
})

/** A real thing where an id is wanted, so that nothing hides behind a 404. */
const real = (path: string) =>
  path
    .replace(/^(\/api\/v1\/clusters)\/\{id\}/, `$1/${ids.clu}`)
    .replace(/^(\/api\/v1\/jobs)\/\{id\}/, `$1/${ids.job}`)
    .replace(/^(\/api\/v1\/api-tokens)\/\{id\}/, `$1/${ids.tok}`)
    .replace(/^(\/api\/v1\/role-bindings)\/\{id\}/, `$1/${ids.rbm}`)

// Every operation, and every body, as the document has them.
type Parameter = { name: string; in: string; schema?: { type?: string; anyOf?: object[]; enum?: string[] } }
const operations = Object.entries<Record<string, { parameters?: Parameter[]; requestBody?: any }>>(document.paths) // eslint-disable-line -- JSON
  .filter(([path]) => path.startsWith('/api/'))
  .flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation })))
const valid: Record<string, Record<string, unknown>> = {
  'POST /api/v1/clusters': { name: 'hostile', platform: 'aws', profile: 'aws-minimal-test' },
  'POST /api/v1/api-tokens': { name: 'hostile' },
  'POST /api/v1/role-bindings': { principalType: 'oidc_group', principal: 'g', team: 'blue', role: 'requester' },
  'PATCH /api/v1/role-bindings/{id}': { enabled: true },
  'POST /api/v1/clusters/adopt': { clusterId: 'clu_01k0000000e000000000000000' },
  'POST /api/v1/clusters/{id}/abandon': { reason: 'it can never be destroyed' },
}
const bodies = operations
  .filter(({ operation }) => operation.requestBody)
  .map(({ path, method, operation }) => ({
    method: method.toUpperCase(),
    path,
    schema: operation.requestBody.content['application/json'].schema as { properties: Record<string, object> },
  }))

const text = (value: unknown) => JSON.stringify(value)
const deep = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth)
const bytes = (...parts: (string | number[])[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string))) // either kind will do

const malformed: [string, string | Uint8Array][] = [
  ...[
    ...['{', '}', '[', ']', '"', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '[1,]', '[,1]', '{,}', '{"a" 1}'],
    ...["{'a':1}", '{a:1}', '{"a":1}}', '{"a":1}{"b":2}', '{"a":1} x', '// c\n{}', '{/* c */}', '{"a":1}//', '#', 'x'],
    ...['undefined', 'NaN', 'Infinity', '-', '+1', '01', '1.', '.5', '1e', '0x10', 'True', 'nul', 'tru', '1_000', "''"],
    ...[
      '"\\x"',
      '"\\u12"',
      '"\\u00zz"',
      '"\t"',
      '"a\nb"',
      '{"a":"\u0001"}',
      '{"a":"\u001f"}',
      '\u00a0{}',
      '\u2028{}',
      '\v{}',
    ],
    ...[' ', '\n\t\r ', '\u0000', '{}\u0000', '\ufeff{}', '\ufeff', 'a=1&b=2', '<a/>', '---\na: 1', '{"a":1;"b":2}'],
  ].map((body): [string, string] => [text(body), body]),
  ...['null', 'true', 'false', '0', '-0', '1e999', '-1e999', '9'.repeat(400), '""', '"{}"', '[]', '[{}]', '[[]]'].map(
    (body): [string, string] => [`${body.slice(0, 20)} alone`, body],
  ),
  ['an empty body', ''],
  ['deep arrays', deep(100_000, '[', ']')],
  ['deep objects', deep(20_000, '{"a":', '}')],
  ['deep arrays that do not end', '['.repeat(200_000)],
  ['33 deep', `{"x":${deep(33, '[', ']')}}`],
  ['a body over the limit', `{"name":"${'x'.repeat(300 * 1024)}"}`],
  ['bad UTF-8', bytes('{"name":"', [0xff], '"}')],
  ['half a UTF-8 sequence', bytes('{"name":"', [0xe2, 0x82], '"}')],
  ['overlong UTF-8', bytes('{"name":"', [0xc0, 0xaf], '"}')],
  ['a surrogate in UTF-8', bytes('{"name":"', [0xed, 0xa0, 0x80], '"}')],
  ['UTF-16', Buffer.from('{"name":"x"}', 'utf16le')],
  ['UTF-16 with a mark', bytes([0xff, 0xfe], '{"name":"x"}')],
  ['random bytes', bytes([0x00, 0x01, 0x80, 0x90, 0xfe])],
  ['gzip', bytes([0x1f, 0x8b, 0x08, 0x00])],
]

/** Values that are right nowhere, or nearly; the schema says where each is wrong. */
const values: unknown[] = [
  ...[null, true, 0, -1, 1.5, 1e21, 2 ** 31, 2 ** 53, -(2 ** 63), '', ' ', '\n', '../../etc/passwd', "' or 1=1 --"],
  ...[[], [null], ['x'], {}, { a: 1 }, { $ne: null }, 'x'.repeat(20_000), '%00', '\u202e', 'constructor'],
]

function bodyCases(): Case[] {
  const cases: Case[] = []
  for (const { method, path, schema } of bodies) {
    const good = valid[`${method} ${path}`] ?? {}
    const add = (name: string, body: Case['body'], more: Partial<Case> = {}) =>
      cases.push({ name: `${method} ${path}: ${name}`, method, path, body: body ?? '', ...more })
    for (const [name, body] of malformed) add(name, body)
    const check = ajv.compile(JSON.parse(text(schema).replaceAll('"#/', '"api#/')))
    for (const field of Object.keys(schema.properties)) {
      for (const value of values) {
        const body = { ...good, [field]: value }
        if (!check(body)) add(`${field} is ${text(value).slice(0, 30)}`, text(body))
      }
      const twice = text(good[field] ?? 'x')
      add(`${field} twice`, `{${text(good).slice(1, -1)},"${field}":${twice},"${field}":${twice}}`, { status: 400 })
      for (const escape of ['\\u0000', '\\ud800', '\\udc00', '\\udc00\\ud800'])
        add(
          `${field} holds ${escape}`,
          `{${text({ ...good, [field]: '' })
            .slice(1, -1)
            .replace(`"${field}":""`, `"${field}":"a${escape}"`)}}`,
          { status: 400 },
        )
    }
    for (const key of [
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      'id',
      '',
      'NAME',
      'name ',
    ])
      add(`the key ${text(key)}`, `{${text(good).slice(1, -1)},${text(key)}:{"isAdmin":true}}`, { status: 400 })
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/json',
      'application/json; charset=utf-16',
      'application/json; charset=latin1',
      'application/json, text/plain',
      'a',
      '*/*',
      'application/xml',
      'application/jsonp',
      'application/problem+json',
    ])
      add(`the type ${type}`, text(good), { headers: { 'content-type': type }, status: 415 })
    add('gzip that is none', text(good), { headers: { 'content-encoding': 'gzip' }, status: 415 })
  }
  const cluster = (name: string, more: object | string) =>
    cases.push({
      name: `POST /api/v1/clusters: ${name}`,
      method: 'POST',
      path: '/api/v1/clusters',
      body:
        typeof more === 'string'
          ? more
          : text({ ...valid['POST /api/v1/clusters'], name: `hostile-${cases.length}`, ...more }),
    })
  for (const name of [
    'A',
    '-a',
    'a-',
    'a.b',
    'a_b',
    'a b',
    'ä',
    '../a',
    'a/../b',
    '%2e%2e',
    'a\nb',
    'x'.repeat(22),
    '*',
    '𝐚',
    'a;b',
    '$(a)',
    '`a`',
    "a'b",
  ])
    cluster(`the name ${text(name)}`, { name })
  for (const profile of [
    '__proto__',
    'constructor',
    'toString',
    '../profiles/aws-minimal-test',
    '/etc/passwd',
    'AWS-minimal-test',
    'aws-minimal-test.yaml',
    'aws-minimal-test/',
    './aws-minimal-test',
    '%61ws-minimal-test',
    'x'.repeat(63),
  ])
    cluster(`the profile ${text(profile)}`, { profile })
  for (const tag of [
    'kubernetes.io/cluster/x',
    'Name',
    'openshift.io/x',
    'a\nb',
    '',
    'x'.repeat(129),
    'aws:x',
    'ocpctl/owner',
    'a\u0000b',
  ])
    cluster(`the tag ${text(tag)}`, { tags: { [tag]: 'x' } })
  cluster(
    'the tag __proto__',
    `{"name":"hostile","platform":"aws","profile":"aws-minimal-test","tags":{"__proto__":"x"}}`,
  )
  for (const [field, value] of [
    ['version', '4.20.3; rm -rf /'],
    ['version', '../4.20.3'],
    ['version', '99.0.0'],
    ['version', '4.20.3\n'],
    ['region', 'us-east-1 '],
    ['region', '../us-east-1'],
    ['region', 'constructor'],
    ['baseDomain', 'evil.example.com'],
    ['baseDomain', 'clusters.example.com.'],
    ['baseDomain', 'clusters.example.com/..'],
    ['sshPublicKey', 'ssh-rsa AAAA'],
    ['sshPublicKey', 'command="x" ssh-ed25519 AAAA'],
    ['ttlHours', 8761],
    ['ttlHours', 73],
    ['workerReplicas', 1001],
    ['owner', 'a\u0007b'],
    ['team', '\u0000'],
    ['costCenter', 'x'.repeat(129)],
    ['tags', { a: { b: 'c' } }],
    ['tags', Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`t${n}`, 'x']))],
  ] as const)
    cluster(`${field} ${text(value).slice(0, 40)}`, { [field]: value })
  return cases
}

function addressCases(): Case[] {
  const cases: Case[] = []
  const hostileIds = ['..', '.', '%2e%2e', '..%2f..%2fetc%2fpasswd', '%00', 'a%00b', '%ff', '%c0%af', '%', '%zz', '%2', '%ed%a0%80',
    'x'.repeat(65), '__proto__', 'constructor', "'%20or%201=1--", '%0d%0aset-cookie:a=b', '*', '%25', 'null', '-1', 'clu_', '%E2%80%AE',
    'clu_01k0000000e0000000000000000', 'CLU_01K0000000E000000000000000', '%F0%9F%92%A9', ';'] // prettier-ignore
  for (const { path, method, operation } of operations) {
    const needsBody = operation.requestBody !== undefined
    const base = {
      method: method.toUpperCase(),
      ...(needsBody ? { body: text(valid[`${method.toUpperCase()} ${path}`]) } : {}),
    }
    const add = (name: string, suffix: string, status?: number) =>
      cases.push({
        ...base,
        name: `${base.method} ${path}: ${name}`,
        path: path + suffix,
        ...(status ? { status } : {}),
      })
    for (const query of [
      '?nonsense=1',
      '?__proto__=1',
      '?constructor=1',
      '?limit[]=1',
      '?%00=1',
      '?%ff',
      '?dryRun=true%00',
      '?&&=&',
    ])
      add(query, query, 400)
    for (const { name, in: place, schema } of operation.parameters ?? []) {
      if (place !== 'query') continue
      for (const value of ['%00', '%ff', '%', '%zz', '%ed%a0%80']) add(`${name}=${value}`, `?${name}=${value}`, 400)
      if (!text(schema).includes('"type":"array"')) add(`${name} twice`, `?${name}=1&${name}=1`, 400)
      if (schema?.type === 'integer')
        for (const value of [
          '',
          '-1',
          '0.5',
          '1e3',
          '1e999',
          '0x10',
          'NaN',
          'Infinity',
          '+5',
          '5%20',
          '99999999999999999',
          '2147483648',
          '٣',
        ])
          add(`${name}=${value}`, `?${name}=${value}`, 400)
      if (text(schema).includes('"enum"'))
        for (const value of ['', 'x', 'READY%20', 'constructor', "'", 'ready'])
          add(`${name}=${value}`, `?${name}=${value}`, 400)
      if (name === 'cursor')
        for (const value of [
          'x',
          '..',
          'eyJ9',
          'x'.repeat(201),
          Buffer.from("clu_'; drop table x;--").toString('base64url'),
          'AAAA',
        ])
          add(`cursor=${value}`, `?cursor=${value}`, 400)
      if (name === 'from' || name === 'to')
        for (const value of [
          'now',
          '2026-02-30T00:00:00Z',
          '0',
          '9999999999',
          '2026-01-01',
          '+275760-09-13T00:00:00Z',
          '-000001-01-01T00:00:00Z',
        ])
          add(`${name}=${value}`, `?${name}=${value}`, 400)
    }
    if (path.includes('{'))
      for (const id of hostileIds.filter((id) => !/^(%2e%2e|\.\.?)$/.test(id)))
        cases.push({ ...base, name: `${base.method} ${path}: the id ${id}`, path: path.replace(/\{\w+\}/, id) })
    for (const odd of ['PUT', 'PATCH', 'DELETE', 'PROPFIND', 'BREW', 'OPTIONS', 'QUERY'])
      if (document.paths[path][odd.toLowerCase()] === undefined)
        cases.push({ name: `${odd} ${path}`, method: odd, path, status: 405 })
    if (base.method !== 'GET' && !needsBody) {
      for (const body of ['{"dryRun":true}', '{', '[]', 'null'])
        cases.push({ ...base, name: `${base.method} ${path}: a body ${body}`, path, body, status: 400 })
    }
  }
  for (const path of [
    '/api',
    '/api/',
    '/api/v1',
    '/api/v1/',
    '/api/v2/clusters',
    '/api/v1/clusters/',
    '/api/v1//clusters',
    '//api/v1/clusters',
    '/api/v1/../../etc/passwd',
    '/api/v1/clusters/../../../healthz/x',
    '/api/v1/%63lusters/x/y',
    '/API/v1/clusters',
    '/api/v1/clusters;a=b',
    '/.env',
    '/docs/..%2fpackage.json',
    '/docs/%2e%2e/package.json',
    '/docs/package.json',
    '/docs/__proto__',
    '/docs/constructor',
    '/openapi.json/x',
    '/metrics/../nothing',
  ])
    cases.push({ name: `GET ${path}`, path })
  const key = (name: string, value: string) =>
    cases.push({
      name: `Idempotency-Key ${name}`,
      method: 'POST',
      path: '/api/v1/clusters/{id}/destroy',
      headers: { 'idempotency-key': value },
      status: 400,
    })
  key('empty', '')
  key('too long', 'x'.repeat(256))
  key('with latin-1', 'caf\u00e9')
  key('with a space', 'a b')
  for (const value of ['x', '-1', '1e3', '99999999999', '1.5', '\u00e9'])
    cases.push({
      name: `Last-Event-ID ${value}`,
      path: '/api/v1/jobs/{id}/log/stream',
      headers: { 'last-event-id': value },
      status: 400,
    })
  return cases
}

it('each of them is refused with a problem, and nothing is changed', async () => {
  const cases = [...bodyCases(), ...addressCases()]
  expect(cases.length).toBeGreaterThan(300)
  const app = http()
  const wrong: string[] = []
  for (const { name, method = 'GET', path, body, headers, status } of cases) {
    const answer = await app.request(real(path), {
      method,
      headers: {
        authorization: `Bearer ${h.admin}`,
        'idempotency-key': 'hostile',
        'user-agent': 'caf\u00e9 \u00ff',
        'x-request-id': 'a b\u00e9',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    })
    const told = await answer.text()
    const isRight = status === undefined ? answer.status >= 400 && answer.status < 500 : answer.status === status
    if (!isRight) wrong.push(`${name}: ${answer.status} ${told.slice(0, 200)}`)
    else if (path.startsWith('/api/v1')) {
      const problem: { status?: number } = JSON.parse(told)
      if (!isProblem(problem) || problem.status !== answer.status)
        wrong.push(`${name}: no problem, ${told.slice(0, 200)}`)
      if (/\bselect\b|\binsert\b|at .*\.ts:\d/.test(told)) wrong.push(`${name}: tells too much, ${told.slice(0, 200)}`)
    }
  }
  expect(wrong).toEqual([])
  expect(await counts()).toEqual(before)
})

const request = { name: 'pointed', platform: 'aws', profile: 'aws-minimal-test' }
const inside = (json: string) => `{${text(request).slice(1, -1)},${json}}`
it.each([
  ['POST', '/clusters', inside('"tags":{"a":"b","a":"c"}'), '/tags/a', 'is there twice'],
  ['POST', '/clusters', inside('"tags":{"a/b":"x\\u0000"}'), '/tags/a~1b', 'null character'],
  ['POST', '/clusters', inside('"tags":{"a\\ud800":"x"}'), '/tags/a\ufffd', 'surrogate'],
  ['POST', '/clusters', inside('"tags":{"__proto__":"x"}'), '/tags/__proto__', 'may not be a key'],
  ['POST', '/clusters', inside(`"tags":${deep(40, '[', ']')}`), `/tags${'/0'.repeat(31)}`, 'deeper than 32'],
  ['POST', '/clusters', inside('"owner":" "'), '/owner', 'may not be empty'],
  ['POST', '/clusters?dryrun=true', text(request), '/dryrun', 'is not a parameter'],
  ['GET', '/clusters?staus=READY', undefined, '/staus', 'is not a parameter'],
  ['GET', '/clusters?team=a&team=b', undefined, '/team', 'only once'],
  ['GET', '/clusters?limit=1e999', undefined, '/limit', 'from 1 to 200'],
  ['GET', '/clusters?q=%00', undefined, '/q', 'null character'],
  ['GET', '/clusters/%zz/jobs', undefined, '/id', 'percent-encoded'],
  ['GET', '/profiles/a%00', undefined, '/name', 'null character'],
])('%s %s %s is refused at %s', async (method, path, body, pointer, detail) => {
  const answer = await h.call(method, `/api/v1${path}`, { key: 'pointed', ...(body === undefined ? {} : { body }) })
  expect(answer).toMatchObject({
    status: 400,
    body: { code: 'BAD_INPUT', errors: [{ pointer, detail: expect.stringContaining(detail) }] },
  })
})

it('malformed JSON is told by line and column', async () => {
  const answer = await h.call('POST', '/clusters', { key: 'pointed', body: '{\n  "name": "a"\n  "b": 1\n}' })
  expect(answer.body.detail).toBe('the body is not JSON: comma expected, line 3 column 3')
})

// Bytes that no client library would send.
const auth = () => `authorization: Bearer ${h.admin}\r\n`
const post = (head: string, body = '') =>
  `POST /api/v1/api-tokens HTTP/1.1\r\nhost: x\r\n${auth()}content-type: application/json\r\n${head}\r\n${body}`
const get = (target: string, head = '') =>
  `GET ${target} HTTP/1.1\r\nhost: x\r\n${auth()}connection: close\r\n${head}\r\n`
const inner = () =>
  `POST /api/v1/api-tokens HTTP/1.1\r\nhost: x\r\n${auth()}content-length: 19\r\n\r\n{"name":"smuggled"}`

const raw: [string, () => string][] = [
  ['length and chunks', () => post('content-length: 4\r\ntransfer-encoding: chunked\r\n', `0\r\n\r\n${inner()}`)],
  ['chunks and length', () => post('transfer-encoding: chunked\r\ncontent-length: 4\r\n', `0\r\n\r\n${inner()}`)],
  ['two lengths', () => post('content-length: 0\r\ncontent-length: 200\r\n', inner())],
  ['a list of lengths', () => post('content-length: 0, 200\r\n', inner())],
  ['a negative length', () => post('content-length: -1\r\n', inner())],
  ['a length with a sign', () => post('content-length: +19\r\n', '{"name":"smuggled"}')],
  ['a length in hexadecimal', () => post('content-length: 0x13\r\n', '{"name":"smuggled"}')],
  ['a length beyond all numbers', () => post('content-length: 99999999999999999999\r\n', '{}')],
  ['a length beyond the limit', () => post('content-length: 300000\r\nconnection: close\r\n', '{}')],
  ['chunks that are called otherwise', () => post('transfer-encoding: xchunked\r\n', `0\r\n\r\n${inner()}`)],
  ['chunks that are called twice', () => post('transfer-encoding: chunked, identity\r\n', `0\r\n\r\n${inner()}`)],
  ['chunks behind a tab', () => post('transfer-encoding:\tx, chunked, x\r\n', `0\r\n\r\n${inner()}`)],
  ['a space before the colon', () => post('content-length : 19\r\n', '{"name":"smuggled"}')],
  ['a chunk size that is none', () => post('transfer-encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size beyond all numbers', () => post('transfer-encoding: chunked\r\n', 'fffffffffffffffff\r\n{}\r\n0\r\n\r\n')],
  ['a chunk without its end', () => post('transfer-encoding: chunked\r\n', '2\r\n{}x0\r\n\r\n')],
  ['chunks over the limit', () => post('transfer-encoding: chunked\r\nconnection: close\r\n', `${`10000\r\n${'x'.repeat(65_536)}\r\n`.repeat(8)}0\r\n\r\n`)],
  ['chunks of one byte with extensions', () => post('transfer-encoding: chunked\r\nconnection: close\r\n', `${`1;${'x'.repeat(9000)}\r\nx\r\n`.repeat(4)}0\r\n\r\n`)],
  ['a folded header', () => get('/api/v1/nowhere', 'x-folded: a\r\n b: c\r\n')],
  ['a bare line feed', () => `GET /api/v1/nowhere HTTP/1.1\nhost: x\n\n`],
  ['a carriage return in a value', () => get('/api/v1/nowhere', 'x: a\rb\r\n')],
  ['a null in a value', () => get('/api/v1/nowhere', 'x: a\u0000b\r\n')],
  ['a null in a name', () => get('/api/v1/nowhere', 'x\u0000: a\r\n')],
  ['a null in the target', () => get('/api/v1/clusters/a\u0000b')],
  ['a space in the target', () => get('/api/v1/clusters/a b')],
  ['a line break in the target', () => get('/api/v1/clusters/a\r\nx: y')],
  ['latin-1 in the target', () => get('/api/v1/clusters/caf\u00e9')],
  ['a backslash in the target', () => get('/api\\v1\\clusters')],
  ['a target that is relative', () => get('api/v1/clusters')],
  ['the target *', () => get('*')],
  ['an absolute target elsewhere', () => get('http://evil.example.com/api/v1/nowhere')],
  ['an absolute target of another kind', () => get('ftp://x/api/v1/clusters')],
  ['an absolute target that is none', () => get('http://[/api/v1/clusters')],
  ['a target with two slashes', () => get('//evil.example.com/api/v1/clusters')],
  ['a traversal', () => get('/api/v1/../../../../etc/passwd')],
  ['a traversal in code', () => get('/docs/%2e%2e/%2e%2e/package.json')],
  ['a query of 31 KiB', () => get(`/api/v1/clusters?q=${'x'.repeat(31_000)}`)],
  ['a query of 40 KiB', () => get(`/api/v1/clusters?q=${'x'.repeat(40_000)}`)],
  ['two thousand parameters', () => get(`/api/v1/clusters?${'a=1&'.repeat(2000)}`)],
  ['no Host', () => `GET /api/v1/clusters HTTP/1.1\r\n${auth()}\r\n`],
  ['a Host with a path', () => `GET /api/v1/clusters HTTP/1.1\r\nhost: a/b\r\n${auth()}connection: close\r\n\r\n`],
  ['a Host with a name and a password', () => `GET /api/v1/clusters HTTP/1.1\r\nhost: a:b@c\r\n${auth()}connection: close\r\n\r\n`],
  ['two credentials', () => get('/api/v1/clusters', 'authorization: Bearer x\r\n')],
  ['TRACE', () => `TRACE /api/v1/clusters HTTP/1.1\r\nhost: x\r\n${auth()}connection: close\r\n\r\n`],
  ['CONNECT', () => `CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n`],
  ['a method that is none', () => `G=T /api/v1/clusters HTTP/1.1\r\nhost: x\r\n\r\n`],
  ['a method in lower case', () => `get /api/v1/clusters HTTP/1.1\r\nhost: x\r\n\r\n`],
  ['HTTP/0.9', () => 'GET /api/v1/clusters\r\n\r\n'],
  ['HTTP/3.0', () => `GET /api/v1/clusters HTTP/3.0\r\nhost: x\r\n\r\n`],
  ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['TLS', () => '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003'],
  ['an upgrade', () => get('/api/v1/nowhere', 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n')],
  ['a thousand headers', () => get('/api/v1/nowhere', Array.from({ length: 1000 }, (_, n) => `x${n}: y\r\n`).join(''))],
] // prettier-ignore

it.each(raw)('%s is refused at the socket, and nothing comes in behind it', async (_, request) => {
  const socket = connect(port, '127.0.0.1')
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')))
  socket.on('error', () => undefined) // a reset after the answer
  socket.write(Buffer.from(request(), 'latin1'))
  await once(socket, 'close')
  const statuses = [...heard.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map((match) => Number(match[1]))
  expect(statuses.length, heard).toBeGreaterThan(0)
  expect(statuses.filter((status) => status < 400 || status >= 500)).toEqual([])
  expect(isProblem(JSON.parse(/\{.*?\}(?=$|\r\n|HTTP)/s.exec(heard)?.[0] ?? '""')), heard).toBe(true)
  expect(await counts()).toEqual(before)
})
