// The installer's log is followed without losing or cutting a line; an installer lives no longer than its lease.
import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { followLog, parseLine } from '../src/installer/log.ts'
import { createMasker, secretsOfPullSecret } from '../src/observability/mask.ts'
import { eventually, exitOf, ROOT } from './harness.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ocpctl-log-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

describe('a line of the installer', () => {
  it.each([
    [
      'time="2019-06-25T13:29:12+01:00" level=debug msg="OpenShift Installer v4.1"',
      '2019-06-25T12:29:12.000Z',
      'debug',
      'OpenShift Installer v4.1',
    ],
    [
      String.raw`time="2026-01-01T00:00:00Z" level=error msg="a \"b\"\nc"`,
      '2026-01-01T00:00:00.000Z',
      'error',
      'a "b"\nc',
    ],
    ['level=info msg=Creating infrastructure resources...', undefined, 'info', 'Creating infrastructure resources...'],
    ['level=warning msg="quoted"', undefined, 'warning', 'quoted'],
    ['INFO Install complete!            ', undefined, 'info', 'Install complete!'],
    ['panic: runtime error', undefined, 'info', 'panic: runtime error'],
  ])('%s is read', (line, at, level, message) => {
    expect(parseLine(line)).toEqual({ at, level, message })
  })
})

describe('following', () => {
  it('gives whole lines only, across partial writes and split characters, and the last one without its newline', async () => {
    const path = join(dir, 'partial')
    writeFileSync(path, 'level=info msg=before\n')
    const lines: string[] = []
    const log = await followLog(path, ({ message }) => lines.push(message))
    const euro = Buffer.from('€')
    appendFileSync(path, 'level=info msg=one\nlevel=info msg=t')
    await eventually(() => lines.length === 1)
    appendFileSync(path, Buffer.concat([Buffer.from('wo '), euro.subarray(0, 1)]))
    appendFileSync(path, Buffer.concat([euro.subarray(1), Buffer.from('\nlevel=info msg=three')]))
    await log.finish()
    expect(lines).toEqual(['one', 'two €', 'three'])
  })

  it('waits for a file that does not exist yet', async () => {
    const lines: string[] = []
    const log = await followLog(join(dir, 'later'), ({ message }) => lines.push(message))
    writeFileSync(join(dir, 'later'), 'level=info msg=here\n')
    await eventually(() => lines.length === 1)
    await log.finish()
    expect(lines).toEqual(['here'])
  })
})

describe('a lease', () => {
  const lease = (seconds: number, ...command: string[]) =>
    spawn(join(ROOT, 'bin/lease-run'), [String(Math.floor(Date.now() / 1000) + seconds), ...command], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })

  it('hands on the exit code of its command', async () => {
    expect(await exitOf(lease(60, 'sh', '-c', 'exit 7'))).toBe(7)
    expect(await exitOf(lease(60, 'sh', '-c', 'kill -TERM $$'))).toBe(143)
  })

  it('kills the whole group when its time comes', async () => {
    expect(await exitOf(lease(4, 'sh', '-c', 'trap "" INT TERM; sleep 100 & wait'))).toBe(137)
  })

  it('kills the whole group when the writer is gone', async () => {
    const child = lease(60, 'sh', '-c', 'sleep 100 & echo $!; wait')
    const grandchild = await new Promise<number>((resolve) =>
      child.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))),
    )
    child.stdin.destroy()
    expect(await exitOf(child)).toBe(137)
    await eventually(() => {
      try {
        process.kill(grandchild, 0)
        return false
      } catch {
        return true
      }
    })
  })

  it('leaves nothing of what the command started, in process groups of their own neither', async () => {
    const until = String(Math.floor(Date.now() / 1000) + 60)
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
      await eventually(() => {
        try {
          process.kill(grandchild, 0)
          return false
        } catch {
          return true
        }
      })
    }
  })

  it('lives on while it is extended, and passes SIGINT on', async () => {
    const until = Date.now() + 4000
    const child = lease(4, 'bash', '-c', 'trap "exit 8" INT; echo up; while :; do read -t 0.1 < <(:) ; done')
    const up = new Promise((resolve) => child.stdout.once('data', resolve))
    await Promise.race([up, exitOf(child)])
    child.stdin.write(`until ${Math.floor(Date.now() / 1000) + 60}\n`)
    await eventually(() => Date.now() > until)
    child.stdin.write('int\n')
    expect(await exitOf(child)).toBe(8)
  })

  it('does not begin when it is over', async () => {
    expect(await exitOf(lease(-1, 'sh', '-c', 'exit 0'))).toBe(75)
  })
})

describe('masking', () => {
  it('hides known secrets in every form and what looks like one', () => {
    const pullSecret = '{"auths":{"quay.io":{"auth":"dXNlcjpodW50ZXIyaHVudGVyMg=="}}}'
    const masker = createMasker(secretsOfPullSecret(pullSecret))
    masker.learn('abcde-fghij-klmno-pqrst')
    const texts = [
      pullSecret,
      'dXNlcjpodW50ZXIyaHVudGVyMg==',
      'hunter2hunter2',
      'Login to the console with user: "kubeadmin", and password: "abcde-fghij-klmno-pqrst"',
      encodeURIComponent('dXNlcjpodW50ZXIyaHVudGVyMg=='),
      'password=s3cr3t-thing',
      'AKIAABCDEFGHIJKLMNOP',
      'Authorization: Bearer abcdefghijklmnop',
      '-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----',
    ]
    const masked = texts.map(masker.mask).join('\n')
    expect(masked).not.toMatch(/dXNlcjp|hunter2|abcde-fghij|s3cr3t|AKIAABC|abcdefghijklmnop|MIIabc/)
    expect(masker.mask('Waiting up to 20m0s for the Kubernetes API')).toBe('Waiting up to 20m0s for the Kubernetes API')
  })
})
