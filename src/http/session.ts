// What proves who asks: the header Authorization, or the cookie of the console. A browser adds a cookie by itself, so
// what changes something is taken from pages of our own origin alone.
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Credential } from '../auth/authenticate.ts'
import type { Caller, Origin } from '../auth/principal.ts'
import { openSession, sealSession, startSession } from '../auth/sessions.ts'
import { AppError } from '../errors.ts'
import { traceparentOf } from '../observability/trace-context.ts'
import type { Env } from './env.ts'

export const SESSION_PATH = '/api/v1/session'
const COOKIE = 'ocpctl-session'

export const isReading = (c: Context<Env>): boolean => c.req.method === 'GET' || c.req.method === 'HEAD'

/** Plain HTTP on the same machine is as safe as TLS, and not every browser takes a Secure cookie there. */
export const isLoopback = (c: Context<Env>): boolean =>
  /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(c.req.url).hostname)

/** A Secure cookie with this prefix cannot be set by a neighbouring host, nor over plain HTTP. */
const prefixOf = (c: Context<Env>) => (isLoopback(c) ? undefined : 'host')

/** The header comes first: a program that sends one says who it means to be. */
export function credentialOf(c: Context<Env>): Credential {
  const authorization = c.req.header('authorization')
  if (authorization !== undefined || c.req.header('cookie') === undefined) return authorization
  const cookie = getCookie(c, COOKIE, prefixOf(c))
  return cookie === undefined ? undefined : openSession(c.var.app.box, cookie)
}

/** Throws FORBIDDEN for a change that another site's page may have asked for. */
export function requireSameOrigin(c: Context<Env>): void {
  if (isReading(c) || c.req.header('sec-fetch-site') === 'same-origin') return
  throw new AppError(
    'FORBIDDEN',
    'what changes something is taken with a cookie only from the console itself (Sec-Fetch-Site: same-origin, which browsers send over https and on this machine); a program sends the header Authorization',
  )
}

export const originOf = (c: Context<Env>): Origin => ({
  requestId: c.var.requestId,
  address: c.var.address,
  agent: c.req.header('user-agent')?.slice(0, 256),
  ...(c.var.trace ? { traceparent: traceparentOf(c.var.trace) } : {}),
})

/** `token`: the API token that proved who the caller is, if it was one. Returns when the session ends. */
export async function giveSession(c: Context<Env>, by: Caller, token: string | undefined): Promise<Date> {
  const { app } = c.var
  const known = token === undefined ? undefined : await app.authenticators.access.tokenOf(token)
  const { session, expiresAt } = await app.db.transaction((tx) => startSession(tx, by, token, known?.expiresAt ?? null))
  const prefix = prefixOf(c)
  setCookie(c, COOKIE, sealSession(app.box, session), {
    ...(prefix === undefined ? {} : { prefix }),
    secure: prefix !== undefined,
    httpOnly: true,
    sameSite: 'Strict',
    path: '/',
    expires: expiresAt,
  })
  return expiresAt
}

export function takeSession(c: Context<Env>): void {
  const prefix = prefixOf(c)
  deleteCookie(c, COOKIE, { path: '/', ...(prefix === undefined ? {} : { prefix, secure: true }) })
}
