// Harm to the database server. One at a time.
import type { Act, FaultKind, Hand } from './fault.ts'

type Kind = 'restart-postgres-fast' | 'restart-postgres-immediate' | 'outage-postgres'

export function databaseFaults(hand: Hand): Record<Kind, Act> {
  const { postgres, random, note, healAfter } = hand
  let isInTrouble = false

  const restart = async (kind: FaultKind, how: 'fast' | 'immediate', lastsMs = random.whole(200, 3000)) => {
    if (isInTrouble) return false
    isInTrouble = true
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
    // The proxies accept whoever comes meanwhile, and hang up, as a balancer without a server does.
    'outage-postgres': () => restart('outage-postgres', random.pick(['fast', 'immediate']), random.whole(5000, 20_000)),
  }
}
