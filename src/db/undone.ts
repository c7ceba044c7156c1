// What a change would come to: all of it is done and undone again, so that only what others do meanwhile makes a
// difference.
import type { Db, Transaction } from './client.ts'

class Undone extends Error {}

/** Throws what the change throws. */
export async function undone<T>(db: Db, change: (tx: Transaction) => Promise<T>): Promise<T> {
  const told: T[] = []
  const run = async (tx: Transaction) => {
    told.push(await change(tx))
    throw new Undone()
  }
  await db.transaction(run).catch((error: unknown) => {
    if (!(error instanceof Undone)) throw error
  })
  const [last] = told
  if (last === undefined) throw new Error('it was not undone')
  return last
}
