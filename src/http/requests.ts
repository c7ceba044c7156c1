// What metrics, traces and the log are told of each request. One line of the log a request: a change at `info`, an answer of
// 500 or more at `warn`, a read or a refusal at `debug`, so that strangers do not fill it; none of a probe. The route is a
// pattern, so that no client makes up names.
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { App } from '../app.ts'
import { nameOf } from '../auth/principal.ts'
import { readTraceparent } from '../observability/trace-context.ts'
import type { Env } from './env.ts'
import type { Operations } from './input.ts'
import { isReading } from './session.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const LONGEST_PATH = 256
const PROBES = ['/healthz', '/readyz', '/metrics']

export function watchRequests({ metrics, traces, log }: App, operations: Operations): MiddlewareHandler<Env> {
  return async (c, next) => {
    const from = performance.now()
    const isProbe = PROBES.includes(c.req.path)
    const parent = readTraceparent(c.req.header('traceparent'))
    const span = isProbe ? undefined : traces.start(c.req.method, { parent, isServer: true })
    c.set('trace', span?.context)
    await next()
    const ms = performance.now() - from
    const { status } = c.res
    const method = METHODS.includes(c.req.method) ? c.req.method : '_OTHER'
    const about = {
      http_request_method: method,
      http_route: routeOf(c, operations),
      http_response_status_code: String(status),
    }
    const traceId = span?.context?.traceId
    metrics.observe('http_server_request_duration_seconds', about, ms / 1000, traceId)
    span?.end({
      name: `${method} ${about.http_route}`,
      attributes: {
        'http.request.method': method,
        'http.route': about.http_route,
        'http.response.status_code': status,
        'ocpctl.request.id': c.var.requestId,
      },
      ...(status >= 500 ? { error: String(status) } : {}),
    })
    const level = status >= 500 ? 'warn' : isReading(c) || status >= 400 ? 'debug' : 'info'
    if (isProbe || !log.isLevelEnabled(level)) return
    const by = c.get('by')
    const who = { requestId: c.var.requestId, traceId, ...idsIn(c.req.path), by: by && nameOf(by) }
    const path = loggedPath(c).slice(0, LONGEST_PATH)
    log[level]({ ...who, method, path, status, ms: Math.round(ms) }, 'a request was answered')
  }
}

function routeOf(c: Context<Env>, operations: Operations): string {
  const path = operations.find(c)?.path ?? (c.res.status === 404 ? '' : (matchedRoutes(c).at(-1)?.path ?? ''))
  return path.replaceAll(/:(\w+)/g, '{$1}')
}

function idsIn(path: string): { clusterId?: string; jobId?: string } {
  const [, clusterId] = /\/clusters\/(clu_\w{26})(?:\/|$)/.exec(path) ?? []
  const [, jobId] = /\/jobs\/(job_\w{26})(?:\/|$)/.exec(path) ?? []
  return { ...(clusterId === undefined ? {} : { clusterId }), ...(jobId === undefined ? {} : { jobId }) }
}

/** For the log. The path of a link is the right to use it. */
export const loggedPath = (c: Context<Env>) => c.req.path.replace(/^(\/links\/).*/, '$1…')
