// What a scrape is answered, and the listener for scrapes alone. It needs neither the database nor a token, so that it
// answers when little else does. Whoever reaches it reads the names of teams and what they spend.
import type { OpenAPIHono } from '@hono/zod-openapi'
import { contentTypes, type Format, type Metrics } from '../observability/metrics.ts'
import type { Env } from './env.ts'

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

export function answerScrape(metrics: Pick<Metrics, 'render'>, accept: string | null | undefined): Response {
  const format = formatFor(accept ?? '')
  return new Response(metrics.render(format), {
    headers: { 'content-type': contentTypes[format], ...HEADERS, vary: 'accept' },
  })
}

/** OpenMetrics goes to those who ask for its version 1.0.0, or for none, and would not rather have text. */
export function formatFor(accept: string): Format {
  let best = { format: 'text' as Format, q: 0 }
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const of = (name: string) => parameters.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1)
    const q = Number(of('q') ?? 1)
    const isOpen = type === 'application/openmetrics-text' && ['1.0.0', undefined].includes(of('version'))
    const isText = type === 'text/plain' && ['0.0.4', undefined].includes(of('version'))
    if ((isOpen || isText) && q > best.q) best = { format: isOpen ? 'openmetrics' : 'text', q }
  }
  return best.format
}

/** `GET /metrics`, and `GET /healthz`: the process lives. */
export function createMetricsHttp(metrics: Pick<Metrics, 'render'>): Pick<OpenAPIHono<Env>, 'fetch'> {
  return {
    fetch(request: Request) {
      const { pathname } = new URL(request.url)
      if (pathname !== '/metrics' && pathname !== '/healthz')
        return new Response('there are /metrics and /healthz here\n', { status: 404, headers: HEADERS })
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return new Response('GET it\n', { status: 405, headers: { ...HEADERS, allow: 'GET, HEAD' } })
      return pathname === '/metrics'
        ? answerScrape(metrics, request.headers.get('accept'))
        : Response.json({ status: 'ok' }, { headers: HEADERS })
    },
  }
}
