// Times for people: near ones as spans, all of them in the reader's zone, with UTC for whoever points at them.
import { useSyncExternalStore } from 'react'

const TICK_MS = 1000
let now = Date.now()
const watchers = new Set<() => void>()
let timer: number | undefined

function tick(): void {
  now = Date.now()
  for (const heard of watchers) heard()
}

function watch(heard: () => void): () => void {
  watchers.add(heard)
  timer ??= setInterval(tick, TICK_MS)
  return () => {
    watchers.delete(heard)
    if (watchers.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}
// A laptop that slept has no ticks behind it, and shows the right time at once.
addEventListener('visibilitychange', tick)
addEventListener('pageshow', tick)

/** The time of now, new whenever the given number of milliseconds is over. */
export const useNow = (everyMs = 1000): number => useSyncExternalStore(watch, () => Math.floor(now / everyMs) * everyMs)

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export function span(ms: number): string {
  const left = Math.max(0, ms)
  if (left < MINUTE) return `${Math.floor(left / 1000)} s`
  if (left < HOUR) return `${Math.floor(left / MINUTE)} min`
  if (left < DAY) {
    const minutes = Math.floor((left % HOUR) / MINUTE)
    return `${Math.floor(left / HOUR)} h${left < 6 * HOUR && minutes > 0 ? ` ${minutes} min` : ''}`
  }
  const hours = Math.floor((left % DAY) / HOUR)
  return `${Math.floor(left / DAY)} d${left < 4 * DAY && hours > 0 ? ` ${hours} h` : ''}`
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone

export const atLocal = (at: string | number): string => local.format(new Date(at))
export const atClock = (at: string | number): string => clock.format(new Date(at))
export const atUtc = (at: string | number): string => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
const titleOf = (at: string) => `${atLocal(at)} (${zone})\n${atUtc(at)}`

export function At({ at }: { at: string }) {
  return (
    <time dateTime={at} title={titleOf(at)}>
      {atLocal(at)}
    </time>
  )
}

export function Ago({ at }: { at: string }) {
  const ms = useNow() - Date.parse(at)
  return (
    <time dateTime={at} title={titleOf(at)}>
      {ms < 5000 ? 'just now' : `${span(ms)} ago`}
    </time>
  )
}

/** How long it has been so. */
export function Since({ at }: { at: string }) {
  const ms = useNow() - Date.parse(at)
  return (
    <time dateTime={at} title={titleOf(at)}>
      {span(ms)}
    </time>
  )
}

/** Amber below a day, red below two hours. */
export function Until({ at, over = 'now' }: { at: string; over?: string }) {
  const ms = Date.parse(at) - useNow()
  const tone = ms < 2 * HOUR ? 'bad' : ms < DAY ? 'warn' : undefined
  return (
    <time dateTime={at} title={titleOf(at)} className="until" data-tone={tone}>
      {ms <= 0 ? over : `in ${span(ms)}`}
    </time>
  )
}

/** For an input of type datetime-local, in the reader's zone. */
export function toInput(at: Date): string {
  return new Date(at.getTime() - at.getTimezoneOffset() * MINUTE).toISOString().slice(0, 16)
}
