// What a check has in its hands: it looks from afar, without locks, and brings each suspicion to `inspect`, which locks
// the cluster, looks again, repairs, and files the finding, all in one transaction.
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { lockCluster } from '../clusters/queries.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import type { Transaction } from '../db/client.ts'
import { fileFinding, type About, type Verdict } from './findings.ts'

/** How old a thing must be before anything is said of it: transactions settle, workers take their turn. */
export const GRACE_SECONDS = 60

export const RECONCILER: Actor = { kind: 'system', name: 'reconciler' }

/** A part that must be asked did not answer. That is no finding, and what it was to tell stays as it is. */
export class CannotTell extends Error {
  override readonly name = 'CannotTell'
}

/** Looks again; undefined: all is well by now. The cluster's row, if there is one, is locked. */
export type Look = (tx: Transaction, cluster: ClusterRow | undefined) => Promise<Verdict | undefined>

export type Pass = {
  readonly app: App
  inspect: (about: About, look: Look) => Promise<void>
  /** Nothing is known of it in this pass, so an open finding about it stays open. */
  leave: (about: About) => void
}

export type Counts = { filed: number; repaired: number }

export function openPass(app: App, counts: Counts): Pass & { isLeft: (about: About) => boolean } {
  const left = new Set<string>()
  const keyOf = ({ type, subject }: About) => `${type} ${subject}`
  return {
    app,
    async inspect(about, look) {
      try {
        const done = await app.db.transaction(async (tx) => {
          const cluster = about.clusterId === undefined ? undefined : await lockCluster(tx, about.clusterId)
          const verdict = await look(tx, cluster)
          if (!verdict) return undefined
          const isNew = await fileFinding(tx, RECONCILER, about, verdict)
          return { isNew, repair: verdict.repair }
        })
        if (done?.isNew) counts.filed++
        if (done?.repair !== undefined) counts.repaired++
      } catch (error) {
        left.add(keyOf(about))
        app.log.error({ err: error, ...about }, 'a disagreement could not be looked into')
      }
    },
    leave: (about) => void left.add(keyOf(about)),
    isLeft: (about) => left.has(keyOf(about)),
  }
}

/** Pages of rows, each after the last of the one before, until one is not full. */
export async function* pages<Row>(
  limit: number,
  read: (last: Row | undefined, limit: number) => Promise<Row[]>,
): AsyncGenerator<Row[]> {
  let last: Row | undefined
  for (;;) {
    const rows = await read(last, limit)
    yield rows
    last = rows.at(-1)
    if (rows.length < limit) return
  }
}
