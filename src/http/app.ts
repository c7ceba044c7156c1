// The HTTP door: it authenticates, translates, and turns what is thrown into problems. Rules live elsewhere.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, dirname } from 'node:path'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import type { Context } from 'hono'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { authenticate } from '../auth/authenticate.ts'
import { AppError, hasCode } from '../errors.ts'
import { idPattern } from '../ids.ts'
import { accessRoutes } from './access.ts'
import { artifactRoutes } from './artifacts.ts'
import { auditRoutes } from './audit.ts'
import { clusterRoutes } from './clusters.ts'
import { findingRoutes } from './findings.ts'
import { healthRoutes } from './health.ts'
import { jobRoutes } from './jobs.ts'
import { profileRoutes } from './profiles.ts'
import { problem, problemAnswer, router, type Env } from './router.ts'

const LOCK_NOT_AVAILABLE = '55P03'
const BODY_LIMIT_BYTES = 256 * 1024

export function createHttp(app: App): OpenAPIHono<Env> {
  const http = router()
  http.use(async (c, next) => {
    c.set('app', app)
    c.set('requestId', requestIdOf(c))
    await next()
    c.header('x-request-id', c.var.requestId)
    c.header('x-content-type-options', 'nosniff')
  })
  http.use(
    bodyLimit({
      maxSize: BODY_LIMIT_BYTES,
      onError: () => {
        throw new AppError('PAYLOAD_TOO_LARGE', `a body has at most ${BODY_LIMIT_BYTES / 1024} KiB`)
      },
    }),
  )
  http.use('/api/v1/*', async (c, next) => {
    const origin = {
      requestId: c.var.requestId,
      address: addressOf(c),
      agent: c.req.header('user-agent')?.slice(0, 256),
    }
    c.set('by', await authenticate(app.db, c.req.header('authorization'), origin))
    await next()
  })
  addRoutes(http)
  addDocs(http)
  http.notFound((c) =>
    problem(c, new AppError('NOT_FOUND', `there is nothing at ${c.req.method} ${c.req.path}; see /docs`)),
  )
  http.onError(async (error, c) => {
    if (error instanceof AppError) {
      if (error.code === 'FORBIDDEN') await recordDenial(app, c, error.message)
      if (error.code === 'UNAUTHENTICATED') c.header('www-authenticate', 'Bearer')
      return problem(c, error)
    }
    if (error instanceof HTTPException && error.status < 500)
      return problem(c, new AppError('BAD_INPUT', error.message || 'the request cannot be read'))
    if (hasCode(error, LOCK_NOT_AVAILABLE))
      return problem(c, new AppError('UNAVAILABLE', 'somebody else is changing this just now: ask again in a moment'))
    app.log.error(
      { err: error, requestId: c.var.requestId, method: c.req.method, path: c.req.path },
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

/** The OpenAPI document; needs nothing running. */
export function describeApi() {
  return addRoutes(router()).getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'ocpctl',
      version: '1',
      description: 'Short-lived OpenShift clusters. Errors are RFC 9457 problems; lists take limit and cursor.',
    },
    servers: [{ url: '/' }],
  })
}

function addRoutes(http: OpenAPIHono<Env>): OpenAPIHono<Env> {
  http.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  http.route('/', healthRoutes)
  for (const routes of [
    clusterRoutes,
    jobRoutes,
    findingRoutes,
    profileRoutes,
    accessRoutes,
    auditRoutes,
    artifactRoutes,
  ])
    http.route('/api/v1', routes)
  return http
}

const docsFiles: Record<string, string> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
}
const docsPage = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ocpctl API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"></head><body><div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>`
const docsStart = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true })`

// Served from the installed package, so that the documents work without the internet.
function addDocs(http: OpenAPIHono<Env>): void {
  const home = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  http.get('/openapi.json', (c) => c.json(describeApi()))
  http.get('/docs', (c) => {
    c.header(
      'content-security-policy',
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'",
    )
    return c.html(docsPage)
  })
  http.get('/docs/start.js', (c) => c.body(docsStart, 200, { 'content-type': 'text/javascript' }))
  http.get('/docs/:file', (c) => {
    const file = c.req.param('file')
    const type = docsFiles[file]
    if (type === undefined) return c.notFound()
    return c.body(readFileSync(join(home, file)), 200, { 'content-type': type, 'cache-control': 'max-age=86400' })
  })
}

/** What somebody who is known tried and may not do; an unknown caller could fill the trail. */
async function recordDenial(app: App, c: Context<Env>, reason: string): Promise<void> {
  const by = c.get('by')
  if (by === undefined) return
  const { method } = c.req
  const path = c.req.path.toWellFormed().replaceAll('\u0000', '')
  const clusterId = idPattern('clu').exec(path.split('/')[4] ?? '')?.[0]
  const entry = { action: 'access.denied', outcome: 'denied' as const, detail: { method, path, reason } }
  await app.db
    .transaction((tx) => writeAudit(tx, by, { ...entry, ...(clusterId === undefined ? {} : { clusterId }) }))
    .catch((error: unknown) => app.log.error({ err: error, requestId: c.var.requestId }, 'a denial was not recorded'))
}

function requestIdOf(c: Context<Env>): string {
  const given = c.req.header('x-request-id')
  return given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID()
}

function addressOf(c: Context<Env>): string | undefined {
  try {
    return getConnInfo(c).remote.address
  } catch {
    return undefined // a request that came through no socket, as in tests
  }
}
