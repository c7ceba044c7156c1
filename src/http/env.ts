// What a request carries inside the HTTP door.
import type { ServerResponse } from 'node:http'
import type { Context } from 'hono'
import type { App } from '../app.ts'
import type { Credential } from '../auth/authenticate.ts'
import type { Caller } from '../auth/principal.ts'
import type { TraceContext } from '../observability/trace-context.ts'
import type { Platform } from '../vocabulary.ts'
import type { EventHub } from './event-hub.ts'
import type { History } from '../jobs/history.ts'
import type { ShownClusters } from './shown.ts'

export type Env = {
  Variables: {
    app: App
    credential: Credential
    by: Caller
    /** Reads the caller as it is now. Throws UNAUTHENTICATED when its credential counts no longer. */
    renew: () => Promise<Caller>
    requestId: string
    /** undefined: the request is part of no trace. */
    trace: TraceContext | undefined
    /** undefined: the request came through no socket, as in tests. */
    address: string | undefined
    limits: Limits
    shownClusters: ShownClusters
    events: EventHub
    history: History
    /** What an answer that does not end by itself is handed to, once its head is written. */
    endless: ((outgoing: ServerResponse) => void) | undefined
    readiness: () => Promise<Readiness>
  }
}

/** One thing that is wrong with the service. */
type Fault = { part: string; detail: string }
export type Readiness = { ready: boolean; failing: Fault[]; degraded: Fault[]; clouds: Platform[] }

export type Limits = Readonly<{
  countRequest: (c: Context<Env>) => Promise<void>
  countCaller: (c: Context<Env>, name: string) => Promise<void>
  /**
   * An AWS token makes this process ask STS. So an address whose tokens failed too often is refused before the next
   * token is looked at, unless that token was good before. Other tokens cost no more than any request, and many share
   * an address.
   */
  countFailures: <T>(c: Context<Env>, credential: Credential, authenticate: () => Promise<T>) => Promise<T>
  /** Throws RATE_LIMITED when the caller has too many open. Returns a function that gives it back. */
  openStream: (name: string) => () => void
}>
