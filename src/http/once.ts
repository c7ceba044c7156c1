// The idempotent POSTs: the answer of the first request with a key is the answer of all.
import type { Context } from 'hono'
import type { Transaction } from '../db/client.ts'
import { answerOnce } from '../idempotency.ts'
import type { Env } from './router.ts'

/** `operation` names method and path, and `body` what was asked, so that a key cannot be used for something else. */
export async function once<T>(
  c: Context<Env>,
  request: { operation: string; body: unknown; status: number },
  change: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const { app, by } = c.var
  const key = c.req.header('idempotency-key')
  const answer = await answerOnce(
    app.db,
    by,
    { key, operation: request.operation, body: request.body },
    async (tx) => ({
      status: request.status,
      body: await change(tx),
    }),
  )
  if (answer.replayed) c.header('Idempotency-Replayed', 'true')
  return answer.body as T // stored by this operation alone
}
