// The installer's log is followed without losing or cutting a line; an installer lives no longer than its lease.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { followLog, parseLine } from '../src/installer/log.ts'
import { createMasker, secretsOfPullSecret } from '../src/observability/mask.ts'
import { eventually } from './harness.ts'

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
