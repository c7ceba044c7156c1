// What somebody who is known tried and may not do, for the audit trail; an unknown caller could fill it. A flood of one
// kind is one row a minute, whose next row says how many were not written.
import type { Context } from 'hono'
import { LRUCache } from 'lru-cache'
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { nameOf } from '../auth/principal.ts'
import { idPattern } from '../ids.ts'
import type { Operations } from './input.ts'
import type { Env } from './router.ts'

const MINUTE_MS = 60_000

export function openDenials(app: App, operations: Operations): (c: Context<Env>, reason: string) => Promise<void> {
  const kinds = new LRUCache<string, { writtenAt: number; unwritten: number }>({ max: 10_000 })
  return async (c, reason) => {
    const by = c.get('by')
    if (by === undefined) return
    const { method } = c.req
    const path = c.req.path.toWellFormed().replaceAll('\u0000', '')
    const kind = JSON.stringify([nameOf(by), method, operations.find(c)?.path ?? path])
    const last = kinds.get(kind)
    if (last && Date.now() - last.writtenAt < MINUTE_MS) {
      last.unwritten++
      return
    }
    const alsoDenied = last?.unwritten ?? 0
    kinds.set(kind, { writtenAt: Date.now(), unwritten: 0 })
    const clusterId = idPattern('clu').exec(path.split('/')[4] ?? '')?.[0]
    const detail = { method, path, reason, ...(alsoDenied > 0 ? { alsoDenied } : {}) }
    const entry = { action: 'access.denied', outcome: 'denied' as const, detail }
    await app.db
      .transaction((tx) => writeAudit(tx, by, { ...entry, ...(clusterId === undefined ? {} : { clusterId }) }))
      .catch((error: unknown) => app.log.error({ err: error, requestId: c.var.requestId }, 'a denial was not recorded'))
  }
}
