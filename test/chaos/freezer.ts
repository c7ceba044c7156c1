// Freezes a process with all that it has started, as pausing a container does: by the cgroup freezer where one can be had
// (the second version first, as container runtimes use it), else by SIGSTOP to each of them.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'

export function treeOf(pid: number): number[] {
  const all = [pid]
  for (const each of all) all.push(...childrenOf(each))
  return all
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return [] // it is gone
  }
}

const HOMES = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup', '/sys/fs/cgroup/freezer']

/** Returns the way to thaw them. */
export function freezeTree(pid: number, name: string): () => void {
  for (const home of HOMES) {
    const group = `${home}/ocpctl-chaos-${name}`
    try {
      mkdirSync(group)
      const isSecond = readFileSync(`${group}/cgroup.procs`, 'utf8') === '' && exists(`${group}/cgroup.freeze`)
      const set = (frozen: boolean) =>
        isSecond
          ? writeFileSync(`${group}/cgroup.freeze`, frozen ? '1' : '0')
          : writeFileSync(`${group}/freezer.state`, frozen ? 'FROZEN' : 'THAWED')
      // Until no child is left outside that was started meanwhile.
      for (let inside = new Set<number>(), more = treeOf(pid); more.length > 0;) {
        for (const each of more) {
          inside.add(each)
          move(each, group)
        }
        more = treeOf(pid).filter((each) => !inside.has(each))
      }
      set(true)
      return () => {
        set(false)
        for (const each of treeOf(pid)) move(each, home)
        remove(group)
      }
    } catch {
      remove(group) // not here
    }
  }
  const frozen = treeOf(pid)
  for (const each of frozen) signal(each, 'SIGSTOP')
  return () => {
    for (const each of frozen) signal(each, 'SIGCONT')
  }
}

function move(pid: number, group: string): void {
  try {
    writeFileSync(`${group}/cgroup.procs`, String(pid))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function exists(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}

function remove(group: string): void {
  try {
    rmdirSync(group)
  } catch {
    // It never was, or what died in it is not gone yet.
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It is gone.
  }
}
