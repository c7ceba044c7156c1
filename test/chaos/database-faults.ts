// Harm to the database server. One at a time.
import { pickStep } from './faketime.ts'
import { writeMarks } from './marks.ts'
import type { Act, FaultKind, Hand } from './fault.ts'

type Kind =
  | 'lose-commits'
  | 'step-db-clock'
  | 'restart-postgres-fast'
  | 'restart-postgres-immediate'
  | 'outage-postgres'

export function databaseFaults(hand: Hand): Record<Kind, Act> {
  const { postgres, database, random, note, healAfter } = hand
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
    async 'lose-commits'() {
      if (isInTrouble) return false
      isInTrouble = true
      const lastsMs = random.whole(1000, 3000)
      const fault = note({ kind: 'lose-commits', target: 'postgres', lastsMs })
      const marks = await writeMarks(database.urlAt(postgres.port, 'chaos'))
      await postgres.beginLosing()
      await new Promise((resolve) => setTimeout(resolve, lastsMs))
      await postgres.loseAll()
      const to = Date.now()
      await marks.stop()
      healAfter(random.whole(200, 1500), async () => {
        await postgres.start()
        const loss = await marks.findLoss(database.rows, to)
        if (loss) fault.loss = loss
        isInTrouble = false
        fault.healedAt = Date.now()
      })
      return true
    },
    'step-db-clock'() {
      const { clock } = postgres
      if (!clock) return false
      const stepMs = pickStep(clock, random, hand.leaseMs)
      clock.step(stepMs)
      note({ kind: 'step-db-clock', target: `to ${stepMs / 1000} s`, stepMs })
      return true
    },
    'restart-postgres-fast': () => restart('restart-postgres-fast', 'fast'),
    'restart-postgres-immediate': () => restart('restart-postgres-immediate', 'immediate'),
    // The proxies accept whoever comes meanwhile, and hang up, as a balancer without a server does.
    'outage-postgres': () => restart('outage-postgres', random.pick(['fast', 'immediate']), random.whole(5000, 20_000)),
  }
}
