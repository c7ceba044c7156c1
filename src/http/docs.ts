// The API's documentation, served from the installed package, so that it works without the internet.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Env } from './env.ts'

const docsFiles = new Map([
  ['swagger-ui.css', 'text/css'],
  ['swagger-ui-bundle.js', 'text/javascript'],
])

const docsPage = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ocpctl API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"></head><body><div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>`

const docsStart = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true })`

const files = new Map<string, Buffer<ArrayBuffer>>()
const docsHome = () => dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

export function addDocs(http: OpenAPIHono<Env>, document: object): void {
  // Each is made when it is first asked for, and once. A copy for every request would be memory that a stranger could fill.
  let openapi: string | undefined
  http.get('/openapi.json', (c) =>
    c.body((openapi ??= JSON.stringify(document)), 200, { 'content-type': 'application/json' }),
  )
  http.get('/docs', (c) => {
    c.header(
      'content-security-policy',
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    )
    return c.html(docsPage)
  })
  http.get('/docs/start.js', (c) => c.body(docsStart, 200, { 'content-type': 'text/javascript' }))
  http.get('/docs/:file', (c) => {
    const file = c.req.param('file')
    const type = docsFiles.get(file)
    if (type === undefined) return c.notFound()
    const text = files.get(file) ?? readFileSync(join(docsHome(), file))
    files.set(file, text)
    return c.body(text, 200, { 'content-type': type, 'cache-control': 'max-age=86400' })
  })
}
