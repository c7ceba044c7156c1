// Answers so many bytes of JSON, as its argument says: what a request costs with nothing behind it.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const text = JSON.stringify({ text: 'x'.repeat(Number(process.argv[2] ?? 0)) })
const http = new Hono().get('/', (c) => c.body(text, 200, { 'content-type': 'application/json' }))
serve({ fetch: http.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => console.log(`http://127.0.0.1:${port}/`))
