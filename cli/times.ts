// Times and spans as people write and read them.
import { Failure } from './failure.ts'

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
const SPAN = /^(\d+(?:\.\d+)?[smhdw])+$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/

/** `90s`, `30m`, `1h30m`, `2d` in milliseconds. */
export function readSpan(text: string): number {
  const ms = spanMs(text)
  if (ms === undefined) throw new Failure('usage', `"${text}" is no span of time: write 90s, 30m, 1h30m or 2d`)
  return ms
}

const spanMs = (text: string): number | undefined =>
  SPAN.test(text)
    ? [...text.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g)].reduce(
        (sum, [, amount, unit = '']) => sum + Number(amount) * (unitSeconds[unit] ?? 0) * 1000,
        0,
      )
    : undefined

/** A time as it is, or a span: from now on for what is to come, back from now for what has been. */
export function readTime(text: string, way: 'ahead' | 'back'): string {
  if (INSTANT.test(text)) return text
  const ms = spanMs(text)
  if (ms === undefined)
    throw new Failure('usage', `"${text}" is no time: write 2026-12-24T18:00:00+01:00, or a span such as 2d`)
  return new Date(Date.now() + (way === 'ahead' ? ms : -ms)).toISOString()
}

/** `in 5h` or `3d ago`. */
export function since(instant: string, now = Date.now()): string {
  const ms = Date.parse(instant) - now
  if (Number.isNaN(ms)) return instant
  return ms > 0 ? `in ${shortSpan(ms)}` : `${shortSpan(-ms)} ago`
}

export function shortSpan(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 90) return `${seconds}s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 || hours >= 10 ? `${hours}h` : `${hours}h${minutes % 60}m`
  return `${Math.round(hours / 24)}d`
}

/** undefined: it is no time. */
export const shownTime = (text: string): string | undefined =>
  INSTANT.test(text) ? `${text} (${since(text)})` : undefined
