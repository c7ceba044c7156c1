// The sockets: how long a client may take to send, and to read. Requests that Node refuses early also get a problem
// answer.
import { randomUUID } from 'node:crypto'
import { createServer as createNodeServer, STATUS_CODES, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { OpenAPIHono } from '@hono/zod-openapi'
import { AppError, hasCode } from '../errors.ts'
import type { Env } from './env.ts'
import { problemText } from './router.ts'

export const patience = {
  /** Sign-in tokens of AWS identities are long. */
  headerBytes: 32 * 1024,
  headersMs: 15_000,
  requestMs: 60_000,
  /**
   * Longer than the load balancers before this server keep an idle connection, so that they are the ones who close it.
   */
  keepAliveMs: 65_000,
  /** A client that takes nothing for this long is gone. A stream sends every 15 s, and no operation takes so long. */
  idleMs: 120_000,
  /** How often Node looks for clients that are too slow. */
  lookMs: 5000,
}

/** The limit on one connection. Clients that wait for each answer, as nearly all do, have one. */
const MOST_UNANSWERED = 16
const MOST_CONNECTIONS = 10_000

export function createServer(http: Pick<OpenAPIHono<Env>, 'fetch'>, times = patience): Server {
  const unanswered = new WeakMap<object, number>()
  const listener = getRequestListener(http.fetch, {
    hostname: 'localhost', // for HTTP/1.0, which need not name a host
    errorHandler: (error) =>
      error instanceof RequestError
        ? answer(400, 'BAD_INPUT', 'the address or the Host of the request cannot be read')
        : answer(500, 'INTERNAL', 'something went wrong here'),
  })
  const server = createNodeServer(
    {
      maxHeaderSize: times.headerBytes,
      headersTimeout: times.headersMs,
      requestTimeout: times.requestMs,
      keepAliveTimeout: times.keepAliveMs,
      connectionsCheckingInterval: times.lookMs,
      keepAlive: true,
      requireHostHeader: false, // Node's own refusal says nothing
    },
    (incoming, outgoing) => {
      // Node begins all requests that one packet brings, before it notices how fast the client reads.
      const { socket } = incoming
      const begun = (unanswered.get(socket) ?? 0) + 1
      unanswered.set(socket, begun)
      outgoing.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1))
      if (begun > MOST_UNANSWERED) return void socket.destroy()
      const hosts = incoming.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
      if (hosts.length > 1 || (hosts.length === 0 && incoming.httpVersion !== '1.0'))
        outgoing
          .writeHead(400, { ...PROBLEM, connection: 'close' })
          .end(problemText({ status: 400, code: 'BAD_INPUT', detail: 'send the header Host, once' }, randomUUID()))
      else void listener(incoming, outgoing)
    },
  )
  server.setTimeout(times.idleMs)
  server.maxConnections = mostConnections()
  server.on('clientError', (error, socket) => {
    // An answer that has begun cannot become another one. Node keeps it here while it lasts.
    const begun = '_httpMessage' in socket && (socket._httpMessage as { headersSent?: boolean } | null)?.headersSent
    if (!socket.writable || begun === true || hasCode(error, 'ECONNRESET')) socket.destroy(error)
    else refuse(socket, refusalOf(error))
  })
  // This server is no proxy, and no expectation but 100-continue changes the answer.
  server.on('connect', (_, socket) => refuse(socket, new AppError('METHOD_NOT_ALLOWED', 'this is no proxy')))
  server.on('checkExpectation', (incoming, outgoing) => void listener(incoming, outgoing))
  return server
}

/** Files, the database and the store need descriptors too, when sockets have taken all the others. */
function mostConnections(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } } // as Node documents it
  const soft = Number(userLimits?.open_files?.soft)
  return Number.isFinite(soft) ? Math.max(64, Math.min(MOST_CONNECTIONS, soft - 256)) : MOST_CONNECTIONS
}

const PROBLEM = { 'content-type': 'application/problem+json', 'x-content-type-options': 'nosniff' }

const answer = (status: number, code: 'BAD_INPUT' | 'INTERNAL', detail: string) =>
  new Response(problemText({ status, code, detail }, randomUUID()), { status, headers: PROBLEM })

function refusalOf(error: Error): AppError {
  if (hasCode(error, 'HPE_HEADER_OVERFLOW'))
    return new AppError('HEADERS_TOO_LARGE', `the headers have at most ${patience.headerBytes / 1024} KiB`)
  if (hasCode(error, 'ERR_HTTP_REQUEST_TIMEOUT'))
    return new AppError('REQUEST_TIMEOUT', 'the request did not arrive in time')
  if (hasCode(error, 'HPE_CHUNK_EXTENSIONS_OVERFLOW'))
    return new AppError('PAYLOAD_TOO_LARGE', 'the extensions of the chunks are too large')
  return new AppError('BAD_INPUT', 'this is not HTTP as it must be')
}

function refuse(socket: Duplex, { status, code, message }: AppError): void {
  const body = problemText({ status, code, detail: message }, randomUUID())
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      ...Object.entries({ ...PROBLEM, 'content-length': Buffer.byteLength(body), connection: 'close' }).map(
        ([name, value]) => `${name}: ${value}`,
      ),
      '',
      body,
    ].join('\r\n'),
  )
  if ('destroySoon' in socket && typeof socket.destroySoon === 'function') socket.destroySoon()
}
