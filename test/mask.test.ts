// No secret reaches a stored log line: whatever its encoding, however the installer writes it, however long the line.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assert, constantFrom, integer, property, string, tuple } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { messageOf } from '../src/errors.ts'
import { followLog } from '../src/installer/log.ts'
import { createMasker, secretsOfEnvironment } from '../src/observability/mask.ts'
import { eventually } from './harness.ts'

const SECRET = 'Zq8/x+W5?~k2"v\\p7&Lé w%41'
const LONGEST_LINE = 64 * 1024

const urlSafe = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_')
const lowerHex = (text: string) => text.replace(/%../g, (hex) => hex.toLowerCase())
const everyByte = (text: string) => Buffer.from(text).toString('hex').replace(/../g, '%$&')
const encodings: Record<string, (text: string) => string> = {
  plain: (text) => text,
  'JSON in a string': (text) => JSON.stringify(text),
  'JSON in JSON in JSON': (text) => JSON.stringify(JSON.stringify(JSON.stringify(text))),
  'JSON with escapes for HTML': (text) => JSON.stringify(text).replaceAll('&', String.raw`\u0026`),
  encodeURIComponent,
  'encodeURIComponent in lower case': (text) => lowerHex(encodeURIComponent(text)),
  encodeURI: (text) => encodeURI(text),
  'a form': (text) => new URLSearchParams({ p: text }).toString(),
  'a form in lower case': (text) => lowerHex(new URLSearchParams({ p: text }).toString()),
  'every byte in percent': everyByte,
  'percent twice': (text) => encodeURIComponent(encodeURIComponent(text)),
  'percent in JSON': (text) => JSON.stringify({ url: `https://u:${encodeURIComponent(text)}@host/` }),
}

describe('a known secret', () => {
  const masker = createMasker([SECRET])

  it.each(Object.entries(encodings))('is masked as %s', (_name, encode) => {
    const masked = masker.mask(`before ${encode(SECRET)} after`)
    expect(masked).toMatch(/^before .*\*\*\*.* after$/)
    for (const part of ['Zq8', 'x+W5', 'v\\p7', 'Lé', 'w%41', 'p7', 'wA'].flatMap((text) => [text, encode(text)]))
      expect(masked.slice(7, -6)).not.toContain(part)
  })

  it('is masked in base64 at every alignment, in both alphabets, with no more than its neighbours', () => {
    assert(
      property(
        string({ minLength: 6, unit: 'grapheme' }),
        string(),
        string(),
        constantFrom<BufferEncoding[]>('base64', 'base64url'),
        (secret, before, after, encoding) => {
          const text = secret.trim()
          if (text.length < 6) return
          const encoded = Buffer.from(`${before}${text}${after}`).toString(encoding)
          const masked = createMasker([secret]).mask(`data: ${encoded}.`)
          const [head = '', tail = ''] = masked.slice(6, -1).split('***')
          expect(masked).toContain('***')
          // What is left tells whole bytes of what is around it alone.
          expect(Buffer.from(head, 'base64').length).toBeLessThanOrEqual(Buffer.byteLength(before))
          expect(Math.floor((tail.replace(/=+$/, '').length * 3) / 4)).toBeLessThanOrEqual(Buffer.byteLength(after))
        },
      ),
    )
  })

  it('is masked in base64 that is itself encoded for a URL or quoted', () => {
    const encoded = Buffer.from(JSON.stringify({ auths: { 'quay.io': { password: SECRET } } })).toString('base64')
    for (const text of [encoded, encodeURIComponent(encoded), urlSafe(encoded), JSON.stringify({ encoded })])
      expect(masker.mask(text)).toMatch(/\*\*\*/)
  })

  it.each(['\n', '\r\n', '\n    ', String.raw`\n`])('is masked in base64 that is wrapped with %j', (wrap) => {
    const encoded = Buffer.from(`{"auths":{"quay.io":{"auth":"${SECRET.repeat(3)}"}}}`).toString('base64')
    const many = createMasker([SECRET.repeat(3)])
    for (const width of [16, 60, 61, 64, 76]) {
      const wrapped = encoded.match(new RegExp(`.{1,${width}}`, 'g'))?.join(wrap) ?? ''
      const masked = many.mask(`data:${wrap}${wrapped}${wrap}next: line`)
      expect(masked).toMatch(/^data:[^*]+\*\*\*.*next: line$/s)
      expect(masked.length).toBeLessThan(110)
    }
    expect(many.mask(`a\n${SECRET.repeat(3)}\nb`)).toBe('a\n***\nb')
  })

  it('is found beside others that overlap it, share its beginning, or touch it', () => {
    const many = createMasker(['abcdefgh', 'abcdefghijkl', 'ghijklmnop', 'qrstuvwx'])
    expect(many.mask('-abcdefgh-')).toBe('-***-')
    expect(many.mask('-abcdefghijklmnop-')).toBe('-***-')
    expect(many.mask('abcdefghqrstuvwx')).toBe('***')
    expect(many.mask('-qrstuvwx-abcdefghijkl-')).toBe('-***-***-')
  })

  it('is known from when it is learned', () => {
    const masker = createMasker()
    expect(masker.mask('the key Hk3-9 Tz8 fits')).toBe('the key Hk3-9 Tz8 fits')
    masker.learn('Hk3-9 Tz8\n')
    expect(masker.mask('the key Hk3-9 Tz8 fits, Hk3-9+Tz8 too')).toBe('the key *** fits, *** too')
  })

  it('may be one of the environment that installers inherit', () => {
    const environment = {
      AWS_SECRET_ACCESS_KEY: 'one',
      IC_API_KEY: 'two',
      ARM_CLIENT_SECRET: 'three',
      AWS_ACCESS_KEY_ID: 'no',
      AWS_WEB_IDENTITY_TOKEN_FILE: '/no',
      PATH: '/no',
      AWS_SESSION_TOKEN: undefined,
    }
    expect(secretsOfEnvironment(environment)).toEqual(['one', 'two', 'three'])
  })

  it('leaves everything else as it is', () => {
    for (const text of [
      'Waiting up to 20m0s (until 10:00AM UTC) for the Kubernetes API at https://api.x.example.com:6443...',
      String.raw`a 100% "quoted" \n line with %41 and \u0041, C:\new, 50%zz`,
      '-----BEGIN CERTIFICATE-----\nMIIabc\n-----END CERTIFICATE-----',
      '',
      '😀 – é',
    ])
      expect(masker.mask(text)).toBe(text)
  })
})

describe('what looks like a secret', () => {
  it.each([
    ['password: "ab,cd;ef"', 'password: "***"'],
    [String.raw`{\"password\":\"s3cr3t\"}`, String.raw`{\"password\":\"***\"}`],
    ['https://host/?password=s3cr3t&x=1', 'https://host/?password=***'],
    ['user: kubeadmin, password: s3cr3t, done', 'user: kubeadmin, password: ***, done'],
    ['proxy http://user:s3:cret@proxy.example.com:3128/', 'proxy http://user:***@proxy.example.com:3128/'],
    ['mail to user@example.com about https://host:443/a:b', 'mail to user@example.com about https://host:443/a:b'],
    ['clientSecret: s3cr3tvalue', 'clientSecret: ***'],
    ['authorization: Bearer abcdefghijkl', 'authorization: Bearer ***'],
    ['key AKIAABCDEFGHIJKLMNOP.', 'key ***.'],
    ['jwt eyJhbGciOiJI.eyJzdWIiOiIx.c2ln end', 'jwt *** end'],
    ['abcde-fghij-klmno-pqrst', '***'],
    [
      `client-key-data: ${Buffer.from('-----BEGIN EC PRIVATE KEY-----\nMII').toString('base64')}`,
      'client-key-data: ***',
    ],
  ])('%s is masked', (text, masked) => {
    expect(createMasker().mask(text)).toBe(masked)
  })

  // A quadratic search would take minutes for the longest line.
  it.each([
    'password ',
    'password',
    `password${' '.repeat(7)}`,
    `password${' '.repeat(5000)}`,
    'password\\\\',
    'token   ',
    `secret${' '.repeat(5000)}:`,
    'Bearer ',
    '://a:',
    '://:::::',
    'Basic aaaa',
    '-----BEGIN',
    '-----BEGIN ',
    '-----BEGIN A PRIVATE KEY-----',
    '-----BEGIN A PRIVATE KEY-----\n-----END ',
    'eyJ',
    '-eyJ',
    '.eyJaaaaaaaa',
    'eyJaaaaaaaaa.',
    'LS0tLS1CRUdJTi',
    'abcde-',
    'AKIA',
    '%25',
    '%',
    '\\\\',
    '\\u005c',
    '+',
    '\n',
    '\n ',
    '\n      ',
    '"',
    'A',
  ])('does not hold up the log: %j over and over', (piece) => {
    const masker = createMasker([SECRET, 'A'.repeat(40), 'password password'])
    const text = piece.repeat((2 * LONGEST_LINE) / piece.length)
    masker.maskLine('-----BEGIN RSA PRIVATE KEY-----')
    const from = performance.now()
    for (const line of [text, `${text}!`, `!${text}`]) {
      masker.mask(line)
      masker.maskLine(line)
      masker.findCut(line, LONGEST_LINE)
    }
    expect(performance.now() - from).toBeLessThan(2000)
  })
})

describe('a private key', () => {
  const { privateKey: pem } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const lines = pem.trim().split('\n')
  const body = lines.slice(1, -1)
  const forms: Record<string, string> = {
    'with newlines': pem,
    'with escapes': JSON.stringify(pem),
    'with escapes of escapes': JSON.stringify(JSON.stringify({ key: pem })),
    'without its newlines': lines.join(' '),
    'without its end': lines.slice(0, -1).join('\\n'),
  }

  it.each(Object.entries(forms))('in one line %s is masked', (_name, text) => {
    const masked = createMasker().maskLine(`key: ${text}`)
    for (const line of body) expect(masked).not.toContain(line)
  })

  it.each([
    ['bare', ''],
    ['indented', '      '],
    ['behind a name', 'module.bootstrap (local-exec): '],
  ])('over many lines, %s, is masked with what comes between them left', (_name, prefix) => {
    const masker = createMasker()
    const masked = lines.flatMap((line, index) => [
      masker.maskLine(`${prefix}${line}`),
      ...(index === 3 ? [masker.maskLine('Still waiting for the API, 3 of 9')] : []),
    ])
    for (const line of body) expect(masked.join('\n')).not.toContain(line.slice(0, 20))
    expect(masked).toContain('Still waiting for the API, 3 of 9')
    expect(masker.maskLine('MIIEowIBAAKCAQEAsomething')).toBe('MIIEowIBAAKCAQEAsomething')
  })

  it('that begins at the end of one message and ends within another is masked', () => {
    const masker = createMasker()
    const masked = [`found: ${lines.slice(0, 3).join('\n')}`, ...body.slice(2), `${lines.at(-1)} was it`]
      .map(masker.maskLine)
      .join('\n')
    for (const line of body) expect(masked).not.toContain(line)
    expect(masked).toMatch(/^found: \*\*\*\n[*\n]+ was it$/)
  })

  it('does not break a known secret into parts', () => {
    const masker = createMasker(['abcdefghijklmnopqrstuvwx-YZ!'])
    masker.maskLine('-----BEGIN PRIVATE KEY-----')
    expect(masker.maskLine('with abcdefghijklmnopqrstuvwx-YZ! in it')).toBe('with *** in it')
  })

  it('that never ends hides no more of the log than looks like it', () => {
    const masker = createMasker()
    masker.maskLine('-----BEGIN PRIVATE KEY-----')
    for (let line = 0; line < 30; line++) expect(masker.maskLine('all is well here')).toBe('all is well here')
    expect(masker.maskLine(String(body[0]))).toBe(body[0])
    masker.maskLine('-----BEGIN PRIVATE KEY-----')
    const masked = Array.from({ length: 1000 }, () => masker.maskLine(String(body[0])))
    expect(masked.filter((line) => line === '***')).toHaveLength(400)
  })
})

describe('a log in pieces', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'mask-'))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  async function follow(write: (append: (text: string | Buffer) => Promise<void>) => Promise<void>, known: string[]) {
    const masker = createMasker(known)
    const path = join(dir, randomBytes(4).toString('hex'))
    writeFileSync(path, '')
    const masked: string[] = []
    let read = 0
    const log = await followLog(
      path,
      ({ message }) => {
        read++
        masked.push(masker.maskLine(message))
      },
      masker.findCut,
    )
    await write(async (text) => {
      const before = read
      // The line before it tells that the file was read up to here.
      appendFileSync(path, Buffer.concat([Buffer.from('\nlevel=info msg=mark\nlevel=info msg='), Buffer.from(text)]))
      await eventually(() => read > before)
    })
    await log.finish()
    return masked
  }

  it('hides a secret that is written in two, at every place, also within a character', async () => {
    const secret = 'sécrêt-wörd'
    const bytes = Buffer.from(`x ${secret} y`)
    const path = join(dir, 'two')
    writeFileSync(path, '')
    const masker = createMasker([secret])
    const lines: string[] = []
    const log = await followLog(path, ({ message }) => lines.push(masker.maskLine(message)), masker.findCut)
    for (const at of [3, 4, 5, 9, 12, bytes.length - 3]) {
      const before = lines.length
      appendFileSync(path, Buffer.concat([Buffer.from('mark\n'), bytes.subarray(0, at)]))
      await eventually(() => lines.length > before)
      appendFileSync(path, Buffer.concat([bytes.subarray(at), Buffer.from('\n')]))
      await eventually(() => lines.length > before + 1)
    }
    await log.finish()
    expect(lines.filter((line) => line !== 'mark')).toEqual(Array.from({ length: 6 }, () => 'x *** y'))
  })

  it('hides a secret at the borders of reading and of cutting, wherever it lies there', () => {
    const secret = randomBytes(24).toString('hex')
    const encoded = Buffer.from(`{"auth":"${secret}"}`).toString('base64')
    const masker = createMasker([secret])
    const shaped = `password: ${randomBytes(200).toString('hex')}`
    assert(
      property(
        tuple(constantFrom(secret, encoded, encodeURIComponent(encoded), shaped), integer({ min: -700, max: 700 })),
        ([text, offset]) => {
          const line = `${'x '.repeat((LONGEST_LINE + offset - (offset % 2)) / 2)}${text}${' y'.repeat(LONGEST_LINE)}`
          const at = masker.findCut(line.slice(0, 2 * LONGEST_LINE), LONGEST_LINE) ?? 0
          const parts = [line.slice(0, at), line.slice(at)].map(masker.mask)
          expect(at).toBeGreaterThan(LONGEST_LINE - 700)
          expect(parts.join('')).toBe(masker.mask(line))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('hides secrets in lines that are cut, and loses nothing else of them', async () => {
    const secret = randomBytes(3000).toString('hex')
    const line = Array.from({ length: 70 }, (_, index) => `part ${index} ${secret}`).join(' ')
    const masked = await follow((append) => append(line), [secret])
    const parts = masked.filter((text) => text.includes('part'))
    expect(parts.length).toBeGreaterThan(4)
    expect(parts.join('')).toBe(Array.from({ length: 70 }, (_, index) => `part ${index} ***`).join(' '))
  })

  it('leaves out what is one secret longer than a line may be, and takes the next line', async () => {
    const blob = randomBytes(2 * LONGEST_LINE).toString('hex')
    const masked = await follow((append) => append(`found password=${blob} and more\nlevel=info msg=next`), [])
    expect(masked.join('\n')).not.toContain(blob.slice(0, 50))
    expect(masked.join('\n')).not.toContain(blob.slice(-50))
    expect(masked.slice(-3)).toEqual(['found ', expect.stringContaining('left out'), 'next'])
  })

  it('hides a private key that comes line by line, each with its own time', async () => {
    const body = Array.from({ length: 20 }, () => randomBytes(48).toString('base64'))
    const lines = ['-----BEGIN PRIVATE KEY-----', ...body, '-----END PRIVATE KEY-----', 'the end']
    const masked = await follow(
      (append) =>
        append(
          lines.map((line, index) => `\ntime="2026-01-01T00:00:${10 + index}Z" level=debug msg="${line}"`).join(''),
        ),
      [],
    )
    for (const line of body) expect(masked.join('\n')).not.toContain(line)
    expect(masked.at(-1)).toBe('the end')
  })
})

it('the message of a refused statement is what went wrong, without the statement and its values', () => {
  const cause = new Error('violates check constraint')
  const error = Object.assign(new Error('Failed query: insert into x\nparams: s3cret', { cause }), {
    params: ['s3cret'],
  })
  expect(messageOf(error)).toBe('violates check constraint')
  expect(messageOf(new Error('plain'))).toBe('plain')
})

it('secrets of the environment are those of names that say so, and of a proxy its password alone', () => {
  expect(
    secretsOfEnvironment({
      AWS_SECRET_ACCESS_KEY: 'a',
      ARM_ACCESS_KEY: 'b',
      GOOGLE_CREDENTIALS: 'c',
      GOOGLE_APPLICATION_CREDENTIALS: '/path',
      AWS_ACCESS_KEY_ID: 'id',
      HTTPS_PROXY: 'http://bob:p%40ss%2Fword@proxy:3128',
      NO_PROXY: 'localhost',
    }),
  ).toEqual(['a', 'b', 'c', 'p@ss/word'])
})
