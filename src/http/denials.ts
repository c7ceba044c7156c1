// Records for the audit trail what a known caller tried and may not do. Unknown callers are left out, since they could
// fill it. The same attempt is one row a minute, and one caller has a limited number of rows a minute. Its next row
// says how many were not written.
import type { Context } from 'hono'
import { LRUCache } from 'lru-cache'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { isSomething } from '../audit/queries.ts'
import { type Caller, nameOf } from '../auth/principal.ts'
import type { AppError } from '../errors.ts'
import { idPattern } from '../ids.ts'
import type { Env } from './env.ts'

const MINUTE_MS = 60_000
const ROWS_A_MINUTE = 100
const CREDENTIALS = /\/(outputs|kubeconfig|content)$/

export function openDenials(app: App): (c: Context<Env>, error: AppError) => Promise<void> {
  const writtenAt = new LRUCache<string, number>({ max: 10_000, ttl: MINUTE_MS })
  const rows = new LRUCache<string, { from: number; written: number; unwritten: number }>({ max: 10_000 })

  /**
   * How many denials of the actor were not written until now, or undefined when this one is not to be written either.
   */
  function turnOf(actor: string, attempt: string): number | undefined {
    const now = Date.now()
    let its = rows.get(actor)
    if (!its || now - its.from >= MINUTE_MS) {
      its = { from: now, written: 0, unwritten: its?.unwritten ?? 0 }
      rows.set(actor, its)
    }
    const last = writtenAt.get(attempt)
    if (its.written >= ROWS_A_MINUTE || (last !== undefined && now - last < MINUTE_MS)) {
      its.unwritten++
      return undefined
    }
    writtenAt.set(attempt, now)
    its.written++
    const { unwritten } = its
    its.unwritten = 0
    return unwritten
  }

  async function record(c: Context<Env>, by: Caller, reason: string): Promise<void> {
    const { method } = c.req
    const path = c.req.path.toWellFormed().replaceAll('\u0000', '')
    const [, , , noun, id = ''] = path.split('/')
    const isIn = (prefix: 'clu' | 'job') =>
      noun === { clu: 'clusters', job: 'jobs' }[prefix] && idPattern(prefix).test(id)
    const alsoDenied = turnOf(nameOf(by), JSON.stringify([nameOf(by), method, path]))
    if (alsoDenied === undefined) return
    const entry = {
      action: 'access.denied',
      outcome: 'denied' as const,
      detail: { method, path, reason, ...(alsoDenied > 0 ? { alsoDenied } : {}) },
      ...(isIn('clu') ? { clusterId: id } : {}),
      ...(isIn('job') ? { jobId: id } : {}),
    }
    await app.db.transaction(async (tx) => writeAudit(tx, by, entry))
  }

  return async (c, error) => {
    const by = c.get('by')
    if (by === undefined) return
    try {
      // For a caller who may not see it, it does not exist. An attempt to change it, or to read its secrets, is
      // recorded all the same.
      const isSerious = c.req.method !== 'GET' || CREDENTIALS.test(c.req.path)
      const isHidden =
        error.code === 'NOT_FOUND' &&
        isSerious &&
        (await isSomething(app.db, c.req.param('artifactId') ?? c.req.param('id') ?? ''))
      if (error.code === 'FORBIDDEN' || isHidden) await record(c, by, error.message)
    } catch (failure) {
      app.log.error({ err: failure, requestId: c.var.requestId }, 'a denial was not recorded')
    }
  }
}

/**
 * Writes refused sign-ins to the log, because unknown callers could fill the trail. Each reason is written once a
 * minute per address.
 */
export function openRefusals(app: App): (c: Context<Env>, reason: string) => void {
  const told = new LRUCache<string, true>({ max: 10_000, ttl: MINUTE_MS })
  return (c, reason) => {
    const { address, requestId } = c.var
    const kind = JSON.stringify([address, reason])
    if (told.has(kind)) return
    told.set(kind, true)
    app.log.info({ address, requestId, reason }, 'a sign-in was refused')
  }
}
