// The two stops of a browser on its way to the OpenID Connect issuer and back. What is between them is in a sealed
// cookie of its own, good for ten minutes and for this way alone.
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { authenticate } from '../auth/authenticate.ts'
import type { Begun } from '../auth/oidc-code.ts'
import { AppError } from '../errors.ts'
import { SecretUnreadable } from '../secrets.ts'
import type { Env } from './env.ts'
import { giveSession, isLoopback, originOf } from './session.ts'

const COOKIE = 'ocpctl-sign-in'
const CONTEXT = 'console sign-in'
const PATH = '/sign-in'
const LONGEST_MS = 10 * 60_000

type Kept = Begun & { to: string; until: number }

export function addSignIn(http: OpenAPIHono<Env>): void {
  http.get(`${PATH}/oidc`, (c) =>
    orPage(c, async () => {
      const { app } = c.var
      const { url, begun } = await codeFlowOf(c).begin(`${publicOriginOf(c)}${PATH}/callback`)
      const kept: Kept = { ...begun, to: ownPath(c.req.query('to')), until: Date.now() + LONGEST_MS }
      setCookie(c, COOKIE, app.box.seal(JSON.stringify(kept), CONTEXT).toString('base64url'), {
        secure: !isLoopback(c),
        httpOnly: true,
        sameSite: 'Lax', // the issuer's page sends the browser back, which is another site
        path: PATH,
        maxAge: LONGEST_MS / 1000,
      })
      return url
    }),
  )
  http.get(`${PATH}/callback`, (c) =>
    orPage(c, async () => {
      const { app } = c.var
      const kept = keptIn(c)
      deleteCookie(c, COOKIE, { path: PATH })
      const token = await codeFlowOf(c).finish(kept, new URL(c.req.url).search)
      const by = await authenticate(app.authenticators, `Bearer ${token}`, originOf(c))
      await giveSession(c, by, undefined)
      return kept.to
    }),
  )
}

/** A refusal is told on the page where one signs in, which has its own words: a link must not put any there. */
async function orPage(c: Context<Env>, goOn: () => Promise<string>): Promise<Response> {
  c.header('cache-control', 'no-store')
  c.header('referrer-policy', 'no-referrer')
  try {
    return c.redirect(await goOn(), 303)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    c.var.app.log.info({ requestId: c.var.requestId, reason: error.message }, 'a sign-in with a browser was refused')
    return c.redirect(`${PATH}?problem=${error.code.toLowerCase()}`, 303)
  }
}

function codeFlowOf(c: Context<Env>) {
  const { oidcCode } = c.var.app.authenticators
  if (!oidcCode) throw new AppError('NOT_FOUND', 'sign-in with an issuer is not set up here (OCPCTL_OIDC_ISSUER)')
  return oidcCode
}

function publicOriginOf(c: Context<Env>): string {
  const { publicUrl } = c.var.app.config
  if (publicUrl !== undefined) return publicUrl
  if (isLoopback(c)) return new URL(c.req.url).origin
  throw new AppError('CONFLICT', 'where the issuer sends you back to is not set up here: set OCPCTL_PUBLIC_URL')
}

function keptIn(c: Context<Env>): Kept {
  const again = () => new AppError('UNAUTHENTICATED', 'this sign-in is too old, or was begun elsewhere: begin again')
  try {
    const sealed = Buffer.from(getCookie(c, COOKIE) ?? '', 'base64url')
    const kept = JSON.parse(c.var.app.box.open(sealed, CONTEXT).toString()) as Kept // sealed above
    if (kept.until < Date.now()) throw again()
    return kept
  } catch (error) {
    if (error instanceof SecretUnreadable) throw again()
    throw error
  }
}

/** A path of our own, and never the address of another site. */
function ownPath(to: string | undefined): string {
  const base = 'http://here'
  if (to === undefined || !URL.canParse(to, base)) return '/'
  const url = new URL(to, base)
  return url.origin === base ? `${url.pathname}${url.search}${url.hash}` : '/'
}
