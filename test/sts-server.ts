// An STS on loopback that verifies signatures as AWS documents them (Signature Version 4, query parameters), and IAM's
// list of a user's groups. It shares nothing with the signer under test but the specification.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export type StsUser = { secret: string; arn: string; sessionToken?: string }
export type StsServer = {
  origin: string
  users: Map<string, StsUser>
  /** Of a user's name: the ARNs that IAM lists. */
  groups: Map<string, string[]>
  requests: { method: string; url: string; headers: IncomingMessage['headers'] }[]
  /** What the next requests are answered with instead. */
  answer: ((url: URL) => { status: number; headers?: Record<string, string>; body?: string } | undefined) | undefined
  close: () => Promise<void>
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
const sign = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest()
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

export async function startSts(): Promise<StsServer> {
  const sts: StsServer = { origin: '', users: new Map(), groups: new Map(), requests: [], answer: undefined, close }
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', sts.origin)
    sts.requests.push({ method: request.method ?? '', url: url.href, headers: request.headers })
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const {
        status,
        headers = {},
        body: text = '',
      } = sts.answer?.(url) ?? reply(request, url, new URLSearchParams(body))
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  sts.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listens on TCP
  async function close() {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }

  function reply(request: IncomingMessage, url: URL, form: URLSearchParams) {
    if (form.get('Action') === 'ListGroupsForUser') {
      const groups = sts.groups.get(form.get('UserName') ?? '') ?? []
      const members = groups.map(
        (arn) => `<member><Path>/</Path><GroupName>x</GroupName><GroupId>x</GroupId><Arn>${arn}</Arn></member>`,
      )
      const result = `<Groups>${members.join('')}</Groups><IsTruncated>false</IsTruncated>`
      return {
        status: 200,
        headers: { 'content-type': 'text/xml' },
        body: `<ListGroupsForUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListGroupsForUserResult>${result}</ListGroupsForUserResult></ListGroupsForUserResponse>`,
      }
    }
    const code = refusalOf(request, url)
    if (code !== undefined)
      return { status: 403, body: JSON.stringify({ Error: { Code: code, Message: 'private words', Type: 'Sender' } }) }
    const arn = userOf(url)?.arn
    const result = { Account: arn?.split(':')[4], Arn: arn, UserId: 'AIDAEXAMPLE' }
    return { status: 200, body: JSON.stringify({ GetCallerIdentityResponse: { GetCallerIdentityResult: result } }) }
  }

  const userOf = (url: URL) => sts.users.get((url.searchParams.get('X-Amz-Credential') ?? '').split('/')[0] ?? '')

  function refusalOf(request: IncomingMessage, url: URL): string | undefined {
    const of = (name: string) => url.searchParams.get(name) ?? ''
    const user = userOf(url)
    if (!user) return 'InvalidClientTokenId'
    if ((user.sessionToken ?? '') !== of('X-Amz-Security-Token')) return 'InvalidClientTokenId'
    const [, date = '', region = '', service = '', last] = of('X-Amz-Credential').split('/')
    if (service !== 'sts' || last !== 'aws4_request') return 'SignatureDoesNotMatch'
    const names = of('X-Amz-SignedHeaders').split(';')
    const query = [...url.searchParams]
      .filter(([name]) => name !== 'X-Amz-Signature')
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .toSorted()
    const headers = names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`)
    const canonical = [request.method, url.pathname, query.join('&'), headers.join(''), names.join(';'), hash('')].join(
      '\n',
    )
    const scope = [date, region, service, last].join('/')
    const text = ['AWS4-HMAC-SHA256', of('X-Amz-Date'), scope, hash(canonical)].join('\n')
    const key = [region, service, 'aws4_request'].reduce(sign, sign(`AWS4${user.secret}`, date))
    const expected = sign(key, text)
    const given = Buffer.from(of('X-Amz-Signature'), 'hex')
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'SignatureDoesNotMatch'
    const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(of('X-Amz-Date')) ?? []
    const until = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`) + Number(of('X-Amz-Expires')) * 1000
    if (!(until > Date.now())) return 'ExpiredToken'
    return of('Action') === 'GetCallerIdentity' ? undefined : 'InvalidAction'
  }

  return sts
}
