// The HTTP door. It authenticates, translates, and turns thrown errors into problem answers. Rules live elsewhere.
import { randomUUID } from 'node:crypto'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { secureHeaders } from 'hono/secure-headers'
import type { App } from '../app.ts'
import { authenticate } from '../auth/authenticate.ts'
import { nameOf } from '../auth/principal.ts'
import { AppError, hasCode, isDatabaseGone, messageOf } from '../errors.ts'
import { openHistory } from '../jobs/history.ts'
import { openDenials, openRefusals } from './denials.ts'
import { addCommandLine } from './command-line.ts'
import { addConsole } from './console.ts'
import { addDocs } from './docs.ts'
import { writeEndless } from './endless.ts'
import type { Env } from './env.ts'
import { openEventHub } from './event-hub.ts'
import { checkInput, readOperations } from './input.ts'
import { addressReader, openLimits } from './limits.ts'
import { openReadiness } from './readiness.ts'
import { loggedPath, watchRequests } from './requests.ts'
import { openShownClusters } from './shown.ts'
import { problem, problemAnswer, router, titles } from './router.ts'
import { addRoutes } from './routes.ts'
import { credentialOf, isReading, originOf, requireSameOrigin, SESSION_PATH } from './session.ts'
import { addSignIn } from './sign-in.ts'

const LOCK_NOT_AVAILABLE = '55P03'
/** The pool's message when no connection is free in time. */
const NO_CONNECTION = 'timeout exceeded when trying to connect'
const BODY_LIMIT_BYTES = 256 * 1024

// A proxy that ends TLS sends Strict-Transport-Security itself, for the names that it serves. Over plain HTTP a browser
// ignores it.
const securityHeaders = secureHeaders({
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  xFrameOptions: 'DENY',
  strictTransportSecurity: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  overwrite: false, // the pages of /docs and of the console have policies of their own
})
// Callers carry their credential in a header, which a page must set itself. A browser adds none by itself.
const CORS = {
  allowMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID'],
  exposeHeaders: ['Location', 'Idempotency-Replayed', 'X-Request-Id', 'Retry-After'],
  maxAge: 600,
}

const tooLong = () => new AppError('PAYLOAD_TOO_LARGE', `a body has at most ${BODY_LIMIT_BYTES / 1024} KiB`)

const limitUnknownLength = bodyLimit({
  maxSize: BODY_LIMIT_BYTES,
  onError: () => {
    throw tooLong()
  },
})
const limitBody: MiddlewareHandler<Env> = async (c, next) => {
  const length = c.req.header('content-length')
  // Node holds a client to the length that it gave. Touching the stream would cost a tenth of a request.
  if (length !== undefined && c.req.header('transfer-encoding') === undefined) {
    if (Number(length) > BODY_LIMIT_BYTES) throw tooLong()
    return next()
  }
  // This reads a body of unknown length itself. An error that is not ours comes from the client then.
  return limitUnknownLength(c, next).catch((error: unknown) => {
    throw error instanceof AppError ? error : new AppError('BAD_INPUT', 'the body ended before it was complete')
  })
}

export function createHttp(app: App): OpenAPIHono<Env> {
  const http = router()
  const document = describeApi()
  const operations = readOperations(document)
  const limits = openLimits(app.config.rateLimit)
  const addressOf = addressReader(app.config.trustedProxies)
  const recordDenial = openDenials(app)
  const logRefusal = openRefusals(app)
  const readiness = openReadiness(app)
  const shownClusters = openShownClusters(app.db)
  const history = openHistory(app.db)
  const events = openEventHub(app, shownClusters, history)
  http.use(writeEndless, securityHeaders)
  http.use(async (c, next) => {
    c.set('app', app)
    c.set('requestId', requestIdOf(c))
    c.set('address', addressOf(c))
    c.set('limits', limits)
    c.set('shownClusters', shownClusters)
    c.set('events', events)
    c.set('history', history)
    c.set('readiness', readiness)
    c.header('x-request-id', c.var.requestId)
    await next()
  })
  http.use(watchRequests(app, operations))
  if (app.config.corsOrigins.length > 0) http.use('/api/*', cors({ ...CORS, origin: [...app.config.corsOrigins] }))
  for (const path of ['/docs/*', '/openapi.json', '/links/*', '/downloads/*', '/.well-known/*', '/sign-in/*'])
    http.use(path, async (c, next) => {
      await limits.countRequest(c)
      await next()
    })
  http.use('/api/*', async (c, next) => {
    await limits.countRequest(c)
    await next()
    c.res.headers.set('cache-control', 'no-store')
  })
  http.use('/api/v1/*', async (c, next) => {
    const credential = credentialOf(c)
    c.set('credential', credential)
    if (typeof credential === 'object') requireSameOrigin(c)
    // Whoever signs in is nobody yet.
    if (c.req.path === SESSION_PATH) return next()
    const origin = originOf(c)
    // A stream keeps this for as long as it lives, and must not keep all of the request with it.
    const renew = () => authenticate(app.authenticators, credential, origin)
    c.set('renew', renew)
    c.set('by', await limits.countFailures(c, credential, renew))
    await limits.countCaller(c, nameOf(c.var.by))
    await next()
  })
  http.use('/api/v1/*', limitBody, checkInput(operations), async (c, next) => {
    // A sender may take as long as it likes to send a body. So the caller and its rights are read again when the body
    // is there.
    if (!isReading(c) && c.req.path !== SESSION_PATH) c.set('by', await c.var.renew())
    await next()
  })
  addRoutes(http)
  addDocs(http, document)
  addCommandLine(http, app.config)
  addSignIn(http)
  addConsole(http)
  http.notFound((c) => {
    const methods = operations.methodsOf(c.req.path)
    if (methods.length === 0)
      return problem(c, new AppError('NOT_FOUND', `there is nothing at ${c.req.method} ${c.req.path}; see /docs`))
    c.header('allow', methods.join(', '))
    return problem(c, new AppError('METHOD_NOT_ALLOWED', `${c.req.path} takes ${methods.join(', ')}; see /docs`))
  })
  http.onError(async (error, c) => {
    if (error instanceof AppError) {
      await recordDenial(c, error)
      if (error.code === 'UNAUTHENTICATED') {
        logRefusal(c, error.message)
        c.header('www-authenticate', 'Bearer')
      }
      return problem(c, error)
    }
    if (error instanceof HTTPException && error.status < 500)
      return problem(c, new AppError('BAD_INPUT', error.message || 'the request cannot be read'))
    if (messageOf(error) === NO_CONNECTION)
      return problem(
        c,
        new AppError('UNAVAILABLE', 'too much is asked of this process just now: ask again in a moment'),
      )
    if (isDatabaseGone(error)) {
      app.log.warn(
        { err: error, requestId: c.var.requestId, traceId: c.var.trace?.traceId, path: loggedPath(c) },
        'the database went away under a request',
      )
      return problem(
        c,
        new AppError(
          'UNAVAILABLE',
          'the database does not answer just now: ask again in a moment, a change with the same Idempotency-Key',
        ),
      )
    }
    if (hasCode(error, LOCK_NOT_AVAILABLE))
      return problem(c, new AppError('UNAVAILABLE', 'somebody else is changing this just now: ask again in a moment'))
    app.log.error(
      {
        err: error,
        requestId: c.var.requestId,
        traceId: c.var.trace?.traceId,
        method: c.req.method,
        path: loggedPath(c),
      },
      'a request failed',
    )
    return problemAnswer(c, {
      status: 500,
      code: 'INTERNAL',
      detail: `something went wrong here; the log has it under request ${c.var.requestId}`,
    })
  })
  return http
}

let described: ReturnType<typeof describe> | undefined

/** The OpenAPI document, made once. Nothing need be running for it. */
export const describeApi = () => (described ??= describe())

function describe() {
  const document = addRoutes(router()).getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'ocpctl',
      version: '1',
      description:
        'Short-lived OpenShift clusters. Errors are RFC 9457 problems; lists take limit and cursor; what is not described here, as an unknown query parameter, is refused.',
    },
    servers: [{ url: '/' }],
  })
  // The body of every change is read in one place. Every change may wait in vain for a row that another one holds.
  for (const item of Object.values(document.paths ?? {}))
    for (const operation of [item.post, item.put, item.patch, item.delete])
      if (operation?.responses)
        for (const status of [413, 415, 503])
          operation.responses[status] ??= { ...operation.responses['400'], description: titles[status] }
  for (const item of Object.values(document.paths ?? {}))
    for (const operation of Object.values(item as Record<string, object>))
      // of a path, the generator writes operations alone
      if ('parameters' in operation || 'requestBody' in operation)
        refuseNull([operation['parameters' as never], operation['requestBody' as never]])
  return document
}

/** No request may hold the null character: input.ts refuses it in every string. */
function refuseNull(asked: unknown): void {
  if (typeof asked !== 'object' || asked === null) return
  if ('type' in asked && asked.type === 'string' && !('enum' in asked) && !('format' in asked) && !('pattern' in asked))
    Object.assign(asked, { pattern: '^[^\\x00]*$' })
  for (const part of Object.values(asked)) refuseNull(part)
}

function requestIdOf(c: Context<Env>): string {
  const given = c.req.header('x-request-id')
  return given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID()
}
