// Harm to the service's own processes and to their way to the database.
import type { Act, FaultKind, Hand } from './fault.ts'
import { pickStep } from './faketime.ts'
import type { Member, Role } from './fleet.ts'
import type { Run } from './journal.ts'
import { pauseTree } from './pause.ts'

type Kind =
  | 'kill-worker'
  | 'kill-api'
  | 'drain-worker'
  | 'freeze-worker'
  | 'pause-worker'
  | 'step-worker-clock'
  | 'cut-worker'
  | 'cut-api'
  | 'black-hole-worker'
  | 'black-hole-api'

const isOn = ({ dataDir }: Member, run: Run) => run.dir.startsWith(`${dataDir}/`)

export function processFaults(hand: Hand): Record<Kind, Act> {
  const { random, note, healAfter, victim } = hand
  const signalOnce = (role: Role, kind: FaultKind, signal: NodeJS.Signals) => {
    const member = victim(role)
    if (!member) return false
    note({ kind, target: member.name, pid: member.pid ?? 0 })
    member.trouble = kind
    member.signal(signal)
    void member.ended.then(() => (member.trouble = undefined))
    return true
  }
  const freeze = (member: Member, kind: FaultKind, stepMs?: number) => {
    const lastsMs = hand.leaseMs + random.whole(1000, 8000)
    const step = stepMs === undefined ? {} : { stepMs }
    const fault = note({ kind, target: member.name, pid: member.pid ?? 0, lastsMs, ...step })
    member.trouble = kind
    member.signal('SIGSTOP')
    healAfter(lastsMs, () => {
      member.signal('SIGCONT')
      member.trouble = undefined
      fault.healedAt = Date.now()
    })
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
      return member ? freeze(member, 'freeze-worker') : false
    },
    // Frozen in the same moment, it cannot tell its installers what the step means for their lease.
    async 'step-worker-clock'() {
      const living = await hand.livingRuns()
      const member = victim('work', (each) => each.clock !== undefined && living.some((run) => isOn(each, run)))
      if (!member?.clock) return false
      const stepMs = pickStep(member.clock, random, hand.leaseMs)
      member.clock.step(stepMs)
      if (random.chance(0.7)) return freeze(member, 'step-worker-clock', stepMs)
      note({ kind: 'step-worker-clock', target: member.name, pid: member.pid ?? 0, stepMs })
      return true
    },
    // Its installers stand still with it: nobody can end them, and they go on in the middle of what they did.
    async 'pause-worker'() {
      const creating: Run[] = (await hand.livingRuns()).filter((run) => run.command === 'create cluster')
      const member = victim('work', (each) => creating.some((run) => isOn(each, run)))
      if (!member?.pid) return false
      // Long enough for somebody else to take over and to be done.
      const lastsMs = hand.leaseMs + random.whole(8000, 25_000)
      const { pid } = member
      member.trouble = 'pause-worker'
      const resume = await pauseTree(pid, member.dataDir)
      // By now all stand still, those that began meanwhile too.
      const fault = note({ kind: 'pause-worker', target: member.name, pid, lastsMs })
      for (const run of creating)
        if (isOn(member, run) && run.cluster !== undefined && random.chance(0.6)) hand.giveUp(run.cluster)
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
