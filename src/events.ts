// Word between processes that something changed, by LISTEN and NOTIFY. A hint only: whoever waits also looks by
// itself now and then, so a lost word costs seconds, never correctness.
import { EventEmitter } from 'node:events'
import { sql } from 'drizzle-orm'
import { Client } from 'pg'
import type { Reader } from './db/client.ts'
import type { Log } from './observability/log.ts'

const CHANNEL = 'ocpctl_events'
const RECONNECT_MS = 1000
const GAP = Symbol('gap')

export type EventTopic = 'job-log' | 'job' | 'cluster' | 'cancel' | 'access'

/** Sent when the transaction commits. */
export async function announce(tx: Reader, topic: EventTopic, id: string): Promise<void> {
  await tx.execute(sql`select pg_notify(${CHANNEL}, ${`${topic} ${id}`})`)
}

export type Events = {
  /** Calls back for each word on the topic about the id; returns the way to stop. */
  on: (topic: EventTopic, id: string, heard: () => void) => () => void
  /** Calls back when words may have been lost. */
  onGap: (heard: () => void) => () => void
  isListening: () => boolean
  close: () => Promise<void>
}

export async function openEvents(url: string, log: Log): Promise<Events> {
  const emitter = new EventEmitter()
  emitter.setMaxListeners(0)
  let closed = false
  let client: Client | undefined
  let listening = false
  let retry: NodeJS.Timeout | undefined

  const setListening = (is: boolean) => {
    listening = is
    emitter.emit(GAP)
  }
  const connect = async () => {
    const next = new Client({ connectionString: url, application_name: 'ocpctl-events', keepAlive: true })
    // Anybody in the database may notify, and an EventEmitter gives some words a meaning of its own.
    next.on('notification', ({ payload }) => payload !== undefined && emitter.emit(`heard ${payload}`))
    next.on('error', () => undefined)
    next.once('end', () => {
      if (closed || client !== next) return
      setListening(false)
      log.warn('the event connection was lost and is being opened again')
      reconnect()
    })
    client = next
    try {
      await next.connect()
      await next.query(`listen ${CHANNEL}`)
      setListening(true)
    } catch (error) {
      client = undefined
      await next.end().catch(() => undefined)
      throw error
    }
  }
  const reconnect = () => {
    retry = setTimeout(() => {
      if (!closed) connect().catch(reconnect)
    }, RECONNECT_MS)
  }
  await connect()

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
    async close() {
      closed = true
      clearTimeout(retry)
      await client?.end().catch(() => undefined)
    },
  }
}
