// Harm to a single installer, or to the runner that holds its lease.
import type { Act, Hand } from './fault.ts'
import { describeProcess, kill } from './process-tree.ts'

export function installerFaults(hand: Hand): Record<'kill-installer' | 'kill-lease-runner', Act> {
  const { random, note, livingRuns } = hand
  return {
    async 'kill-installer'() {
      const living = await livingRuns()
      if (living.length === 0) return false
      const { pid, command, cluster } = random.pick(living)
      if (!(await describeProcess(pid, 'args')).includes('openshift-install-sim')) return false
      note({ kind: 'kill-installer', target: `${command} of ${cluster ?? '?'}`, pid })
      return kill(pid)
    },
    async 'kill-lease-runner'() {
      const living = await livingRuns()
      if (living.length === 0) return false
      const { pid, command, cluster } = random.pick(living)
      const parent = Number(await describeProcess(pid, 'ppid'))
      if (!(parent > 1) || !(await describeProcess(parent, 'args')).includes('lease-run')) return false
      note({ kind: 'kill-lease-runner', target: `${command} of ${cluster ?? '?'}`, pid: parent })
      return kill(parent)
    },
  }
}
