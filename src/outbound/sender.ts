// Posts to addresses that users gave. The name is resolved once, and the address that was judged is the one that is
// connected to. No redirect is followed, and neither a slow nor a talkative answer holds the service up.
import { lookup, type LookupAddress } from 'node:dns'
import { request as requestPlainly } from 'node:http'
import { request as requestSecurely } from 'node:https'
import type { LookupFunction } from 'node:net'
import { addressRule, literalIn, problemOfPublic, problemOfUrl, type AddressRule } from './addresses.ts'

const CONNECT_MS = 10_000
const TOTAL_MS = 15_000
const LONGEST_ANSWER_BYTES = 64 * 1024
/** How much of an answer is worth keeping. */
const KEPT_BYTES = 1024

export type Answer = { status: number; retryAfter: string | undefined; text: string; tookMs: number }

/** The target is not one that may be sent to, as it is now. */
export class TargetRefused extends Error {
  override readonly name = 'TargetRefused'
}

export type Sender = {
  /** Throws TargetRefused, or whatever went wrong on the way. */
  post: (url: string, headers: Record<string, string>, body: string) => Promise<Answer>
  /** Why the URL may not be sent to, as far as its text tells. */
  problemOf: (url: string) => string | undefined
}

type Resolve = (hostname: string) => Promise<LookupAddress[]>
const resolveAll: Resolve = (hostname) =>
  new Promise((resolve, reject) =>
    lookup(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses))),
  )

/** `allowed`: networks beside the public ones, in which plain HTTP and any port are allowed too. */
export function openSender(allowed: readonly string[], resolve: Resolve = resolveAll): Sender {
  const rule = addressRule(allowed)
  return {
    problemOf: (url) => problemOfUrl(url, rule),
    async post(url, headers, body) {
      const problem = problemOfUrl(url, rule)
      if (problem !== undefined) throw new TargetRefused(`the target ${problem}`)
      const target = new URL(url)
      const signal = AbortSignal.timeout(TOTAL_MS)
      const address = await beforeAbort(signal, addressOf(target, rule, resolve))
      return send(target, address, headers, body, signal)
    },
  }
}

/** A resolver may take longer than all of it may. */
function beforeAbort<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(noAnswer()), { once: true })
    work.then(resolve, reject)
  })
}

const noAnswer = () => new Error(`no answer within ${TOTAL_MS / 1000} s`)

async function addressOf(
  { hostname, protocol, port }: URL,
  rule: AddressRule,
  resolve: Resolve,
): Promise<LookupAddress> {
  const literal = literalIn(hostname)
  const found = literal === undefined ? await resolve(hostname) : [{ address: literal, family: literal.includes(':') ? 6 : 4 }] // prettier-ignore
  const [first] = found
  if (!first) throw new Error(`${hostname} has no address`)
  // A name that has any address that is refused is not trusted with the others.
  for (const { address } of found) {
    const verdict = rule(address)
    if (verdict === 'refused')
      throw new TargetRefused(`${hostname} is at an address that is not public; an operator may allow its network`)
    const problem = verdict === 'public' ? problemOfPublic(protocol, port) : undefined
    if (problem !== undefined) throw new TargetRefused(`the target ${problem}`)
  }
  return first
}

function send(
  target: URL,
  { address, family }: LookupAddress,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<Answer> {
  const startedAt = performance.now()
  const fixed: LookupFunction = (_, { all }, done) =>
    all ? done(null, [{ address, family }]) : done(null, address, family)
  const request = target.protocol === 'https:' ? requestSecurely : requestPlainly
  return new Promise<Answer>((resolve, reject) => {
    const bytes = Buffer.byteLength(body)
    const sent = request(
      target,
      { method: 'POST', headers: { ...headers, 'content-length': String(bytes) }, lookup: fixed, signal, agent: false },
      (answer) => {
        const chunks: Buffer[] = []
        let read = 0
        const done = () =>
          resolve({
            status: answer.statusCode ?? 0,
            retryAfter: answer.headers['retry-after'],
            text: Buffer.concat(chunks).subarray(0, KEPT_BYTES).toString('utf8').replaceAll('\u0000', ''),
            tookMs: Math.round(performance.now() - startedAt),
          })
        answer.on('data', (chunk: Buffer) => {
          read += chunk.length
          if (read <= LONGEST_ANSWER_BYTES) return void chunks.push(chunk)
          // The status is known, and nobody reads the rest.
          done()
          answer.destroy()
        })
        answer.on('end', done)
        answer.on('error', reject)
      },
    )
    const connecting = setTimeout(
      () => sent.destroy(new Error(`no connection within ${CONNECT_MS / 1000} s`)),
      CONNECT_MS,
    )
    sent.on('socket', (socket) => socket.once('connect', () => clearTimeout(connecting)))
    // Node hands a connection that was switched to another protocol to nobody else, and says no more of the request.
    sent.on('upgrade', (answer, socket) => {
      socket.destroy()
      reject(new Error(`it answered ${answer.statusCode}, as if it had been asked for another protocol`))
    })
    sent.on('close', () => {
      clearTimeout(connecting)
      // Does nothing where there was an answer.
      reject(signal.aborted ? noAnswer() : new Error('the connection ended without an answer'))
    })
    sent.on('error', (error) => reject(signal.aborted ? noAnswer() : error))
    sent.end(body)
  })
}
