// What a check works with. A check looks without locks first and brings each suspicion to `inspect`. That locks the
// cluster, looks again, repairs, and files the finding, all in one transaction.
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { lockCluster } from '../clusters/queries.ts'
import type { ClusterRow } from '../clusters/tables.ts'
import type { Transaction } from '../db/client.ts'
import { fileFinding, findAccepted, noteSeen, type About, type Verdict } from './findings.ts'

/** Somebody lives with it as it is. */
class Accepted extends Error {}

/** How old a thing must be before it is reported: transactions settle, and workers take their turn. */
export const GRACE_SECONDS = 60

export const RECONCILER: Actor = { kind: 'system', name: 'reconciler' }

/**
 * A part that must be asked did not answer. That is no finding, and the findings that depend on it stay as they are.
 */
export class CannotTell extends Error {
  override readonly name = 'CannotTell'
}

/** Looks again. Returns undefined when all is well by now. The cluster's row, if there is one, is locked. */
export type Look = (tx: Transaction, cluster: ClusterRow | undefined) => Promise<Verdict | undefined>

export type Pass = {
  readonly app: App
  inspect: (about: About, look: Look) => Promise<void>
  /** Nothing is known about this in this pass, so an open finding about it stays open. */
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
          // What the look has repaired is taken back with the transaction.
          if (verdict.repair !== undefined && (await findAccepted(tx, about)) === verdict.detail) throw new Accepted()
          const isNew = await fileFinding(tx, RECONCILER, about, verdict)
          return { isNew, repair: verdict.repair }
        })
        if (done?.isNew) counts.filed++
        if (done?.repair !== undefined) counts.repaired++
      } catch (error) {
        if (error instanceof Accepted) return noteSeen(app.db, about)
        left.add(keyOf(about))
        app.log.error({ err: error, ...about }, 'a disagreement could not be looked into')
      }
    },
    leave: (about) => void left.add(keyOf(about)),
    isLeft: (about) => left.has(keyOf(about)),
  }
}

/** Reads pages of rows, each after the last row of the page before, until a page is not full. */
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
