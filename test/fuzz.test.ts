// Requests made from docs/openapi.json: right ones, nearly right ones, and wrong ones. Whatever comes, no operation
// breaks, and each answers as its description says. FUZZ_REQUESTS is how many; a failure prints the seed that repeats it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import addFormats from 'ajv-formats'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { inArray } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { clusters as clusterTable } from '../src/clusters/tables.ts'
import { createHttp } from '../src/http/app.ts'
import { linksFor } from '../src/notices/links.ts'
import { openHarness, ROOT, type Harness } from './harness.ts'
import { ED25519 } from './ssh-keys.ts'

const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 8600)

type Schema = {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  items?: Schema
  pattern?: string
  format?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
}
type Content = Record<string, { schema: Schema }>
type Operation = {
  operationId: string
  parameters?: { name: string; in: 'path' | 'query' | 'header'; schema: Schema }[]
  requestBody?: { content: Content }
  responses: Record<string, { content?: Content }>
}
type Request = { path: string; headers: Record<string, string>; body?: string }

const document: { paths: Record<string, Record<string, Operation>> } = JSON.parse(
  readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8'),
)
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
)

const ajv = new Ajv2020({ strict: false })
addFormats.default(ajv)
ajv.addSchema(document, 'api')
const validators = new Map<Schema, ValidateFunction>()
function wrongIn(schema: Schema, value: unknown): string | undefined {
  let validate = validators.get(schema)
  if (!validate) {
    validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')))
    validators.set(schema, validate)
  }
  return validate(value) ? undefined : ajv.errorsText(validate.errors)
}

let h: Harness
let http: ReturnType<typeof createHttp>
/** What exists, by the path that it is a part of, so that requests get past the 404. */
const real = new Map<string, string[]>()
let cursors: string[] = []

beforeAll(async () => {
  h = await openHarness({ environment: { OCPCTL_PUBLIC_URL: 'https://ocpctl.example.com' } })
  http = createHttp(h.app)
  const worker = await h.startWorker()
  const clusters: string[] = []
  for (const name of ['fuzz-ready', 'fuzz-gone']) {
    const { cluster } = await h.requestCluster(name)
    await h.reach(cluster.id, 'READY')
    clusters.push(cluster.id)
  }
  const [ready = '', gone = ''] = clusters
  await h.destroy(gone)
  await h.reach(gone, 'DESTROYED')
  await worker.drain(0)
  for (let n = 0; n < 30; n++) clusters.push((await h.requestCluster(`fuzz-${n}`)).cluster.id)
  const held = `protected = true, protected_until = now() + interval '30 days'`
  // Stays READY, whoever asks for its destruction.
  await h.rows(`update clusters set ${held} where id = '${ready}'`)
  await h.rows(`update clusters set status = 'DESTROY_FAILED', ${held} where name ~ '^fuzz-(1?[0-4]|2[0-9])$'`)
  await h.rows(`update clusters set status = 'FAILED', ${held} where name ~ '^fuzz-[5-9]$'`)
  await h.rows(`update jobs set status = 'FAILED', ended_at = now()
    where cluster_id in (select id from clusters where status = 'FAILED')`)
  for (let n = 0; n < 50; n++) {
    await h.call('POST', '/api/v1/api-tokens', { body: { name: `fuzz-${n}` } })
    const binding = { principalType: 'oidc_group', principal: `g${n}`, team: 'red', role: 'requester' }
    await h.call('POST', '/api/v1/role-bindings', { body: binding })
  }
  real.set('clusters', [...clusters, ...Array.from({ length: 5 }, () => ready)])
  real.set('artifacts', await idsOf(`select id from cluster_artifacts where cluster_id = '${ready}'`))
  real.set('api-tokens', await idsOf(`select id from api_tokens where name like 'fuzz-%'`))
  // Not the administrator's own.
  real.set('role-bindings', await idsOf(`select id from rbac_mappings where team = 'red'`))
  real.set('profiles', h.app.catalog.list().map(({ name }) => name)) // prettier-ignore
  for (let n = 0; n < 200; n++)
    await h.call('POST', '/api/v1/webhooks', { body: { team: `t${n}`, url: 'https://hooks.example.com/' } })
  real.set('webhooks', await idsOf('select id from webhooks'))
  real.set('links', await linksOf(clusters))
  for (const verb of ['cancel', 'destroy']) {
    const body = { verb, filter: { profile: 'aws-minimal-test' } }
    await h.call('POST', '/api/v1/operations', { key: verb, body })
  }
  real.set('operations', await idsOf('select id from operations'))
  real.set('schedules', ['purge-idempotency-keys'])
  cursors = [...real.values()].flat().filter((id) => /^[a-z]{3}_/.test(id))
})
beforeEach(async () => {
  await h.rows(`update clusters set status = 'READY' where name = 'fuzz-ready'`)
  real.set('jobs', await idsOf('select id from jobs'))
})
afterAll(() => h.close())
/** Of an owner who may do what they say. */
const linksOf = async (ids: string[]) => {
  const owner = 'oidc_subject:ada@example.com'
  const binding = { principalType: 'oidc_subject', principal: 'ada@example.com', team: '*', role: 'platform_admin' }
  await h.call('POST', '/api/v1/role-bindings', { body: binding })
  const rows = await h.app.db.select().from(clusterTable).where(inArray(clusterTable.id, ids))
  return rows.flatMap((cluster) => linksFor(h.app, cluster, owner)).map(({ url }) => url.split('/').at(-1) ?? '')
}
const idsOf = async (query: string) => (await h.rows<{ id: string }>(query)).map(({ id }) => id)

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom('', ' ', '\u0000', '\ud800', '\u202e', '%00', '..', '__proto__', 'constructor', "'", '1e999', '\n'),
  fc.nat(3).map((size) => 'x'.repeat(10 ** size)),
)
const hostile: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.constantFrom(null, true, -1, 0, 1.5, 2 ** 31, 2 ** 53, 1e21, -1e308, [], {}),
  fc.double(),
  fc.jsonValue({ maxDepth: 3 }),
)

/** What the service knows and the schema cannot say. */
const hints: Record<string, fc.Arbitrary<unknown>> = {
  profile: fc.oneof(
    fc.constant('aws-minimal-test'),
    fc.nat().map((n) => oneOf('profiles', n)),
  ),
  platform: fc.oneof(fc.constant('aws'), fc.constantFrom('azure', 'gcp', 'ibmcloud')),
  version: fc.constantFrom('4.20.3', '4.19.15'),
  region: fc.constantFrom('us-east-1', 'eu-west-1'),
  baseDomain: fc.constant('clusters.example.com'),
  ttlHours: fc.integer({ min: 1, max: 72 }),
  until: fc.integer({ min: 1, max: 29 * 24 }).map((hours) => new Date(Date.now() + hours * 3_600_000).toISOString()),
  url: fc.constant('https://hooks.example.com/'),
  since: fc.constant(new Date(Date.now() - 3_600_000).toISOString()),
  hours: fc.integer({ min: 1, max: 24 }),
  zone: fc.constantFrom('Europe/Berlin', 'UTC', 'Antarctica/Troll'),
  awake: fc.constantFrom(['Mon-Fri 07:00-19:00'], ['Fri 22:00-06:00', 'Sun']),
  window: fc.constantFrom('month', '7d', 'lastweek'),
  from: fc.integer({ min: 1, max: 30 }).map((days) => new Date(Date.now() - days * 86_400_000).toISOString()),
  to: fc.constantFrom(new Date().toISOString(), '9999-12-31T23:59:59.999Z'),
  clusterId: fc.nat().map((n) => oneOf('clusters', n)),
  ids: fc.array(
    fc.nat().map((n) => oneOf('clusters', n)),
    { minLength: 1, maxLength: 5 },
  ),
  workerReplicas: fc.constant(0),
  sshPublicKey: fc.constant(ED25519),
  tags: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[a-zA-Z0-9 ]{1,8}$/), { maxKeys: 3 }),
}

/** Bodies whose fields depend on each other, by operation. */
const bodies: Record<string, fc.Arbitrary<unknown>> = {
  createOperation: fc
    .tuple(fc.constantFrom('destroy', 'extend', 'retry', 'cancel'), fc.boolean(), hints['ids'] ?? fc.constant([]), fc.constantFrom({ platform: 'aws' }, { status: ['READY'] }, { q: 'fuzz' })) // prettier-ignore
    .map(([verb, isNamed, ids, filter]) => ({ verb, ...(isNamed ? { ids } : { filter }), ...(verb === 'extend' ? { hours: 2 } : {}) })), // prettier-ignore
}

/** Values that fit a schema, or nearly: what a pattern or another rule of the service says is beyond it. */
function fitting(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  if (schema.$ref) {
    const step = (value: unknown, key: string) => (value as Record<string, unknown>)[key] // the document has it
    return fitting(
      schema.$ref
        .slice(2)
        .split('/')
        .reduce(step, document as unknown) as Schema,
      name,
    )
  }
  if (hints[name]) return fc.oneof({ weight: 5, arbitrary: hints[name] }, { weight: 1, arbitrary: fitting(schema) })
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf ?? (Array.isArray(schema.type) ? schema.type.map((type) => ({ ...schema, type })) : undefined) // prettier-ignore
  if (choices) return fc.oneof(...choices.map((choice) => fitting(choice, name)))
  switch (schema.type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -(2 ** 31), max: Math.min(schema.maximum ?? 2 ** 31, 2 ** 31) })
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true })
    case 'array':
      return fc.array(fitting(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: 5 })
    case 'object':
      return objectOf(schema)
    case 'string':
      return stringOf(schema, name)
    default:
      return hostile
  }
}

const sometimes = (value: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })

/** Bodies that take one of two. */
const EITHER = [
  ['hours', 'until'],
  ['deliveryId', 'since'],
]

function objectOf(schema: Schema): fc.Arbitrary<unknown> {
  const fields = Object.entries(schema.properties ?? {}).map(([key, field]) => {
    const value = fitting(field, key)
    // Many at once would hide what one does.
    return [key, schema.required?.includes(key) ? value : sometimes(value)] as const
  })
  const known = fc.record(Object.fromEntries(fields))
  const properties = Object.entries(schema.properties ?? {})
  if (EITHER.some((pair) => pair.join() === properties.map(([key]) => key).join()))
    return fc.oneof({ weight: 1, arbitrary: known }, ...properties.map(([key, field]) => ({ weight: 3, arbitrary: fc.record({ [key]: fitting(field, key) }) }))) // prettier-ignore
  if (fields.length > 0 || schema.additionalProperties === false) return known
  const values = typeof schema.additionalProperties === 'object' ? fitting(schema.additionalProperties) : hostile
  return fc.dictionary(fc.oneof(fc.stringMatching(/^[a-z]{1,8}$/), text), values, { maxKeys: 4 })
}

function stringOf(schema: Schema, name: string): fc.Arbitrary<string> {
  if (schema.format === 'date-time')
    return fc.oneof(
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      fc.constantFrom('0000-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '2026-01-01T00:00:00+23:59', '1969-01-01T00:00:00-23:59'), // prettier-ignore
    )
  if (name === 'cursor') return fc.nat().map((n) => cursors[n % cursors.length] ?? '') // prettier-ignore
  if (schema.pattern !== undefined && !schema.pattern.includes('\\p'))
    return fc.stringMatching(new RegExp(schema.pattern))
  const { minLength = 0, maxLength = 60 } = schema
  const length = { minLength, maxLength: Math.min(maxLength, minLength + 60) }
  return fc.oneof(fc.stringMatching(/^[a-z]{1,12}$/), fc.string(length), fc.string({ unit: 'grapheme', ...length }))
}

const oneOf = (kind: string, n: number) => {
  const ids = real.get(kind) ?? []
  return ids[n % ids.length] ?? 'none'
}

function bodyOf(schema: Schema, hint = fitting(schema)): fc.Arbitrary<string> {
  const good = fc.oneof(hint, fitting(schema)) as fc.Arbitrary<Record<string, unknown>> // every body is an object
  const fields = Object.keys(schema.properties ?? {})
  const nearly = fc.tuple(good, fc.constantFrom(...fields), hostile).map(([body, field, value]) => ({ ...body, [field]: value })) // prettier-ignore
  const lacking = fc.tuple(good, fc.constantFrom(...fields)).map(([body, field]) => ({ ...body, [field]: undefined }))
  return fc.oneof(
    { weight: 5, arbitrary: good.map((body) => JSON.stringify(body)) },
    { weight: 4, arbitrary: nearly.map((body) => JSON.stringify(body)) },
    { weight: 1, arbitrary: lacking.map((body) => JSON.stringify(body)) },
    { weight: 1, arbitrary: hostile.map((body) => JSON.stringify(body) ?? '') },
    { weight: 1, arbitrary: fc.tuple(good, fc.nat(), text).map(([body, at, more]) => splice(JSON.stringify(body), at, more)) }, // prettier-ignore
  )
}
const splice = (body: string, at: number, more: string) => {
  const place = at % (body.length + 1)
  return body.slice(0, place) + more + body.slice(place + 1)
}

function requestOf(path: string, operation: Operation): fc.Arbitrary<Request> {
  const encode = (value: string) => encodeURIComponent(value.toWellFormed())
  const segmentOf = (kind: string) =>
    fc.oneof(
      { weight: 6, arbitrary: fc.nat().map((n) => oneOf(kind, n)) },
      { weight: 1, arbitrary: fc.stringMatching(/^(clu|job|tok|rbm)_[0-7][0-9a-hjkmnp-tv-z]{25}$/) },
      // An empty segment and dots are another path.
      { weight: 1, arbitrary: text.filter((value) => !/^\.{0,2}$/.test(value)).map(encode) },
      { weight: 1, arbitrary: fc.constantFrom('%', '%00', '%ff', '%zz', '%c0%af', '%2e%2e%2f', '*', ';', '%25') },
    )
  const pieces = path.split('/')
  const filled = fc
    .tuple(...pieces.map((piece, at) => (piece.startsWith('{') ? segmentOf(pieces[at - 1] ?? '') : fc.constant(piece))))
    .map((parts) => parts.join('/'))
  const parameters = operation.parameters ?? []
  const inQuery = parameters.filter((parameter) => parameter.in === 'query')
  const pair = ({ name, schema }: (typeof inQuery)[number]) =>
    fc
      .oneof({ weight: 4, arbitrary: fitting(schema, name) }, { weight: 1, arbitrary: text })
      .map((value) => [value].flat().map((item) => `${name}=${encode(String(item))}`))
  const raw = fc.oneof(
    text.map(encode),
    fc.constantFrom('%', '%00', '&&', 'a=b=c', '=', 'limit=1&limit=2', '+', 'q=%ff'),
  )
  const query = fc.tuple(
    ...inQuery.map((parameter) => fc.option(pair(parameter), { nil: [], freq: 2 })),
    fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: raw.map((item) => [item]) }),
  )
  const latin1 = fc.string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 40 }) // prettier-ignore
  const headers = fc.record({
    'idempotency-key': fc.oneof({ weight: 6, arbitrary: fc.uuid() }, { weight: 1, arbitrary: latin1 }),
    'user-agent': latin1,
    'x-request-id': latin1,
    ...(parameters.some(({ name }) => name === 'last-event-id')
      ? { 'last-event-id': fc.oneof(fc.nat().map(String), fc.constant('0-0'), latin1) }
      : {}),
  })
  const asked = operation.requestBody?.content['application/json']?.schema
  return fc
    .record({
      filled,
      query,
      headers,
      body: asked ? bodyOf(asked, bodies[operation.operationId]) : fc.constant(undefined),
    })
    .map(({ filled, query, headers, body }) => {
      const search = query.flat().join('&')
      return {
        path: filled + (search === '' ? '' : `?${search}`),
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body }),
      }
    })
}

/** All of an answer; of a stream what comes first. */
async function readAnswer(answer: Response): Promise<string> {
  if (!/event-stream|ndjson/.test(answer.headers.get('content-type') ?? '')) return answer.text()
  const reader = answer.body?.getReader()
  const first = await reader?.read()
  await reader?.cancel()
  return Buffer.from(first?.value ?? []).toString()
}

const statuses = new Map<string, number>()

const numRuns = Math.ceil(REQUESTS / operations.length)
const fuzz = ({ path, method, operation }: (typeof operations)[number]) =>
  fc.assert(
    fc.asyncProperty(requestOf(path, operation), async (request) => {
      const answer = await http.request(request.path, {
        ...request,
        method,
        headers: { authorization: `Bearer ${h.admin}`, ...request.headers },
      })
      const told = await readAnswer(answer)
      const seen = `${method} ${path} ${answer.status}`
      statuses.set(seen, (statuses.get(seen) ?? 0) + 1)
      expect(answer.status === 503 || answer.status < 500, told).toBe(true)
      const described = operation.responses[answer.status]
      expect(described, `${answer.status} is not described: ${told}`).toBeDefined()
      const type = answer.headers.get('content-type')?.split(';')[0] ?? ''
      const content = described?.content
      expect(content === undefined ? told : content[type], `${type}: ${told}`).toBeDefined()
      if (content?.[type] && type.endsWith('json')) {
        if (type === 'application/x-ndjson') return
        expect(wrongIn(content[type].schema, JSON.parse(told))).toBeUndefined()
      }
    }),
    { numRuns },
  )

it.each(operations)('$method $path breaks for no request', { timeout: 600_000 }, fuzz)

const NOT_HERE = [
  // Take a READY cluster, which must stay so here: scale.test.ts, sleep.test.ts.
  'POST /api/v1/clusters/{id}/scale-workers',
  'POST /api/v1/clusters/{id}/hibernate',
  'POST /api/v1/clusters/{id}/resume',
  // Take a profile that lets clusters have off-hours: off-hours.test.ts.
  'PUT /api/v1/clusters/{id}/off-hours',
  'POST /api/v1/clusters/{id}/off-hours/override',
  // One cluster of all has a certificate: emptiness.test.ts.
  'GET /api/v1/clusters/{id}/emptiness',
  // Adopts only what the database has lost, or says that it has not: recovery.test.ts.
  'POST /api/v1/clusters/adopt',
  // Takes a good token, from a browser: console.test.ts.
  'POST /api/v1/session',
  // Take a finding, a living worker, or a lock whose worker is gone: operators.test.ts.
  'POST /api/v1/findings/{id}/resolve',
  'POST /api/v1/findings/{id}/accept',
  'POST /api/v1/workers/{id}/drain',
  'DELETE /api/v1/workers/{id}/drain',
  'POST /api/v1/clusters/{id}/lock/release',
]

// A few requests do not meet everything that exists.
it.runIf(REQUESTS >= 5000)('every operation also did what it is for', { timeout: 600_000 }, async () => {
  const namesOf = (those: typeof operations) => those.map(({ path, method }) => `${method} ${path}`)
  const isGood = ({ path, method }: (typeof operations)[number]) =>
    [...statuses.keys()].some((seen) => seen.startsWith(`${method} ${path} 2`))
  const missed = () =>
    operations.filter((each) => !isGood(each) && !namesOf([each]).some((name) => NOT_HERE.includes(name)))
  // For the rarest it takes luck.
  for (let more = 0; more < 20 && missed().length > 0; more++) for (const each of missed()) await fuzz(each)
  expect(namesOf(missed())).toEqual([])
})
