// Harm to the service's own processes and to their way to the database.
import type { Act, FaultKind, Hand } from './fault.ts'
import type { Role } from './fleet.ts'
import type { Run } from './journal.ts'
import { pauseTree } from './pause.ts'

type Kind =
  | 'kill-worker'
  | 'kill-api'
  | 'drain-worker'
  | 'freeze-worker'
  | 'pause-worker'
  | 'cut-worker'
  | 'cut-api'
  | 'black-hole-worker'
  | 'black-hole-api'

export function processFaults(hand: Hand): Record<Kind, Act> {
  const { random, note, healAfter, victim } = hand
  const beyondLease = () => hand.leaseMs + random.whole(1000, 8000)

  const signalOnce = (role: Role, kind: FaultKind, signal: NodeJS.Signals) => {
    const member = victim(role)
    if (!member) return false
    note({ kind, target: member.name, pid: member.pid ?? 0 })
    member.trouble = kind
    member.signal(signal)
    void member.ended.then(() => (member.trouble = undefined))
    return true
  }
  const disturbNetwork = (role: Role, kind: FaultKind, how: 'cut' | 'blackHole') => {
    const member = victim(role)
    if (!member) return false
    const lastsMs = random.whole(5000, 25_000)
    const fault = note({ kind, target: member.name, pid: member.pid ?? 0, lastsMs })
    member.trouble = kind
    member.proxy[how]()
    healAfter(lastsMs, () => {
      member.proxy.heal()
      member.trouble = undefined
      fault.healedAt = Date.now()
    })
    return true
  }

  return {
    'kill-worker': () => signalOnce('work', 'kill-worker', 'SIGKILL'),
    'kill-api': () => signalOnce('serve', 'kill-api', 'SIGKILL'),
    'drain-worker': () => signalOnce('work', 'drain-worker', 'SIGTERM'),
    'freeze-worker'() {
      const member = victim('work')
      if (!member) return false
      const lastsMs = beyondLease()
      const fault = note({ kind: 'freeze-worker', target: member.name, pid: member.pid ?? 0, lastsMs })
      member.trouble = 'freeze-worker'
      member.signal('SIGSTOP')
      healAfter(lastsMs, () => {
        member.signal('SIGCONT')
        member.trouble = undefined
        fault.healedAt = Date.now()
      })
      return true
    },
    // Its installers stand still with it: nobody can end them, and they go on in the middle of what they did.
    async 'pause-worker'() {
      const creating: Run[] = (await hand.livingRuns()).filter((run) => run.command === 'create cluster')
      const member = victim('work', ({ dataDir }) => creating.some((run) => run.dir.startsWith(`${dataDir}/`)))
      if (!member?.pid) return false
      // Long enough for somebody else to take over and to be done.
      const lastsMs = hand.leaseMs + random.whole(8000, 25_000)
      const { pid } = member
      member.trouble = 'pause-worker'
      const resume = await pauseTree(pid, member.dataDir)
      // By now all stand still, those that began meanwhile too.
      const fault = note({ kind: 'pause-worker', target: member.name, pid, lastsMs })
      for (const { dir, cluster } of creating)
        if (dir.startsWith(`${member.dataDir}/`) && cluster !== undefined && random.chance(0.6)) hand.giveUp(cluster)
      healAfter(lastsMs, async () => {
        fault.healedAt = Date.now()
        await resume()
        member.trouble = undefined
      })
      return true
    },
    'cut-worker': () => disturbNetwork('work', 'cut-worker', 'cut'),
    'cut-api': () => disturbNetwork('serve', 'cut-api', 'cut'),
    'black-hole-worker': () => disturbNetwork('work', 'black-hole-worker', 'blackHole'),
    'black-hole-api': () => disturbNetwork('serve', 'black-hole-api', 'blackHole'),
  }
}
