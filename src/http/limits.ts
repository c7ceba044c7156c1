// How much one caller, and one address, may ask of this process in a minute. It is counted in memory: each process has
// its own counts, and a restart begins anew.
import { createHash } from 'node:crypto'
import proxyAddr from '@fastify/proxy-addr'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import type { Env, Limits } from './env.ts'

const MINUTE = 60
const FAILURES_PER_MINUTE = 60
const MOST_KEYS = 10_000
/** Each stream looks into the database every other second. */
const STREAMS_OF_ONE = 50

type Counter = {
  /** Throws RATE_LIMITED beyond the limit. */
  count: (c: Context<Env>, key: string) => Promise<void>
  /** Throws RATE_LIMITED when the limit is reached, and counts nothing. */
  check: (c: Context<Env>, key: string) => Promise<void>
}

export function openLimits({ perMinute, addressPerMinute }: Config['rateLimit']): Limits {
  const callers = openCounter(perMinute, 'you')
  const addresses = openCounter(addressPerMinute, 'your address')
  const failures = openCounter(
    addressPerMinute && FAILURES_PER_MINUTE,
    'tokens of AWS from your address that STS refuses',
  )
  const good = new LRUCache<string, true>({ max: MOST_KEYS, ttl: 15 * 60_000 })
  const streams = new Map<string, number>()
  return {
    openStream(name) {
      const open = streams.get(name) ?? 0
      if (open >= STREAMS_OF_ONE)
        throw new AppError('RATE_LIMITED', `${open} streams are open for you, which is the limit: close one first`)
      streams.set(name, open + 1)
      return () => {
        const left = (streams.get(name) ?? 1) - 1
        if (left === 0) streams.delete(name)
        else streams.set(name, left)
      }
    },
    countRequest: (c) => count(addresses, c),
    countCaller: (c, name) => callers?.count(c, name) ?? Promise.resolve(),
    async countFailures(c, credential, authenticate) {
      const network = networkOf(c.var.address)
      const isOfAws = typeof credential === 'string' && /^bearer ocpctl-aws-/i.test(credential)
      if (!failures || network === undefined || !isOfAws) return authenticate()
      const hash = createHash('sha256').update(credential).digest('base64')
      if (!good.has(hash)) await failures.check(c, network)
      try {
        const caller = await authenticate()
        good.set(hash, true)
        return caller
      } catch (error) {
        if (error instanceof AppError && error.code === 'UNAUTHENTICATED') await failures.count(c, network)
        throw error
      }
    },
  }
}

async function count(counter: Counter | undefined, c: Context<Env>): Promise<void> {
  const network = networkOf(c.var.address)
  if (network !== undefined) await counter?.count(c, network)
}

/** undefined: there is no limit. */
function openCounter(points: number, whose: string): Counter | undefined {
  if (points === 0) return undefined
  const limiter = new RateLimiterMemory({ points, duration: MINUTE })
  // The limiter forgets a key when its minute is over. This limits how many keys there are until then.
  const keys = new LRUCache<string, true>({
    max: MOST_KEYS,
    dispose: (_, key, reason) => void (reason === 'evict' && limiter.delete(key)),
  })
  const refuse = (c: Context<Env>, { msBeforeNext }: RateLimiterRes) => {
    const seconds = Math.max(1, Math.ceil(msBeforeNext / 1000))
    c.header('retry-after', String(seconds))
    throw new AppError('RATE_LIMITED', `${points} a minute are the limit for ${whose}: ask again in ${seconds} s`)
  }
  return {
    async count(c, key) {
      keys.set(key, true)
      try {
        await limiter.consume(key)
      } catch (result) {
        if (result instanceof RateLimiterRes) refuse(c, result)
        throw result
      }
    },
    async check(c, key) {
      const result = await limiter.get(key)
      if (result !== null && result.consumedPoints >= points && result.msBeforeNext > 0) refuse(c, result)
    },
  }
}

/** One IPv6 host can choose its addresses from a whole /64. */
function networkOf(address: string | undefined): string | undefined {
  if (address === undefined || !ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  return parsed.kind() === 'ipv4' ? parsed.toString() : parsed.toByteArray().slice(0, 8).join('.')
}

/**
 * The address of the caller. X-Forwarded-For counts only as far as the hops that wrote it are trusted: the first
 * address from the right that is no proxy of ours.
 */
export function addressReader(trustedProxies: readonly string[]): (c: Context<Env>) => string | undefined {
  const trust = trustedProxies.length > 0 ? proxyAddr.compile([...trustedProxies]) : undefined
  return (c) => {
    const { incoming } = (c.env ?? {}) as Partial<HttpBindings> // none for a request that came through no socket
    const peer = incoming?.socket.remoteAddress
    if (incoming === undefined || peer === undefined || trust?.(peer, 0) !== true) return peer
    // Some proxies add the port.
    const address = proxyAddr(incoming, trust)
      .replace(/^\[(.*)\](?::\d+)?$/, '$1')
      .replace(/^([\d.]+):\d+$/, '$1')
    return ipaddr.isValid(address) ? address : peer
  }
}
