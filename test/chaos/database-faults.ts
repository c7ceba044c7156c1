// Harm to the database server. One at a time.
import type { Act, FaultKind, Hand } from './fault.ts'

export function databaseFaults(hand: Hand): Record<'restart-postgres-fast' | 'restart-postgres-immediate', Act> {
  const { postgres, random, note, healAfter } = hand
  let isInTrouble = false

  const restart = async (kind: FaultKind, how: 'fast' | 'immediate') => {
    if (isInTrouble) return false
    isInTrouble = true
    const lastsMs = random.whole(200, 3000)
    const fault = note({ kind, target: 'postgres', lastsMs })
    await postgres.stop(how)
    healAfter(lastsMs, async () => {
      await postgres.start()
      isInTrouble = false
      fault.healedAt = Date.now()
    })
    return true
  }
  return {
    'restart-postgres-fast': () => restart('restart-postgres-fast', 'fast'),
    'restart-postgres-immediate': () => restart('restart-postgres-immediate', 'immediate'),
  }
}
