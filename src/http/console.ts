// The console: the files that `npm run build` made of web/, each read once and sent as it was compressed then. Its
// pages talk to the API as everybody does.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { AppError } from '../errors.ts'
import type { Env } from './env.ts'
import { problem } from './router.ts'

const HOME = fileURLToPath(new URL('../../web/dist', import.meta.url))
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** The first words of the addresses of its pages. What it is not asked for by these stays NOT_FOUND. */
const PAGES = [
  'clusters',
  'request',
  'jobs',
  'operations',
  'findings',
  'usage',
  'profiles',
  'audit',
  'access',
  'tokens',
  'command-line',
  'sign-in',
]

type File = { type: string; plain: Buffer<ArrayBuffer>; brotli: Buffer<ArrayBuffer> | undefined; isHashed: boolean }

export function addConsole(http: OpenAPIHono<Env>): void {
  const files = readFiles()
  const page = async (c: Context<Env>) => {
    await c.var.limits.countRequest(c)
    const index = files.get('index.html')
    if (!index) return problem(c, new AppError('NOT_FOUND', 'the console is not built: run npm run build, and start again')) // prettier-ignore
    c.header('content-security-policy', POLICY)
    return send(c, index)
  }
  http.get('/', page)
  for (const name of PAGES) {
    http.get(`/${name}`, page)
    http.get(`/${name}/*`, page)
  }
  for (const [name, file] of files)
    if (name !== 'index.html') http.get(`/${name}`, async (c) => (await c.var.limits.countRequest(c), send(c, file)))
}

function send(c: Context<Env>, { type, plain, brotli, isHashed }: File): Response {
  const isPacked = brotli !== undefined && /\bbr\b/.test(c.req.header('accept-encoding') ?? '')
  return c.body(isPacked ? brotli : plain, 200, {
    'content-type': type,
    'cache-control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    vary: 'accept-encoding',
    ...(isPacked ? { 'content-encoding': 'br' } : {}),
  })
}

function readFiles(): Map<string, File> {
  if (!existsSync(HOME)) return new Map()
  const names = readdirSync(HOME, { recursive: true, encoding: 'utf8' }).filter((name) => TYPES[extname(name)])
  return new Map(
    names.map((name) => {
      const path = join(HOME, name)
      const brotli = existsSync(`${path}.br`) ? readFileSync(`${path}.br`) : undefined
      const type = TYPES[extname(name)] ?? 'application/octet-stream'
      return [name, { type, plain: readFileSync(path), brotli, isHashed: name.startsWith('assets/') }]
    }),
  )
}
