// Stops a process with all that came from it, as `docker pause` does: by the freezer of the cgroups where there is one
// and we may use it, else by SIGSTOP.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listTree, signal } from './process-tree.ts'

type Freezer = { home: string; group: string; file: string; frozen: string; thawed: string; isFrozen: () => boolean }

const FREEZE_MS = 2000
const ROUNDS = 20
let groups = 0

/** Resolves when all stand still, with the way to let them go on. */
export async function pauseTree(root: number, dir: string): Promise<() => Promise<void>> {
  const freezer = openFreezer()
  return freezer ? freezeTree(freezer, root, dir) : stopTree(root, dir)
}

function openFreezer(): Freezer | undefined {
  const name = `ocpctl-chaos-${process.pid}-${++groups}`
  try {
    // The second version first, as container runtimes do; beside the first one it is mounted as `unified`.
    for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
      if (!existsSync(join(root, 'cgroup.controllers'))) continue
      const group = join(root, name)
      mkdirSync(group)
      const isFrozen = () => /^frozen 1$/m.test(readFileSync(join(group, 'cgroup.events'), 'utf8'))
      const home = join(root, /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '')
      return { home, group, file: join(group, 'cgroup.freeze'), frozen: '1', thawed: '0', isFrozen }
    }
    if (existsSync('/sys/fs/cgroup/freezer')) {
      const group = join('/sys/fs/cgroup/freezer', name)
      mkdirSync(group)
      const file = join(group, 'freezer.state')
      const isFrozen = () => readFileSync(file, 'utf8').trim() === 'FROZEN'
      return { home: '/sys/fs/cgroup/freezer', group, file, frozen: 'FROZEN', thawed: 'THAWED', isFrozen }
    }
  } catch {
    // Not ours to use.
  }
  return undefined
}

async function freezeTree(freezer: Freezer, root: number, dir: string): Promise<() => Promise<void>> {
  const { group, home } = freezer
  const members = () => readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  const move = (pid: number, to: string) => {
    try {
      writeFileSync(join(to, 'cgroup.procs'), String(pid))
    } catch {
      // It has ended.
    }
  }
  // Whoever is born while the parents are moved is born outside.
  const gather = async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const inside = new Set(members())
      const outside = (await listTree(root, dir)).filter((pid) => !inside.has(pid))
      if (outside.length === 0) return
      for (const pid of outside) move(pid, group)
    }
  }
  await gather()
  writeFileSync(freezer.file, freezer.frozen)
  for (const until = Date.now() + FREEZE_MS; !freezer.isFrozen() && Date.now() < until;)
    await new Promise((resolve) => setTimeout(resolve, 10))
  return async () => {
    writeFileSync(freezer.file, freezer.thawed)
    for (let round = 0; round < ROUNDS && members().length > 0; round++) {
      for (const pid of members()) move(pid, home)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    try {
      rmdirSync(group)
    } catch {
      // Somebody is still in it, who is not frozen any more.
    }
  }
}

async function stopTree(root: number, dir: string): Promise<() => Promise<void>> {
  const stopped: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const fresh = (await listTree(root, dir)).filter((pid) => !stopped.includes(pid))
    if (fresh.length === 0) break
    for (const pid of fresh) signal(pid, 'SIGSTOP')
    stopped.push(...fresh)
  }
  return async () => {
    for (const pid of stopped) signal(pid, 'SIGCONT')
  }
}
