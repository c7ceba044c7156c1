// What one client may take: time, sockets, requests, rows of the trail; and whose address counts.
import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { App } from '../src/app.ts'
import { ConfigError, readConfig, type Config } from '../src/config.ts'
import { createHttp } from '../src/http/app.ts'
import { createServer, patience } from '../src/http/server.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())
afterEach(() => vi.useRealTimers())

const withConfig = (more: Partial<Config>): App => ({ ...h.app, config: { ...h.app.config, ...more } })
/** What the adapter hands on of a socket. */
const from = (address: string, forwarded?: string) => ({
  incoming: {
    socket: { remoteAddress: address },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  },
})
const asAdmin = () => ({ authorization: `Bearer ${h.admin}` })

describe('a socket', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })
  const serve = async (times: Partial<typeof patience> = {}) => {
    const server = createServer(createHttp(h.app), { ...patience, ...times }).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    return port
  }
  const talk = (port: number, text: string): Socket & { heard: string } => {
    const socket = Object.assign(connect(port, '127.0.0.1'), { heard: '' })
    socket.on('data', (chunk: Buffer) => (socket.heard += chunk.toString('latin1')))
    socket.on('error', () => undefined) // the server may reset it, which is what is waited for
    socket.write(text)
    return socket
  }
  const problemIn = (heard: string) => JSON.parse(/\{.*\}/s.exec(heard)?.[0] ?? '')

  it('is closed when the headers do not come', async () => {
    const port = await serve({ headersMs: 100, requestMs: 200, lookMs: 20 })
    const socket = talk(port, 'GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ')
    await once(socket, 'close')
    expect(socket.heard).toContain('HTTP/1.1 408 ')
    expect(problemIn(socket.heard)).toMatchObject({ status: 408, code: 'REQUEST_TIMEOUT' })
  })

  it.each([
    ['content-length: 100', '{"name":'],
    ['transfer-encoding: chunked', '8\r\n{"name":\r\n'],
  ])('is closed when the body does not come (%s), and nothing is changed nor logged', async (length, begun) => {
    const error = vi.spyOn(h.app.log, 'error')
    const before = await h.rows('select count(*) from api_tokens')
    const port = await serve({ headersMs: 100, requestMs: 200, lookMs: 20 })
    const head = `POST /api/v1/api-tokens HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${h.admin}\r\n`
    const socket = talk(port, `${head}content-type: application/json\r\n${length}\r\n\r\n${begun}`)
    await once(socket, 'close')
    expect(socket.heard).toContain('HTTP/1.1 408 ')
    expect(await h.rows('select count(*) from api_tokens')).toEqual(before)
    expect(error).not.toHaveBeenCalled()
    error.mockRestore()
  })

  it('is closed when a big answer is not read', async () => {
    await h.rows(`insert into audit_events (id, actor, actor_kind, action, outcome, detail)
      select 'evt_' || lpad(n::text, 26, '0'), 'me', 'system', 'many', 'success', jsonb_build_object('x', repeat('x', 20000))
      from generate_series(1, 2000) n`)
    const port = await serve({ idleMs: 45_000 })
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.pause()
    socket.write(`GET /api/v1/audit-events/export HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${h.admin}\r\n\r\n`)
    const [peer] = (await once(servers[0] ?? socket, 'connection')) as [Socket]
    await eventually(() => peer.bytesWritten > 10_000)
    expect(peer.timeout).toBe(45_000)
    // Cut short when the answer has begun, since that may take its time.
    peer.setTimeout(100)
    await once(peer, 'close')
    socket.destroy()
  })

  it('is closed when it brings many requests and takes no answer', async () => {
    const port = await serve()
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(200))
    const [peer] = (await once(servers[0] ?? socket, 'connection')) as [Socket]
    await once(peer, 'close')
    socket.destroy()
    const patient = talk(port, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(10))
    await eventually(() => patient.heard.split('200 OK').length === 11)
    patient.destroy()
  })

  it('with two hosts is refused', async () => {
    const socket = talk(await serve(), 'GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n')
    await once(socket, 'close')
    expect(problemIn(socket.heard)).toMatchObject({ status: 400, detail: 'send the header Host, once' })
  })

  it('is kept while the client reads, however long nothing happens', async () => {
    const { job } = await h.requestCluster('watched')
    const port = await serve()
    const socket = talk(
      port,
      `GET /api/v1/jobs/${job.id}/log/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${h.admin}\r\n\r\n`,
    )
    await eventually(() => socket.heard.includes(': nothing new'))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 16_000 })
    await eventually(() => socket.heard.split(': nothing new').length === 3)
    socket.destroy()
  })

  it.each([
    [
      'headers that are too large',
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`,
      431,
      'HEADERS_TOO_LARGE',
    ],
    ['what is not HTTP', 'HELO\r\n\r\n', 400, 'BAD_INPUT'],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400, 'BAD_INPUT'],
    ['a Host that is none', 'GET /healthz HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n', 400, 'BAD_INPUT'],
    ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
  ])('answers %s with a problem, and is closed', async (_, text, status, code) => {
    const socket = talk(await serve(), text)
    await once(socket, 'close')
    expect(socket.heard).toContain(`HTTP/1.1 ${status} `)
    expect(socket.heard).toContain('application/problem+json')
    expect(problemIn(socket.heard)).toMatchObject({ status, code })
  })

  it('takes headers of 30 KiB, HTTP/1.0 without a Host, and any expectation', async () => {
    const port = await serve()
    for (const text of [
      `GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: ${'x'.repeat(30 * 1024)}\r\n\r\n`,
      'GET /healthz HTTP/1.0\r\n\r\n',
      'GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: wonders\r\n\r\n',
    ]) {
      const socket = talk(port, text)
      await once(socket, 'close')
      expect(socket.heard).toContain('HTTP/1.1 200 OK')
    }
  })
})

describe('requests of a minute', () => {
  it('are counted by principal, whatever token and address', async () => {
    const http = createHttp(withConfig({ rateLimit: { perMinute: 3, addressPerMinute: 0 } }))
    const ask = (token: string) => http.request('/api/v1/whoami', { headers: { authorization: `Bearer ${token}` } })
    for (let n = 0; n < 3; n++) expect((await ask(h.admin)).status).toBe(200)
    const refused = await ask(h.admin)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
    expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED', detail: expect.stringContaining('3 a minute') })
    expect((await ask(await h.tokenFor([]))).status).toBe(200)
  })

  it('are counted by address, and by the /64 of an IPv6 one', async () => {
    const http = createHttp(withConfig({ rateLimit: { perMinute: 0, addressPerMinute: 2 } }))
    const ask = async (address: string, path = '/api/v1/whoami') =>
      (await http.request(path, { headers: asAdmin() }, from(address))).status
    expect([await ask('192.0.2.1'), await ask('::ffff:192.0.2.1'), await ask('192.0.2.1')]).toEqual([200, 200, 429])
    expect([await ask('2001:db8::1'), await ask('2001:db8::2'), await ask('2001:db8::3')]).toEqual([200, 200, 429])
    expect(await ask('2001:db8:0:1::1')).toBe(200)
    for (const path of ['/healthz', '/readyz']) expect(await ask('192.0.2.1', path)).toBe(200)
    for (const path of ['/docs', '/openapi.json']) expect(await ask('192.0.2.1', path)).toBe(429)
  })

  it('are fifty open streams for one caller', async () => {
    const http = createHttp(h.app)
    const { job } = await h.requestCluster('streamed')
    const token = await h.tokenFor([{ team: '*', role: 'auditor' }])
    const open = async () =>
      http.request(`/api/v1/jobs/${job.id}/log/stream`, { headers: { authorization: `Bearer ${token}` } })
    const streams = await Promise.all(Array.from({ length: 51 }, open))
    expect(streams.filter(({ status }) => status === 429)).toHaveLength(1)
    const [first, ...others] = streams.filter(({ status }) => status === 200)
    await first?.body?.cancel()
    // Of an answer to HEAD nobody reads the body.
    const heads = await Promise.all(
      Array.from({ length: 60 }, async () =>
        http.request(`/api/v1/jobs/${job.id}/log/stream`, {
          method: 'HEAD',
          headers: { authorization: `Bearer ${h.admin}` },
        }),
      ),
    )
    expect(heads.every(({ status }) => status === 200)).toBe(true)
    const stream = await http.request(`/api/v1/jobs/${job.id}/log/stream`, {
      headers: { authorization: `Bearer ${h.admin}` },
    })
    expect(stream.status).toBe(200)
    await stream.body?.cancel()
    others.push(
      await eventually(async () => {
        const again = await open()
        return again.status === 200 && again
      }),
    )
    await Promise.all(others.map(async ({ body }) => body?.cancel()))
  })

  it('tell a page of a named origin when to come again', async () => {
    const corsOrigins = ['https://portal.example.com']
    const http = createHttp(withConfig({ corsOrigins, rateLimit: { perMinute: 0, addressPerMinute: 1 } }))
    const ask = async () =>
      http.request('/api/v1/whoami', { headers: { ...asAdmin(), origin: corsOrigins[0] ?? '' } }, from('192.0.2.1'))
    expect((await ask()).status).toBe(200)
    const { status, headers } = await ask()
    expect(status).toBe(429)
    expect(headers.get('access-control-allow-origin')).toBe(corsOrigins[0])
    expect(headers.get('retry-after')).toMatch(/^\d+$/)
  })

  it('are not limited with 0', async () => {
    const http = createHttp(withConfig({ rateLimit: { perMinute: 0, addressPerMinute: 0 } }))
    for (let n = 0; n < 70; n++) expect((await http.request('/api/v1/whoami', {}, from('192.0.2.1'))).status).toBe(401)
  })
})

describe('the address of a caller', () => {
  const seen = async (trustedProxies: string[], peer: string, forwarded?: string) => {
    const http = createHttp(withConfig({ trustedProxies }))
    const requestId = `req-${Math.random()}`
    const headers = { ...asAdmin(), 'content-type': 'application/json', 'x-request-id': requestId }
    const body = JSON.stringify({ name: 'addressed' })
    const answer = await http.request('/api/v1/api-tokens', { method: 'POST', headers, body }, from(peer, forwarded))
    expect(answer.status).toBe(201)
    const rows = await h.rows<{ address: string }>(`select address from audit_events where request_id = '${requestId}'`)
    return rows[0]?.address
  }

  it.each([
    [[], '10.0.0.1', '192.0.2.7', '10.0.0.1'],
    [['10.0.0.0/8'], '10.0.0.1', '192.0.2.7', '192.0.2.7'],
    [['10.0.0.0/8'], '203.0.113.9', '192.0.2.7', '203.0.113.9'],
    [['10.0.0.0/8'], '10.0.0.1', '1.1.1.1, 192.0.2.7', '192.0.2.7'],
    [['10.0.0.0/8'], '10.0.0.1', '1.1.1.1, 192.0.2.7, 10.2.3.4', '192.0.2.7'],
    [['loopback'], '::ffff:127.0.0.1', '192.0.2.7', '192.0.2.7'],
    [['10.0.0.0/8'], '10.0.0.1', '192.0.2.7:5678', '192.0.2.7'],
    [['10.0.0.0/8'], '10.0.0.1', '[2001:db8::7]:443', '2001:db8::7'],
    [['loopback', 'uniquelocal'], '127.0.0.1', '<script>', '127.0.0.1'],
    [['10.0.0.0/8'], '10.0.0.1', undefined, '10.0.0.1'],
  ])('with %j trusted, from %s with %s, is %s', async (trusted, peer, forwarded, address) => {
    expect(await seen(trusted, peer, forwarded)).toBe(address)
  })

  it.each([
    [{ OCPCTL_TRUSTED_PROXIES: 'proxy.example.com' }, 'OCPCTL_TRUSTED_PROXIES must be addresses or networks'],
    [{ OCPCTL_TRUSTED_PROXIES: '10.0.0.0/8,10.0.0.0/99' }, 'OCPCTL_TRUSTED_PROXIES must be'],
    [{ OCPCTL_TRUSTED_PROXIES: '10.0.0.0/8,' }, 'OCPCTL_TRUSTED_PROXIES must be'],
    [{ OCPCTL_CORS_ORIGINS: '*' }, 'OCPCTL_CORS_ORIGINS must be exact origins'],
    [{ OCPCTL_CORS_ORIGINS: 'https://a.example.com/' }, 'OCPCTL_CORS_ORIGINS must be exact origins'],
    [{ OCPCTL_RATE_LIMIT_PER_MINUTE: '-1' }, 'OCPCTL_RATE_LIMIT_PER_MINUTE must be a whole number'],
  ])('%j stops the start', (environment, message) => {
    expect(() => readConfig(environment)).toThrow(ConfigError)
    expect(() => readConfig(environment)).toThrow(message)
  })
})

describe('headers', () => {
  it('are on every answer', async () => {
    for (const [path, status] of [
      ['/api/v1/whoami', 200],
      ['/api/v1/clusters/clu_none', 404],
      ['/nowhere', 404],
      ['/healthz', 200],
      ['/docs', 200],
    ] as const) {
      const { status: given, headers } = await h.call('GET', path)
      expect(given).toBe(status)
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'.*frame-ancestors 'none'/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('x-request-id')).toMatch(/^[\w-]{36}$/)
      expect(headers.get('cache-control')).toBe(path.startsWith('/api') ? 'no-store' : null)
      expect(headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  it('say which methods a path has', async () => {
    const answer = await h.call('DELETE', '/clusters')
    expect(answer).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } })
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST')
  })

  it('let the pages of named origins in, and no others', async () => {
    const http = createHttp(withConfig({ corsOrigins: ['https://portal.example.com'] }))
    const preflight = (origin: string) =>
      http.request('/api/v1/clusters', {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
      })
    const asked = await preflight('https://portal.example.com')
    expect(asked.status).toBe(204)
    expect(asked.headers.get('access-control-allow-origin')).toBe('https://portal.example.com')
    expect(asked.headers.get('access-control-allow-headers')).toContain('Idempotency-Key')
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull()
    expect((await preflight('https://evil.example.com')).headers.get('access-control-allow-origin')).toBeNull()
    for (const headers of [asAdmin(), {}]) {
      const answer = await http.request('/api/v1/whoami', {
        headers: { ...headers, origin: 'https://portal.example.com' },
      })
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://portal.example.com')
      expect(answer.headers.get('access-control-expose-headers')).toContain('Idempotency-Replayed')
    }
  })
})

it('a denial that is repeated is a row a minute, a caller has a hundred of them, and the next says how many it stands for', async () => {
  const http = createHttp(h.app)
  const token = await h.tokenFor([{ team: 'default', role: 'requester' }])
  const ids = [(await h.requestCluster('flood-a')).cluster.id, (await h.requestCluster('flood-b')).cluster.id]
  const tryIt = (id: string | undefined, operation: string) =>
    http.request(`/api/v1/clusters/${id}/${operation}`, {
      method: operation === 'outputs' ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'no' },
    })
  for (let n = 0; n < 10; n++) expect((await tryIt(ids[n % 2], 'destroy')).status).toBe(403)
  for (let n = 0; n < 99; n++)
    await http.request('/api/v1/role-bindings/rbm_' + n, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
  expect((await tryIt(ids[0], 'outputs')).status).toBe(403)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
  expect((await tryIt(ids[1], 'destroy')).status).toBe(403)
  const rows = await h.rows<{ detail: object }>(
    `select detail from audit_events where action = 'access.denied' order by position`,
  )
  const clusterRows = rows.filter(({ detail }) => JSON.stringify(detail).includes('/clusters/'))
  expect(clusterRows.map(({ detail }) => detail)).toEqual([
    expect.objectContaining({ method: 'POST', path: `/api/v1/clusters/${ids[0]}/destroy` }),
    expect.objectContaining({ method: 'POST', path: `/api/v1/clusters/${ids[1]}/destroy` }),
    // One role binding beyond the hundred, and the outputs.
    expect.objectContaining({ method: 'POST', path: `/api/v1/clusters/${ids[1]}/destroy`, alsoDenied: 2 }),
  ])
  expect(rows).toHaveLength(101)
  expect(rows[2]?.detail).toMatchObject({ path: '/api/v1/role-bindings/rbm_0', alsoDenied: 8 })
})

it('readiness is looked at no more often than every two seconds', async () => {
  let checks = 0
  const store = { ...h.app.store, check: async () => void checks++ }
  const http = createHttp({ ...h.app, store })
  await Promise.all(Array.from({ length: 20 }, async () => http.request('/readyz')))
  expect(checks).toBe(1)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3000 })
  expect((await http.request('/readyz')).status).toBe(200)
  expect(checks).toBe(2)
})

it('requests that wait for one another never wait for a connection that they hold themselves', async () => {
  const small = await openHarness({ environment: { OCPCTL_DB_POOL_MAX: '2' } })
  try {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        small.call('POST', '/api/v1/api-tokens', { key: `k${n}`, body: { name: `t${n}` } }),
      ),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
  } finally {
    await small.close()
  }
})
