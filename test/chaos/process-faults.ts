// Harm to the service's own processes and to their way to the database.
import type { Act, Fault, FaultKind, Hand } from './fault.ts'
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

const HANGS_MS = 8000
/** Leases that end too late do more harm than those that end too early. */
const AHEAD_SHARE = 0.75

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
  const freeze = (member: Member, kind: FaultKind, more: Partial<Fault> = {}) => {
    const lastsMs = hand.leaseMs + random.whole(1000, 8000)
    const fault = note({ kind, target: member.name, pid: member.pid ?? 0, lastsMs, ...more })
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
    // First to a wrong time, by which it works for a while; then back, and frozen before it can make good what the wrong
    // time did to the leases of its installers.
    async 'step-worker-clock'() {
      const living = await hand.livingRuns()
      const member = victim('work', (each) => each.clock !== undefined)
      const { clock, pid } = member ?? {}
      if (!member || !clock) return false
      if (clock.offsetMs() === 0) {
        const ahead = random.chance(AHEAD_SHARE)
        const stepMs = Math.abs(pickStep(clock, random, hand.leaseMs)) * (ahead ? 1 : -1)
        clock.step(stepMs)
        note({ kind: 'step-worker-clock', target: member.name, pid: pid ?? 0, stepMs })
        return true
      }
      // One that hangs does not end by itself before its lease does.
      const hangs = living.some((run) => isOn(member, run) && Date.now() - run.startedAt > HANGS_MS)
      if (clock.offsetMs() > 0 && !hangs) return false
      clock.step(0)
      await new Promise((resolve) => setTimeout(resolve, random.whole(0, 4000)))
      return member.pid === pid && freeze(member, 'step-worker-clock', { stepMs: 0 })
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
