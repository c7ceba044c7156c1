// The idempotent POSTs: the answer of the first request with a key is the answer of all.
import { isDeepStrictEqual } from 'node:util'
import type { Context } from 'hono'
import { writeAudit } from '../audit/audit.ts'
import { renewCaller } from '../auth/authenticate.ts'
import { nameOf } from '../auth/principal.ts'
import type { Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { SecretUnreadable, type SecretBox } from '../secrets.ts'
import type { Env } from './env.ts'

/** `operation` names method and path, and `body` what was asked, so that a key cannot be used for something else. */
type Once = {
  operation: string
  body: unknown
  status: number
  /** Without a key it is done each time. */
  isKeyOptional?: boolean
  /** The answer holds a secret: it is sealed where it is kept. */
  isSecret?: boolean
}

export async function once<T>(c: Context<Env>, asked: Once, change: (tx: Transaction) => Promise<T>): Promise<T> {
  return oncePrepared(c, asked, () => Promise.resolve(), change)
}

/** `prepare` reads what the change needs, and waits for its turn, in the same trip as the key. */
export async function oncePrepared<T, Prepared>(
  c: Context<Env>,
  { operation, body, status, isKeyOptional, isSecret }: Once,
  prepare: (tx: Transaction) => Promise<Prepared>,
  change: (tx: Transaction, prepared: Prepared) => Promise<T>,
): Promise<T> {
  const { app, by } = c.var
  // Before a stored answer is given away: it is of the principal, and this credential of it may be for reading alone.
  if (!by.scopes.includes('write'))
    throw new AppError('FORBIDDEN', `this credential of ${nameOf(by)} has no scope "write"`)
  const key = c.req.header('idempotency-key')
  if (key === undefined && isKeyOptional) return app.db.transaction(async (tx) => change(tx, await prepare(tx)))
  // A secret is given again to the very credential that it was made with, and to no other of the same principal.
  const asked = isSecret ? { body, credential: [by.session ?? null, ...by.scopes] } : body
  const sealing = isSecret ? sealingOf(app.box, `idempotency_keys:${nameOf(by)}:${key}`) : undefined
  const answer = await answerOnce(
    app.db,
    by,
    { key, operation, body: asked, sealing },
    prepare,
    async (tx, prepared) => {
      // It may have waited for another one with its key.
      const now = await renewCaller(app.authenticators, c.req.header('authorization'), by, tx)
      if (!isDeepStrictEqual(now.bindings, by.bindings))
        throw new AppError('UNAVAILABLE', 'your roles have changed meanwhile: ask again')
      return { status, body: await change(tx, prepared) }
    },
  )
  if (answer.replayed) {
    c.header('Idempotency-Replayed', 'true')
    if (isSecret)
      await app.db.transaction(async (tx) =>
        writeAudit(tx, by, { action: 'secret.read-again', detail: { operation, key } }),
      )
  }
  return answer.body as T // stored by this operation alone
}

function sealingOf(box: SecretBox, context: string) {
  return {
    seal: (body: unknown) => ({ sealed: box.seal(JSON.stringify(body), context).toString('base64') }),
    open: (kept: unknown): unknown => {
      const { sealed } = kept as { sealed: string } // written above
      try {
        return JSON.parse(box.open(Buffer.from(sealed, 'base64'), context).toString())
      } catch (error) {
        if (!(error instanceof SecretUnreadable)) throw error
        throw new AppError('CONFLICT', 'the first answer was sealed with a key that is gone: ask anew, with a new key')
      }
    },
  }
}
