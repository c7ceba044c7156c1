// What a process remembers of tokens and roles is forgotten with each change of them that passes this door.
import type { MiddlewareHandler } from 'hono'
import type { Env } from './env.ts'

/** The answer says that it is done: from here on it is, before word of it has come back from the database. */
export const forgetAccess: MiddlewareHandler<Env> = async (c, next) => {
  await next()
  if (c.req.method !== 'GET' && c.res.ok) c.var.app.authenticators.access.forget()
}
