// The installer's log is followed without losing or cutting a line; an installer lives no longer than its lease.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { followLog, parseLine, tellsUnknownField } from '../src/installer/log.ts'
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
    ['level=debug', undefined, 'debug', ''],
    ['time="2026-01-01T00:00:00Z" level=error', '2026-01-01T00:00:00.000Z', 'error', ''],
    ['time="2026-01-01T00:00:00Z" level=info msg=Deleted', '2026-01-01T00:00:00.000Z', 'info', 'Deleted'],
    [
      String.raw`level=debug msg="\x1b[1mbold\a\x00 \U000e0001 \u00e9 \" \\"`,
      undefined,
      'debug',
      '\u001b[1mbold\u0007\u0000 \u{e0001} é " \\',
    ],
    [
      'level=warning msg="Action not allowed with tested creds" action="iam:CreateUser"',
      undefined,
      'warning',
      'Action not allowed with tested creds action="iam:CreateUser"',
    ],
    ['level=error msg="open "a" and "b""', undefined, 'error', 'open "a" and "b"'],
    ['level=error msg="it breaks o', undefined, 'error', 'it breaks o'],
    [
      'time="2026-01-01T00:00:00Z" level=info msg=Deleted id=vpc-0aaa resourceType=vpc subnet=subnet-0bbb',
      '2026-01-01T00:00:00.000Z',
      'info',
      'Deleted subnet subnet-0bbb (of vpc vpc-0aaa)',
    ],
    [
      'level=info msg=Deleted id=i-0aaa network interface=eni-0bbb resourceType=instance',
      undefined,
      'info',
      'Deleted network interface eni-0bbb (of instance i-0aaa)',
    ],
    ['level=info msg="Deleted" id="demo role" resourceType=role', undefined, 'info', 'Deleted role demo role'],
    ['INFO Deleted                 id=i-0aaa', undefined, 'info', 'Deleted i-0aaa'],
  ])('%s is read', (line, at, level, message) => {
    expect(parseLine(line)).toEqual({ at, level, message })
  })
})

describe('a field that is thrown away', () => {
  it.each([
    [
      'level=warning msg=failed to parse first occurrence of unknown field, err: failed to unmarshal install-config.yaml, err: json: unknown field "vpc"',
      true,
    ],
    [
      String.raw`time="2026-01-01T00:00:00Z" level=warning msg="failed to parse first occurrence of unknown field: failed to unmarshal install-config.yaml: json: unknown field \"vpc\""`,
      true,
    ],
    [
      String.raw`level=debug msg="I0128 handler.go:53] \"unknown field \\\"status.v1beta2\\\"\" logger=\"API Server Warning\""`,
      false,
    ],
    ['level=info msg=Attempting to unmarshal while ignoring unknown keys because strict unmarshaling failed', false],
  ])('%s: %j', (line, expected) => expect(tellsUnknownField(parseLine(line))).toBe(expected))
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
