// Processes tell each other that something changed, by LISTEN and NOTIFY. A message is only a hint: everybody who waits
// also looks now and then. So a lost message costs seconds, never correctness.
import { EventEmitter } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Client } from 'pg'
import type { Transaction } from './db/client.ts'
import type { Log } from './observability/log.ts'

const CHANNEL = 'ocpctl_events'
/** How long a connection or a statement may take, since a broken link may swallow it. */
const PATIENCE_MS = 10_000
const PROBE_MS = 10_000
const SHORTEST_WAIT_MS = 500
const LONGEST_WAIT_MS = 10_000
const GAP = Symbol('gap')

/**
 * `work all`: the queue has something to do. `notice all`: somebody is to be told something. `event all`: it is handed on.
 * `operation all`: one was asked for. `gauges all`: they are reckoned anew. `worker`: it is to look whether it is drained.
 */
export type EventTopic =
  | 'job-log'
  | 'job'
  | 'cluster'
  | 'cancel'
  | 'access'
  | 'work'
  | 'notice'
  | 'event'
  | 'operation'
  | 'gauges'
  | 'worker'

/** Sent after the transaction has committed: a NOTIFY within it would make all commits wait for each other. */
export function announce(tx: Transaction, topic: EventTopic, id: string): void {
  const word = `${topic} ${id}`
  if (tx.words.at(-1) !== word) tx.words.push(word)
}

export type Events = {
  /** Calls `heard` for each word on the topic about the id. Returns a function that ends this. */
  on: (topic: EventTopic, id: string, heard: () => void) => () => void
  /** Calls back when words may have been lost. */
  onGap: (heard: () => void) => () => void
  isListening: () => boolean
  /**
   * Sends these words to every process, together with others that are ready just now. They are lost while it cannot
   * listen.
   */
  tell: (words: string[]) => void
  close: () => Promise<void>
}

export async function openEvents(url: string, log: Log): Promise<Events> {
  const emitter = new EventEmitter()
  emitter.setMaxListeners(0)
  const closing = new AbortController()
  let client: Client | undefined
  let listening = false

  const setListening = (is: boolean) => {
    listening = is
    emitter.emit(GAP)
  }
  /** Opens a connection that listens. Throws when it cannot; then it has closed what it opened. */
  const connect = async (): Promise<Client> => {
    const next = new Client({
      connectionString: url,
      application_name: 'ocpctl-events',
      keepAlive: true,
      connectionTimeoutMillis: PATIENCE_MS,
      query_timeout: PATIENCE_MS,
    })
    next.on('error', () => undefined)
    // Anybody in the database may notify, and an EventEmitter gives some event names a special meaning.
    let own: number | undefined
    next.on('notification', ({ payload, processId }) => {
      // This process has heard its own words when it told them.
      if (payload !== undefined && processId !== own) emitter.emit(`heard ${payload}`)
    })
    try {
      await next.connect()
      const { rows } = await next.query<{ pid: number }>('select pg_backend_pid() as pid')
      own = rows[0]?.pid
      await next.query(`listen ${CHANNEL}`)
      return next
    } catch (error) {
      await next.end().catch(() => undefined)
      throw error
    }
  }
  /** Resolves when the connection has ended or no longer answers. The connection is closed then. */
  const end = async (of: Client): Promise<void> => {
    const ended = new AbortController()
    of.once('end', () => ended.abort())
    const signal = AbortSignal.any([ended.signal, closing.signal])
    try {
      while (!signal.aborted) {
        await setTimeout(PROBE_MS, undefined, { signal, ref: false })
        await of.query('select 1')
      }
    } catch {
      // The connection ended, or was asked to end, or swallows what it is sent.
    }
    await of.end().catch(() => undefined)
  }
  // There is one connection at a time, and one attempt to connect. Each has ended before the next begins.
  const keep = async (): Promise<void> => {
    for (let failures = 0; !closing.signal.aborted;) {
      if (client) {
        await end(client)
        client = undefined
        if (closing.signal.aborted) return
        setListening(false)
        log.warn('the event connection was lost and is being opened again')
      }
      const waitMs = Math.min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS * 2 ** failures) * (0.5 + Math.random() / 2)
      await setTimeout(waitMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
      if (closing.signal.aborted) return
      try {
        client = await connect()
        failures = 0
        setListening(true)
      } catch {
        failures++
      }
    }
  }
  let waiting = new Set<string>()
  let telling = false
  const tellAll = async (): Promise<void> => {
    while (waiting.size > 0) {
      const words = [...waiting]
      waiting = new Set()
      await client
        ?.query({
          name: 'tell',
          text: 'select pg_notify($1, word) from unnest($2::text[]) as word',
          values: [CHANNEL, words],
        })
        .catch(() => undefined)
    }
    telling = false
  }
  client = await connect()
  setListening(true)
  const keeping = keep()

  return {
    on(topic, id, heard) {
      const word = `heard ${topic} ${id}`
      emitter.on(word, heard)
      return () => emitter.off(word, heard)
    },
    onGap(heard) {
      emitter.on(GAP, heard)
      return () => emitter.off(GAP, heard)
    },
    isListening: () => listening,
    tell(words) {
      for (const word of words) {
        waiting.add(word)
        setImmediate(() => emitter.emit(`heard ${word}`))
      }
      if (telling) return
      telling = true
      void tellAll()
    },
    async close() {
      closing.abort()
      await keeping
      await client?.end().catch(() => undefined)
    },
  }
}
