// What keeps pages true while they are looked at: the event stream, or polling while the API has none. A hidden tab
// reads nothing, and catches up by the id of the last event that it saw.
import type { QueryClient } from '@tanstack/react-query'
import { createParser } from 'eventsource-parser'
import { useSyncExternalStore } from 'react'
import type { Cluster, ClusterDetail, Job, JobDetail } from './api'

export type LiveState = 'connecting' | 'live' | 'polling' | 'reconnecting' | 'paused'

type Event = { clusterId?: string | null; jobId?: string | null; cluster?: Cluster; job?: Job }

const STREAM = '/api/v1/events/stream'
const REFETCH_MS = 400
const ASK_AGAIN_MS = 60_000
const LONGEST_WAIT_MS = 15_000
/** The API says something at least each 15 s. */
const SILENCE_MS = 40_000

let client: QueryClient | undefined
let state: LiveState = 'connecting'
let isPaused = false
let lastId: string | undefined
let reading: AbortController | undefined
let failures = 0
let timer: number | undefined
const watchers = new Set<() => void>()

export function startLive(queries: QueryClient): void {
  if (client) return
  client = queries
  document.addEventListener('visibilitychange', follow)
  addEventListener('online', follow)
  follow()
}

/** After signing out. */
export function stopLive(): void {
  client = undefined
  lastId = undefined
  document.removeEventListener('visibilitychange', follow)
  removeEventListener('online', follow)
  close()
}

export function pauseLive(paused: boolean): void {
  isPaused = paused
  if (!paused) void client?.invalidateQueries()
  follow()
}

export const useLive = (): LiveState =>
  useSyncExternalStore(
    (heard) => {
      watchers.add(heard)
      return () => watchers.delete(heard)
    },
    () => state,
  )

/** How often a page asks by itself. With the stream it asks rarely, in case a word was lost. */
export function useRefresh(): (isMoving: boolean) => number | false {
  const live = useLive()
  return (isMoving) => {
    if (live === 'paused') return false
    if (live === 'live') return 60_000
    return isMoving ? 2000 : 5000
  }
}

/** While the page polls, its questions tell whether the service answers. */
export function noteSilence(): void {
  if (state !== 'polling') return
  clearTimeout(timer)
  again()
}

function follow(): void {
  close()
  if (isPaused) say('paused')
  else if (client && document.visibilityState === 'visible') void read()
}

function close(): void {
  clearTimeout(timer)
  reading?.abort()
  reading = undefined
}

function say(next: LiveState): void {
  if (state === next) return
  state = next
  for (const heard of watchers) heard()
}

async function read(): Promise<void> {
  const controller = new AbortController()
  reading = controller
  const isOurs = () => reading === controller
  try {
    const response = await fetch(STREAM, {
      headers: { accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'last-event-id': lastId }) },
      signal: controller.signal,
      cache: 'no-store',
    })
    if (!isOurs()) return
    if (response.status === 404 || response.status === 405) {
      const wasAway = failures > 0
      failures = 0
      say('polling')
      if (wasAway) void client?.invalidateQueries()
      timer = setTimeout(follow, ASK_AGAIN_MS)
      return
    }
    if (!response.ok || !response.body) throw new Error(`the stream answers ${response.status}`)
    say('live')
    if (failures > 0) void client?.invalidateQueries()
    failures = 0
    await readAll(response.body, controller)
    if (isOurs()) again()
  } catch {
    if (isOurs()) again()
  }
}

async function readAll(body: ReadableStream<Uint8Array>, controller: AbortController): Promise<void> {
  const parser = createParser({
    onEvent({ id, event = '', data }) {
      if (id !== undefined) lastId = id
      // What lies between is not known any more. Or this caller may follow no longer, as any question will tell.
      if (event === 'reset' || event === 'refused') void client?.invalidateQueries()
      else if (event !== 'open') apply(event, JSON.parse(data) as Event)
    },
  })
  let silence = setTimeout(() => controller.abort(), SILENCE_MS)
  try {
    const decoder = new TextDecoder()
    for (const reader = body.getReader(); ;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(silence)
      silence = setTimeout(() => controller.abort(), SILENCE_MS)
      parser.feed(decoder.decode(value, { stream: true }))
    }
  } finally {
    clearTimeout(silence)
  }
}

function again(): void {
  say('reconnecting')
  failures++
  timer = setTimeout(follow, Math.min(LONGEST_WAIT_MS, 500 * 2 ** Math.min(failures, 5)) * (0.7 + Math.random() * 0.6))
}

const stale = new Map<string, unknown[]>()
let staleTimer: number | undefined

function apply(type: string, { clusterId, jobId, cluster, job }: Event): void {
  if (cluster) showCluster(cluster)
  if (job) showJob(job)
  const kinds = [
    ...(clusterId ? [['clusters'], ['cluster', clusterId]] : []),
    ...(jobId ? [['jobs'], ['job', jobId]] : []),
    ...(type.startsWith('finding') ? [['findings']] : []),
  ]
  for (const key of kinds) stale.set(JSON.stringify(key), key)
  staleTimer ??= setTimeout(() => {
    staleTimer = undefined
    const keys = [...stale.values()]
    stale.clear()
    for (const queryKey of keys) void client?.invalidateQueries({ queryKey })
  }, REFETCH_MS)
}

type Page<T> = { items: T[]; nextCursor: string | null }

/** What an event brings is shown at once where it is shown already. */
function showCluster(cluster: Cluster): void {
  showRow('clusters', cluster)
  client?.setQueryData<ClusterDetail>(['cluster', cluster.id], (known) => known && { ...known, ...cluster })
}

function showJob(job: Job): void {
  showRow('jobs', job)
  client?.setQueryData<JobDetail>(['job', job.id], (known) => known && { ...known, ...job })
}

function showRow(list: string, row: Cluster | Job): void {
  client?.setQueriesData<Page<Cluster | Job>>({ queryKey: [list] }, (page) =>
    page?.items.some(({ id }) => id === row.id)
      ? { ...page, items: page.items.map((item) => (item.id === row.id ? row : item)) }
      : page,
  )
}
