// The machine's processes as ps tells of them.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const describeProcess = (pid: number, field: 'args' | 'ppid') =>
  run('ps', ['-o', `${field}=`, '-p', String(pid)]).then(
    ({ stdout }) => stdout.trim(),
    () => '',
  )

export type Process = { pid: number; parent: number; args: string }

export async function listProcesses(): Promise<Process[]> {
  const { stdout } = await run('ps', ['-eo', 'pid=,ppid=,args='], { maxBuffer: 16 * 1024 * 1024 })
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return args === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), args }]
  })
}

/** A process and all that came from it, parents first; also what has lost its parent and works in the directory. */
export async function listTree(root: number, dir: string): Promise<number[]> {
  const processes = await listProcesses()
  const tree = [root]
  for (let index = 0; index < tree.length; index++)
    tree.push(...processes.filter((each) => each.parent === tree[index]).map((each) => each.pid))
  const orphans = processes.filter((each) => each.args.includes(`${dir}/`)).map((each) => each.pid)
  return [...new Set([...tree, ...orphans])]
}

export function isAlive(pid: number): boolean {
  return pid > 0 && signal(pid, 0)
}

/** True although it ended meanwhile: the fault is noted. */
export function kill(pid: number): boolean {
  signal(pid, 'SIGKILL')
  return true
}

export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
