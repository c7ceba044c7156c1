// The lease runner: a command lives no longer than its lease, whoever dies or freezes.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { uptimeMs } from '../src/uptime.ts'
import { eventually, exitOf, ROOT } from './harness.ts'

function isAlive(pid: number): boolean {
  try {
    return !/^\S+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

describe('a lease', () => {
  const lease = (seconds: number, ...command: string[]) =>
    spawn(join(ROOT, 'bin/lease-run'), [String(Math.floor(uptimeMs() + seconds * 1000)), ...command], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })

  it('hands on the exit code of its command', async () => {
    expect(await exitOf(lease(60, 'sh', '-c', 'exit 7'))).toBe(7)
    expect(await exitOf(lease(60, 'sh', '-c', 'kill -TERM $$'))).toBe(143)
  })

  it('kills the whole group when its time comes', async () => {
    expect(await exitOf(lease(4, 'sh', '-c', 'trap "" INT TERM; sleep 100 & wait'))).toBe('SIGKILL')
  })

  it('kills the whole group when the writer is gone', async () => {
    const child = lease(60, 'sh', '-c', 'sleep 100 & echo $!; wait')
    const grandchild = await new Promise<number>((resolve) =>
      child.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))),
    )
    child.stdin.destroy()
    expect(await exitOf(child)).toBe(137)
    await eventually(() => !isAlive(grandchild))
  })

  it('leaves nothing of what the command started, in process groups of their own neither', async () => {
    const until = String(Math.floor(uptimeMs() + 60_000))
    for (const end of ['exit 0', 'wait']) {
      const command = `set -m; sleep 100 & echo $!; ${end}`
      const child = spawn(join(ROOT, 'bin/lease-run'), [until, 'bash', '-c', command], {
        stdio: ['pipe', 'pipe', 'ignore'],
        detached: true,
      })
      const grandchild = await new Promise<number>((resolve) =>
        child.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))),
      )
      if (end === 'wait') child.stdin.destroy()
      expect(await exitOf(child)).toBe(end === 'wait' ? 137 : 0)
      await eventually(() => !isAlive(grandchild))
    }
  })

  it('lives on while it is extended, and passes SIGINT on', async () => {
    const until = Date.now() + 4000
    const child = lease(4, 'bash', '-c', 'trap "exit 8" INT; echo up; while :; do read -t 0.1 < <(:) ; done')
    const up = new Promise((resolve) => child.stdout.once('data', resolve))
    await Promise.race([up, exitOf(child)])
    child.stdin.write(`until ${Math.floor(uptimeMs() + 60_000)}\n`)
    await eventually(() => Date.now() > until)
    child.stdin.write('int\n')
    expect(await exitOf(child)).toBe(8)
  })

  it('does not begin when it is over', async () => {
    expect(await exitOf(lease(-1, 'sh', '-c', 'exit 0'))).toBe(75)
  })

  /** The runner, its other half, and the command, as soon as that runs. */
  const halves = async (seconds: number) => {
    const until = String(Math.floor(uptimeMs() + seconds * 1000))
    const child = spawn(join(ROOT, 'bin/lease-run'), [until, 'bash', '-c', 'set -m; sleep 100 & echo $!; wait'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    })
    await once(child.stdout, 'data')
    const runner = child.pid ?? 0
    const argsOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    const children = childrenOf(runner)
    const sweeper = children.find((pid) => argsOf(pid).includes('lease-run')) ?? 0
    const command = children.find((pid) => pid !== sweeper) ?? 0
    return { child, runner, sweeper, command, all: [runner, sweeper, command, ...childrenOf(command)] }
  }

  it.each(['runner', 'sweeper'] as const)('ends all when its %s dies', async (half) => {
    const { child, all, ...pids } = await halves(60)
    expect(all).toHaveLength(4)
    process.kill(pids[half], 'SIGKILL')
    await eventually(() => !all.some(isAlive))
    child.stdin.destroy()
  })

  // As in a container of LXC; a machine that forbids the mount cannot show it.
  const SHOW = ['-rm', 'sh', '-c', 'mount --bind "$0" /proc/uptime && exec "$@"']
  it.skipIf(spawnSync('unshare', [...SHOW, '/dev/null', 'true']).status !== 0)(
    'is kept where another uptime is shown than the kernel’s',
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'ocpctl-uptime-'))
      const shown = join(dir, 'uptime')
      writeFileSync(shown, '100.00 100.00\n')
      const runUntil = (ms: number, command: string) =>
        exitOf(
          spawn('unshare', [...SHOW, shown, join(ROOT, 'bin/lease-run'), String(ms), 'sh', '-c', command], {
            stdio: ['pipe', 'ignore', 'ignore'],
          }),
        )
      expect(await runUntil(160_000, 'exit 7')).toBe(7)
      expect(await runUntil(102_000, 'sleep 100')).toBe('SIGKILL')
      rmSync(dir, { recursive: true })
    },
  )

  it('ends its command while all of it is frozen, so that nothing goes on when it thaws', async () => {
    const { child, all, runner, command } = await halves(2)
    for (const pid of all) process.kill(pid, 'SIGSTOP')
    await eventually(() => !isAlive(runner) && !isAlive(command))
    for (const pid of all.filter(isAlive)) process.kill(pid, 'SIGCONT')
    await eventually(() => !all.some(isAlive))
    child.stdin.destroy()
  })
})
