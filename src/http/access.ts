// What a process remembers of tokens and roles is forgotten with each change of them that passes through this API.
import type { MiddlewareHandler } from 'hono'
import type { Env } from './env.ts'

/** The answer says that the change is done. So it holds from here on, before the database sends word of it back. */
export const forgetAccess: MiddlewareHandler<Env> = async (c, next) => {
  await next()
  if (c.req.method !== 'GET' && c.res.ok) c.var.app.authenticators.access.forget()
}
