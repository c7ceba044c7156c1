// The idempotent POSTs: all requests with one key get the answer of the first.
import { isDeepStrictEqual } from 'node:util'
import type { Context } from 'hono'
import { writeAudit } from '../audit/audit.ts'
import { renewCaller } from '../auth/authenticate.ts'
import { nameOf } from '../auth/principal.ts'
import type { Transaction } from '../db/client.ts'
import { undone } from '../db/undone.ts'
import { AppError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { SecretUnreadable, type SecretBox } from '../secrets.ts'
import type { Env } from './env.ts'

/** `operation` names method and path, and `body` is what was asked, so that a key cannot be used for something else. */
type Once = {
  operation: string
  body: unknown
  status: number
  /** Without a key the request is done each time. */
  isKeyOptional?: boolean
  /** The answer holds a secret, so it is stored sealed. */
  isSecret?: boolean
}

export async function once<T>(c: Context<Env>, asked: Once, change: (tx: Transaction) => Promise<T>): Promise<T> {
  return oncePrepared(c, asked, () => Promise.resolve(), change)
}

/** As once. With dryRun=true nothing is done, and the answer is what it would be. */
export async function onceUnlessDry<T>(
  c: Context<Env>,
  dryRun: string | undefined,
  asked: Once,
  change: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return dryRun === 'true' ? undone(c.var.app.db, change) : once(c, asked, change)
}

/** `prepare` reads what the change needs, and waits for its turn, in the same round trip as the key. */
export async function oncePrepared<T, Prepared>(
  c: Context<Env>,
  { operation, body, status, isKeyOptional, isSecret }: Once,
  prepare: (tx: Transaction) => Promise<Prepared>,
  change: (tx: Transaction, prepared: Prepared) => Promise<T>,
): Promise<T> {
  const { app, by } = c.var
  // Checked before a stored answer is given away: the answer belongs to the principal, and this credential may be only
  // for reading.
  if (!by.scopes.includes('write'))
    throw new AppError('FORBIDDEN', `this credential of ${nameOf(by)} has no scope "write"`)
  const key = c.req.header('idempotency-key')
  if (key === undefined && isKeyOptional) return app.db.transaction(async (tx) => change(tx, await prepare(tx)))
  // A secret is given again only to the credential that it was made with, and to no other of the same principal.
  const asked = isSecret ? { body, credential: [by.session ?? null, ...by.scopes] } : body
  const sealing = isSecret ? sealingOf(app.box, `idempotency_keys:${nameOf(by)}:${key}`) : undefined
  const answer = await answerOnce(
    app.db,
    by,
    { key, operation, body: asked, sealing },
    prepare,
    async (tx, prepared) => {
      // This request may have waited for another one with its key.
      const now = await renewCaller(app.authenticators, c.var.credential, by, tx)
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
