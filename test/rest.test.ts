// How clouds are asked by REST, against a server that is slow, busy, forgetful or wrong.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { NotAnswered } from '../src/clouds/asking.ts'
import { openRest, type Rest } from '../src/clouds/rest.ts'

type Reply = (request: IncomingMessage, response: ServerResponse) => void

const closers: (() => unknown)[] = []
afterEach(() => closers.splice(0).forEach((close) => close()))

async function serve(reply: Reply): Promise<string> {
  const server: Server = createServer(reply).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(
    () => server.close(),
    () => server.closeAllConnections(),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listens on TCP
}

const json = (response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

function open(options: Partial<Parameters<typeof openRest>[0]> = {}): Rest & { signedIn: boolean[] } {
  const signedIn: boolean[] = []
  const rest = openRest({
    authorize: async (_, isRefused) => {
      signedIn.push(isRefused)
      return { authorization: 'Bearer abcdefgh' }
    },
    readError: (body) => ({ text: (body as { message?: string } | undefined)?.message }),
    ...options,
  })
  closers.push(rest.close)
  return { ...rest, signedIn }
}

const list = (rest: Rest, url: string) =>
  rest.list<number>(
    { permission: 'things.list', url: `${url}/0` },
    (page) => (page as { items?: number[] } | undefined)?.items,
    (page) => {
      const { next } = page as { next?: string }
      return next === undefined ? undefined : { permission: 'things.list', url: next }
    },
  )

it('all pages are read, over limits, servers that fail, and connections that break in the middle of a page', async () => {
  const troubles: Reply[] = [
    (_, response) => json(response, { message: 'slow down' }, 429, { 'retry-after': '0' }),
    (_, response) => json(response, { message: 'oh' }, 503, { 'retry-after': '0' }),
    (_, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{"items":[')
      response.socket?.destroy()
    },
  ]
  const url = await serve((request, response) => {
    const page = Number(request.url?.slice(1))
    const trouble = page === 1 ? troubles.shift() : undefined
    if (trouble) return trouble(request, response)
    json(response, { items: [page], ...(page < 3 ? { next: `${url}/${page + 1}` } : {}) })
  })
  expect(await list(open(), url)).toEqual([0, 1, 2, 3])
  expect(troubles).toEqual([])
})

it('a token that has run out is asked for anew, once', async () => {
  let asked = 0
  const url = await serve((_, response) => json(response, { items: [7] }, asked++ === 0 ? 401 : 200))
  const rest = open()
  expect(await list(rest, url)).toEqual([7])
  expect(rest.signedIn).toEqual([false, true])
  const never = await serve((_, response) => json(response, { message: 'who?' }, 401))
  await expect(list(open(), never)).rejects.toThrow('it answers 401: who?')
})

it('what is not there is no refusal, and a page that is not there is no list', async () => {
  const url = await serve((_, response) => json(response, {}, 404))
  const rest = open()
  expect(await rest.find({ permission: 'things.get', url })).toBeUndefined()
  await expect(list(rest, url)).rejects.toThrow('the answer has no list')
})

it('a refusal is told with its permission, and without what looks like a secret', async () => {
  const url = await serve((_, response) => json(response, { message: 'no password=hunter2hunter2 for you' }, 403))
  const refusal = await list(open(), url).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(NotAnswered)
  expect(refusal).toMatchObject({ permission: 'things.list', isDenied: true })
  expect(String(refusal)).not.toContain('hunter2')
})

it.each<[string, (url: string) => unknown, string]>([
  ['without its list', () => ({ value: [] }), 'the answer has no list'],
  ['that leads elsewhere', () => ({ items: [], next: 'http://127.0.0.2:1/' }), 'its next page is not at'],
  ['that leads to itself', (url) => ({ items: [], next: `${url}/0` }), 'its pages have no end'],
])('an answer %s is none', async (_, body, why) => {
  const url: string = await serve((__, response) => json(response, body(url)))
  await expect(list(open(), url)).rejects.toThrow(why)
})

it('a redirect is not followed, since the credential would go with it', async () => {
  let reached = false
  const elsewhere = await serve((_, response) => {
    reached = true
    json(response, { items: [] })
  })
  const url = await serve((_, response) => json(response, {}, 302, { location: elsewhere }))
  await expect(list(open({ timeoutMs: 1000 }), url)).rejects.toThrow(NotAnswered)
  expect(reached).toBe(false)
})

it('nothing but https is asked, beyond this machine', async () => {
  await expect(list(open(), 'http://cloud.example')).rejects.toThrow('is not https')
})

it('silence ends by itself', async () => {
  const url = await serve(() => undefined)
  await expect(list(open({ timeoutMs: 200 }), url)).rejects.toThrow('no answer within 0.2 s')
})
