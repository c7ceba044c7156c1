// What is stored of a cluster can be listed and fetched by whoever may have its credentials, and by nobody else.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { get, type ClientRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createZstdDecompress } from 'node:zlib'
import { serve, type ServerType } from '@hono/node-server'
import * as tar from 'tar-stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { restoreSnapshot, writeSnapshot } from '../src/artifacts/snapshot.ts'
import { StoreUnavailable } from '../src/artifacts/store.ts'
import { createHttp } from '../src/http/app.ts'
import { newId } from '../src/ids.ts'
import { createSecretBox } from '../src/secrets.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

type Item = { id: string; stage: string; kind: string; sizeBytes: number; sha256: string; infraId: string }

let h: Harness
let clusterId: string
let owner: string
let items: Item[]

beforeAll(async () => {
  h = await openHarness()
  await h.startWorker()
  owner = await h.tokenFor([{ team: 'red', role: 'requester' }])
  const body = { name: 'kept', platform: 'aws', profile: 'aws-minimal-test' }
  const asked = await h.call('POST', '/clusters', { token: owner, key: 'k', body })
  clusterId = asked.body.cluster.id
  await h.reach(clusterId, 'READY')
  items = (await list(owner)).body.items
})
afterAll(() => h.close())

const list = (token: string, query = '') => h.call('GET', `/clusters/${clusterId}/artifacts${query}`, { token })
const contentPath = (id: string | undefined) => `/api/v1/clusters/${clusterId}/artifacts/${id}/content`
const content = (token: string, id = items[0]?.id) => h.call('GET', contentPath(id), { token })
const fetchContent = (app = h.app, init: RequestInit = {}) =>
  createHttp(app).request(contentPath(items[0]?.id), { headers: { authorization: `Bearer ${owner}` }, ...init })
const readings = () =>
  h.rows<{ actor: string; detail: { artifact: string } }>(
    `select actor, detail from audit_events where action = 'artifact.read' order by position`,
  )
const workDir = () => join(h.app.config.dataDir, 'work')

/** Sealed files that are still open have no name, but a descriptor. */
function openSpools(): string[] {
  const fds = '/proc/self/fd'
  if (!existsSync(fds)) return []
  return readdirSync(fds).flatMap((fd) => {
    try {
      const path = readlinkSync(join(fds, fd))
      return path.startsWith(join(workDir(), 'sealed-')) ? [path] : []
    } catch {
      return []
    }
  })
}
const nothingIsLeft = () =>
  eventually(() => openSpools().length === 0 && readdirSync(workDir()).every((name) => !name.startsWith('sealed-')))

async function withServer(
  app: Harness['app'],
  use: (ask: (id: string | undefined) => ClientRequest, server: ServerType) => Promise<void>,
): Promise<void> {
  const server = serve({ fetch: createHttp(app).fetch, hostname: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP server
  const ask = (id: string | undefined) =>
    get({ port, path: contentPath(id), headers: { authorization: `Bearer ${owner}` }, agent: false }).on(
      'error',
      () => undefined,
    )
  try {
    await use(ask, server)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

describe('the artifacts of a cluster', () => {
  it('are listed newest first, in pages', async () => {
    expect(items.length).toBeGreaterThan(2)
    expect(items[0]).toMatchObject({ kind: 'snapshot', stage: 'complete', infraId: expect.stringMatching(/^kept-/) })
    expect(items.map((item) => item.id)).toEqual(
      items
        .map((item) => item.id)
        .toSorted()
        .toReversed(),
    )
    const rows = await h.rows<Item & { key: string }>(`select id, size_bytes::int as "sizeBytes", sha256, key, key_id
      from cluster_artifacts where cluster_id = '${clusterId}' order by id desc`)
    expect(items).toMatchObject(rows.map(({ id, sizeBytes, sha256 }) => ({ id, sizeBytes, sha256 })))
    expect(rows.every((row) => 'key_id' in row && row.key_id === h.app.box.keyId)).toBe(true)
    expect(JSON.stringify(items)).not.toContain(rows[0]?.key)

    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: { items: Item[]; nextCursor: string | null } = (
        await list(owner, `?limit=2${cursor && `&cursor=${cursor}`}`)
      ).body
      seen.push(...page.items.map((item) => item.id))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(items.map((item) => item.id))
    expect((await list(owner, '?cursor=x')).status).toBe(400)
  })

  it('come as the archive of the directory, and the reading is in the audit trail', async () => {
    const before = (await readings()).length
    const response = await fetchContent()
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/zstd',
      'content-disposition': `attachment; filename="kept-complete-${items[0]?.id}.tar.zst"`,
      'cache-control': 'no-store',
    })
    const files = new Map<string, string>()
    const entries = tar.extract()
    Readable.from([Buffer.from(await response.arrayBuffer())])
      .pipe(createZstdDecompress())
      .pipe(entries)
    for await (const entry of entries) files.set(entry.header.name, (await buffer(entry)).toString())

    const [row] = await h.rows<{ key: string; sha256: string }>(
      `select key, sha256 from cluster_artifacts where id = '${items[0]?.id}'`,
    )
    const dir = join(h.app.config.dataDir, 'restored')
    const { key, sha256 } = row ?? { key: '', sha256: '' }
    await restoreSnapshot(h.app.store, h.app.box, { key, sha256, dir, context: key })
    const names = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    expect(names.length).toBeGreaterThan(3)
    for (const { parentPath, name } of names) {
      const path = join(parentPath, name)
      expect(files.get(path.slice(dir.length + 1)), path).toBe(readFileSync(path, 'utf8'))
    }
    expect((await readings()).slice(before)).toMatchObject([
      {
        actor: expect.stringMatching(/^token:/),
        detail: { artifact: items[0]?.id, kind: 'snapshot', stage: 'complete' },
      },
    ])
    await nothingIsLeft()
  })

  it('are for those who may have the credentials', async () => {
    const tokens = {
      teammate: await h.tokenFor([{ team: 'red', role: 'requester' }]),
      auditor: await h.tokenFor([{ team: '*', role: 'auditor' }]),
      reader: await h.tokenFor([{ team: '*', role: 'platform_admin' }], { scopes: ['read'] }),
      stranger: await h.tokenFor([{ team: 'blue', role: 'team_admin' }]),
      lead: await h.tokenFor([{ team: 'red', role: 'team_admin' }]),
    }
    const before = (await readings()).length
    for (const [who, status] of [
      ['teammate', 403],
      ['auditor', 403],
      ['reader', 403],
      ['stranger', 404],
    ] as const) {
      expect((await list(tokens[who])).status, who).toBe(status)
      expect((await content(tokens[who])).status, who).toBe(status)
    }
    expect((await readings()).length).toBe(before)
    expect((await list(tokens.lead)).status).toBe(200)
    expect((await content(tokens.lead)).status).toBe(200)
  })

  it('of another cluster, or of none, are not found', async () => {
    const other = await h.requestCluster('other')
    for (const path of [
      `/clusters/${other.cluster.id}/artifacts/${items[0]?.id}/content`,
      contentPath('art_01k0000000e0000000000000000'),
      contentPath('..%2F..'),
    ])
      expect((await h.call('GET', path)).status, path).toBe(404)
  })

  it('leave nothing behind when the client goes in the midst of them', async () => {
    const big = join(h.app.config.dataDir, 'big')
    mkdirSync(big)
    writeFileSync(join(big, 'file'), randomBytes(32 * 1024 * 1024))
    const key = `clusters/${clusterId}/big`
    const stored = await writeSnapshot(h.app.store, h.app.box, { key, dir: big, context: key })
    const id = newId('art')
    await h.rows(`insert into cluster_artifacts (id, cluster_id, kind, stage, key, sha256, size_bytes)
      values ('${id}', '${clusterId}', 'snapshot', 'big', '${key}', '${stored.sha256}', ${stored.sizeBytes})`)
    await withServer(h.app, async (ask) => {
      const request = ask(id)
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      expect(response.statusCode).toBe(200)
      expect(openSpools()).toHaveLength(existsSync('/proc/self/fd') ? 1 : 0)
      response.on('error', () => undefined)
      response.destroy()
      await nothingIsLeft()
    })
    await h.rows(`delete from cluster_artifacts where id = '${id}'`)
  })

  it('leave nothing behind when the client goes before they come', async () => {
    const going = Promise.withResolvers<void>()
    const isGone = Promise.withResolvers<void>()
    const store = {
      ...h.app.store,
      async get(key: string) {
        going.resolve()
        await isGone.promise
        return h.app.store.get(key)
      },
    }
    await withServer({ ...h.app, store }, async (ask, server) => {
      server.once('connection', (socket: Socket) => socket.once('close', () => isGone.resolve()))
      const request = ask(items[0]?.id)
      await going.promise
      request.destroy()
      await isGone.promise
      await nothingIsLeft()
    })
  })

  it('leave nothing behind when only their headers are asked for, or the body is not read', async () => {
    const unread = await fetchContent()
    await unread.body?.cancel()
    await nothingIsLeft()
    const head = await fetchContent(h.app, { method: 'HEAD' })
    expect(head.headers.get('content-type')).toBe('application/zstd')
    await nothingIsLeft()
  })

  it('are refused with the reason when they cannot be read', async () => {
    const problem = async (app: Harness['app']) => {
      const response = await fetchContent(app)
      return { status: response.status, ...((await response.json()) as { code: string; detail: string }) }
    }
    const id = items[0]?.id ?? ''
    const { store } = h.app
    const down = { ...store, get: () => Promise.reject(new StoreUnavailable('the bucket is away')) }
    expect(await problem({ ...h.app, store: down })).toMatchObject({
      status: 503,
      detail: expect.stringContaining('away'),
    })
    const stranger = createSecretBox(Buffer.alloc(32))
    expect(await problem({ ...h.app, box: stranger })).toMatchObject({
      status: 503,
      detail: `${id} is sealed with key ${h.app.box.keyId}, which is not among the configured keys`,
    })
    const changed = { ...store, get: async () => Readable.from([Buffer.from('something else')]) }
    expect(await problem({ ...h.app, store: changed })).toMatchObject({ status: 409, code: 'CONFLICT' })
    const [row] = await h.rows<{ key: string }>(`select key from cluster_artifacts where id = '${id}'`)
    await store.delete(row?.key ?? '')
    expect(await problem(h.app)).toMatchObject({ status: 404, detail: expect.stringContaining('no longer has') })
    await nothingIsLeft()
  })
})
