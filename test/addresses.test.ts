// Which addresses the service lets people send it to, in every spelling that a URL parser or a resolver knows.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressRule, problemOfUrl } from '../src/outbound/addresses.ts'
import { openSender, TargetRefused } from '../src/outbound/sender.ts'

const rule = addressRule([])

/** From the registries of IANA for special purposes, and what clouds use inside: first and last of each. */
const forbidden4 = [
  '0.0.0.0', '0.255.255.255', '10.0.0.0', '10.255.255.255', '100.64.0.0', '100.127.255.255', '127.0.0.1',
  '127.255.255.255', '168.63.129.16', '169.254.0.1', '169.254.169.254', '169.254.170.2', '172.16.0.0',
  '172.31.255.255', '192.0.0.1', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.0.1', '192.168.255.255',
  '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1',
  '255.255.255.255',
] // prettier-ignore
const forbidden6 = [
  '::', '::1', '64:ff9b::a00:1', '64:ff9b:1::1', '100::1', '2001::1', '2001:db8::1', '2002:a00:1::', '3fff::1', '5f00::1',
  'fc00::1', 'fd00:ec2::254', 'fe80::1', 'febf::1', 'fec0::1', 'ff02::1',
] // prettier-ignore
const public4 = ['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255', '198.17.255.255', '223.255.255.255'] // prettier-ignore
const public6 = ['2606:4700::1111', '2a00:1450::1', '2001:4860:4860::8888', '2620:fe::fe']

const octets = (address: string) => address.split('.').map(Number)
const numberOf = (address: string) => octets(address).reduce((sum, octet) => sum * 256 + octet)
const hex = (n: number) => n.toString(16)
const octal = (n: number) => `0${n.toString(8)}`

/** All of them reach the address in some resolver, parser or network. */
function spellingsOf4(address: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = octets(address)
  const each = (write: (n: number) => string) => [a, b, c, d].map(write).join('.')
  const [high, low] = [a * 256 + b, c * 256 + d]
  const mapped = [`::ffff:${address}`, `::ffff:${hex(high)}:${hex(low)}`, `0:0:0:0:0:ffff:${address}`, `::ffff:0:${address}`, `::${address}`, `64:ff9b::${address}`, `64:ff9b:1::${address}`, `2002:${hex(high)}:${hex(low)}::1`] // prettier-ignore
  return [
    address,
    String(numberOf(address)),
    `0x${hex(numberOf(address))}`,
    octal(numberOf(address)),
    each((n) => `0x${hex(n)}`),
    each((n) => `0X${hex(n).toUpperCase()}`),
    each(octal),
    each((n) => `000${octal(n)}`),
    `${a}.${b * 65_536 + low}`,
    `${a}.${b}.${low}`,
    `0x${hex(a)}.${octal(b)}.${c}.${d}`,
    `${address}.`,
    address.replaceAll('.', '%2e'),
    address.replaceAll('.', '\u3002'),
    address.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    ...mapped.flatMap((text) => [`[${text}]`, `[${text.toUpperCase()}]`]),
  ]
}
function spellingsOf6(address: string): string[] {
  const full = new URL(`http://[${address}]/`).hostname
  return [`[${address}]`, `[${address.toUpperCase()}]`, full, `[${address}%25eth0]`, `[${address.replace('::', ':0:').replace(/^:0/, '0:0')}]`] // prettier-ignore
}
describe('a forbidden address', () => {
  const more = fc.sample(
    fc.tuple(fc.constantFrom(...forbidden4), fc.nat(255)).map(([address, last]) => {
      const [a, b, c] = octets(address)
      return address === '168.63.129.16' ? address : `${a}.${b}.${c}.${last}`
    }),
    { numRuns: 100, seed: 7 },
  )
  const spellings = [...new Set([...forbidden4, ...more].flatMap(spellingsOf4).concat(forbidden6.flatMap(spellingsOf6)))] // prettier-ignore

  it('is refused in each of thousands of spellings', () => {
    expect(spellings.length).toBeGreaterThan(2000)
    const urls = spellings.flatMap((host) => [`https://${host}/`, `https://${host}:443/x?y`])
    expect(urls.filter((url) => problemOfUrl(url, rule) === undefined)).toEqual([])
  })

  it('is refused when a name resolves to it, alone or beside a good one', async () => {
    for (const address of [...forbidden4, ...forbidden6, ...forbidden4.map((each) => `::ffff:${each}`)]) {
      const family = address.includes(':') ? 6 : 4
      const bad = { address, family }
      for (const found of [[bad], [{ address: '8.8.8.8', family: 4 }, bad]]) {
        const sender = openSender([], async () => found)
        await expect(sender.post('https://good.example.com/', {}, ''), address).rejects.toThrow(TargetRefused)
      }
    }
  })

  it('is refused by any other way to write a target of no use', () => {
    for (const url of [
      'http://example.com/',
      'https://example.com:8443/',
      'https://user@example.com/',
      'https://user:secret@example.com/',
      'ftp://example.com/',
      'file:///etc/passwd',
      'https://localhost/',
      'https://internal/',
      'https://',
      'javascript:alert(1)',
      'gopher://example.com/',
    ])
      // prettier-ignore
      expect(problemOfUrl(url, rule), url).toBeDefined()
  })
})

it('a public address is let through', () => {
  for (const address of public4) expect([address, rule(address)]).toEqual([address, 'public'])
  for (const address of public6) expect([address, rule(address)]).toEqual([address, 'public'])
  for (const url of ['https://example.com/hook?x=1', 'https://8.8.8.8/', 'https://[2606:4700::1111]:443/'])
    expect(problemOfUrl(url, rule), url).toBeUndefined()
})

describe('a network that an operator allows', () => {
  const allowed = addressRule(['10.20.0.0/16', 'fd00::/8'])

  it('may be reached by plain HTTP and at any port, and nothing beside it', () => {
    expect(['10.20.0.1', '10.20.255.255', 'fd12::1', '10.21.0.1', '127.0.0.1', '8.8.8.8'].map(allowed)).toEqual(['allowed', 'allowed', 'allowed', 'refused', 'refused', 'public']) // prettier-ignore
    expect(problemOfUrl('http://10.20.0.1:8080/', allowed)).toBeUndefined()
    expect(problemOfUrl('http://10.21.0.1:8080/', allowed)).toBeDefined()
    expect(problemOfUrl('http://8.8.8.8/', allowed)).toBeDefined()
  })

  it('does not let a public address be reached otherwise than by https', async () => {
    const sender = openSender(['10.20.0.0/16'], async () => [{ address: '8.8.8.8', family: 4 }])
    await expect(sender.post('http://example.com/', {}, '')).rejects.toThrow(/must be https/)
  })
})

it('the address that was judged is the one that is connected to, whatever the name says next', async () => {
  const hosts: string[] = []
  const server = createServer((request, response) => {
    hosts.push(request.headers.host ?? '')
    response.end('here')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  let asked = 0
  const sender = openSender(['127.0.0.0/8'], async () => {
    asked++
    return [{ address: asked === 1 ? '127.0.0.1' : '192.0.2.1', family: 4 }]
  })
  const answer = await sender.post(`http://rebound.example.com:${port}/`, {}, '{}')
  expect([answer.status, answer.text, asked, hosts]).toEqual([200, 'here', 1, [`rebound.example.com:${port}`]])
  server.close()
})
