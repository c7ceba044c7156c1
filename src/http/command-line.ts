// The command line for users, handed out by the server that it is for, and what it has to know to sign in. All of this is
// public: it says whom the server believes, and no more.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Config } from '../config.ts'
import { AppError, hasCode } from '../errors.ts'
import { version } from '../version.ts'
import type { Env } from './env.ts'
import { problem } from './router.ts'

const PATH = '/downloads/ocpctl.mjs'
const FILE = new URL('../../cli/dist/ocpctl.mjs', import.meta.url)

export function addCommandLine(http: OpenAPIHono<Env>, { oidc, awsIam }: Pick<Config, 'oidc' | 'awsIam'>): void {
  // Read once, so that the sum is of the bytes that are sent.
  const file = readBuilt()
  const sum = file && createHash('sha256').update(file).digest()
  const missing = new AppError(
    'NOT_FOUND',
    'this server was installed without its command line: `npm run prepare` builds it',
  )
  http.get(PATH, (c) => {
    if (!file || !sum) return problem(c, missing)
    return c.body(file, 200, {
      'content-type': 'text/javascript',
      'content-disposition': 'attachment; filename="ocpctl.mjs"',
      'cache-control': 'no-cache',
      etag: `"${sum.toString('hex')}"`,
      'repr-digest': `sha-256=:${sum.toString('base64')}:`, // RFC 9530
    })
  })
  // As sha256sum writes and reads it.
  http.get(`${PATH}.sha256`, (c) =>
    sum ? c.text(`${sum.toString('hex')}  ocpctl.mjs\n`, 200, { 'cache-control': 'no-cache' }) : problem(c, missing),
  )
  http.get('/.well-known/ocpctl.json', (c) =>
    c.json({
      version,
      commandLine: file && sum ? { path: PATH, sha256: sum.toString('hex'), sizeBytes: file.length } : null,
      oidc: oidc ? { issuer: oidc.issuer, audience: oidc.audience, clientId: oidc.cliClientId ?? oidc.audience } : null,
      aws: awsIam ? { serverId: awsIam.serverId } : null,
    }),
  )
}

/** undefined: nobody has built it. */
function readBuilt(): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(readFileSync(FILE))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
