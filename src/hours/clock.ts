// What the clocks of a time zone show, and when. Intl alone knows the rules. It is asked in steps of days, and what it
// said is kept: an answer then takes less than a microsecond.
import { closest } from 'fastest-levenshtein'

const SECOND_MS = 1000
const DAY_MS = 86_400_000
/** Nowhere do two changes of a clock lie nearer than 6.9 days: Brazil in 2000, Gaza in 2040. */
const PROBE_MS = 6 * DAY_MS
const EARLIEST_MS = Date.UTC(1900, 0, 1)
const LATEST_MS = Date.UTC(2200, 0, 1)
/** What is asked to hold for longer holds for good. */
export const FOR_GOOD_MS = Date.UTC(2190, 0, 1)

/** Shown times are milliseconds too: those that UTC has when its clocks show the same. */
export type Clock = {
  shownAt: (instantMs: number) => number
  /** The first instant at which the clock shows this time or a later one. */
  firstAt: (shownMs: number) => number
  /** The instant after which the clock never again shows a time before this one. */
  lastBefore: (shownMs: number) => number
}

const clocks = new Map<string, Clock>()

/** Throws a RangeError for a zone that Node does not know; `zoneProblem` tells before. */
export function clockOf(zone: string): Clock {
  // Intl takes any case. In one case there are no more keys than zones.
  const key = zone.toLowerCase()
  const known = clocks.get(key)
  if (known !== undefined) return known
  const clock = openClock(zone)
  clocks.set(key, clock)
  return clock
}

/** What is wrong with the name of a zone. */
export function zoneProblem(zone: string): string | undefined {
  // ICU knows abbreviations and gives them its own meaning: BST is Bangladesh, and EST has no summer time.
  if (zone !== 'UTC' && !zone.includes('/'))
    return 'must name a place as the IANA time zones do, such as Europe/Berlin, or be UTC; abbreviations and offsets do not say when clocks change'
  try {
    clockOf(zone)
    return undefined
  } catch {
    return `is no time zone that is known here; the nearest name is ${closest(zone, Intl.supportedValuesOf('timeZone'))}`
  }
}

function openClock(zone: string): Clock {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  const offsetAt = (instantMs: number) => {
    const [, sign, hours, minutes, seconds] =
      /GMT(?:([+-])(\d+):(\d+)(?::(\d+))?)?$/.exec(format.format(instantMs)) ?? []
    const total = (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)) * SECOND_MS
    return sign === '-' ? -total : total
  }
  // From starts[i] up to the next start, the clock is offsets[i] ahead of UTC. Known from `from` up to `to`.
  const starts: number[] = []
  const offsets: number[] = []
  let from = Infinity
  let to = -Infinity

  const read = (first: number, end: number) => {
    const pieces: [number, number][] = [[first, offsetAt(first)]]
    for (let at = first, offset = offsetAt(first); at < end; at = Math.min(at + PROBE_MS, end)) {
      const next = Math.min(at + PROBE_MS, end - SECOND_MS)
      const later = next > at ? offsetAt(next) : offset
      if (later !== offset) pieces.push([firstOther(at, next, offset), later])
      offset = later
    }
    return pieces
  }
  const firstOther = (before: number, after: number, offset: number) => {
    while (after - before > SECOND_MS) {
      const middle = before + Math.floor((after - before) / 2 / SECOND_MS) * SECOND_MS
      if (offsetAt(middle) === offset) before = middle
      else after = middle
    }
    return after
  }
  const cover = (aroundMs: number) => {
    const first = aroundMs - 2 * DAY_MS
    const last = aroundMs + 2 * DAY_MS
    if (first >= from && last < to) return
    if (!(first >= EARLIEST_MS && last < LATEST_MS)) throw new RangeError('instants lie between 1900 and 2200')
    const firstYear = new Date(first).getUTCFullYear()
    const endYear = new Date(last).getUTCFullYear() + 1
    if (starts.length === 0) from = to = Date.UTC(firstYear, 0, 1)
    if (first < from) {
      const pieces = read(Date.UTC(firstYear, 0, 1), from)
      starts.unshift(...pieces.map(([start]) => start))
      offsets.unshift(...pieces.map(([, offset]) => offset))
      from = Date.UTC(firstYear, 0, 1)
    }
    if (last >= to) {
      for (const [start, offset] of read(to, Date.UTC(endYear, 0, 1))) {
        starts.push(start)
        offsets.push(offset)
      }
      to = Date.UTC(endYear, 0, 1)
    }
  }
  const pieceAt = (instantMs: number) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? Infinity) <= instantMs) low = middle
      else high = middle - 1
    }
    return low
  }
  const startOf = (piece: number) => starts[piece] ?? Infinity
  const offsetOf = (piece: number) => offsets[piece] ?? 0

  return {
    shownAt: (instantMs) => {
      cover(instantMs)
      return instantMs + offsetOf(pieceAt(instantMs))
    },
    // No clock is a day away from UTC, so one day before or after is far enough to begin.
    firstAt: (shownMs) => {
      cover(shownMs)
      let piece = pieceAt(shownMs - DAY_MS)
      while (startOf(piece + 1) + offsetOf(piece) <= shownMs) piece++
      return Math.max(startOf(piece), shownMs - offsetOf(piece))
    },
    lastBefore: (shownMs) => {
      cover(shownMs)
      let piece = pieceAt(shownMs + DAY_MS)
      while (startOf(piece) + offsetOf(piece) >= shownMs) piece--
      return Math.min(startOf(piece + 1), shownMs - offsetOf(piece))
    },
  }
}
