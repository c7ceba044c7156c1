// What a request says of off-hours, and what that means: the times at which the cluster is awake.
//
// A window begins when the zone's clocks first show its beginning or a later time, and ends when they have for the last
// time shown one before its end. So what begins in an hour that is left out begins after that hour, what ends in an hour
// that comes twice ends in the second, and no clock shows a time within a window while the cluster sleeps.
//
// A window belongs to the date on which it begins. On exceptDates and holidays none begins; what began the evening before
// runs to its end. Holidays are dates too: a library that knows them weighs 45 MB and is wrong for what an office decides.
import { z } from 'zod'
import { clockOf, zoneProblem, type Clock } from './clock.ts'
import { DAY_MINUTES, readWindow, type Window } from './window.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
export const MOST_WINDOWS = 28
const MOST_DATES = 366
/** Weeks are alike but for listed dates and changes of clocks: what has not come in so many days is never to come. */
const ALIKE_DAYS = 22
/** A change that comes after so many days without any is not foreseen. */
const AHEAD_DAYS = 800

const dates = z
  .array(z.iso.date({ error: 'must be a date that exists, as 2026-12-25' }))
  .max(MOST_DATES, { error: `has more than ${MOST_DATES} dates; leave out those that are over` })

export const offHours = z
  .strictObject({
    zone: z
      .string()
      .max(64, { abort: true })
      .superRefine((zone, context) => {
        const problem = zoneProblem(zone)
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
      })
      .describe('The IANA time zone of all times, such as Europe/Berlin.'),
    awake: z
      .array(
        z
          .string()
          .max(64, { abort: true })
          .superRefine((text, context) => {
            const window = readWindow(text)
            if (typeof window === 'string') context.addIssue({ code: 'custom', message: window })
          }),
      )
      .min(1, { error: 'needs a window of being awake, such as "Mon-Fri 07:00-19:00"' })
      .max(MOST_WINDOWS, { error: `has more than ${MOST_WINDOWS} windows; windows of the same times may share a line` })
      .describe(
        'When the cluster is awake: days, times or both. "Fri 22:00-06:00" ends on Saturday, "Sat,Sun" is whole days.',
      ),
    exceptDates: dates.describe('Dates on which no window begins.').optional(),
    holidays: dates.describe('Dates of a calendar on which no window begins; told apart from exceptDates.').optional(),
  })
  .superRefine((value, context) => {
    const windows = value.awake.map(readWindow).filter((window) => typeof window !== 'string')
    const excepted = (value.exceptDates?.length ?? 0) + (value.holidays?.length ?? 0)
    if (excepted === 0 && windows.length === value.awake.length && coversTheWeek(windows))
      context.addIssue({
        code: 'custom',
        path: ['awake'],
        message: 'leaves no time to sleep; leave out offHours instead',
      })
  })
export type OffHours = z.infer<typeof offHours>

export type DateList = 'exceptDates' | 'holidays'
/** Off-hours that were read: windows by their weekday, and dates by their number since 1970. */
export type Hours = {
  clock: Clock
  windows: Omit<Window, 'days'>[][]
  excepted: Map<number, DateList>
  lastExcepted: number
}
/** Up to `until`, which is Infinity if nothing ends it. */
export type Span = { from: number; until: number }

/** Of what `offHours` has accepted. Throws a RangeError if this Node no longer knows the zone. */
export function readHours({ zone, awake, exceptDates = [], holidays = [] }: OffHours): Hours {
  const windows: Hours['windows'] = [[], [], [], [], [], [], []]
  for (const text of awake) {
    const window = readWindow(text)
    if (typeof window === 'string') throw new RangeError(`"${text}" ${window}`)
    for (const day of window.days) windows[day]?.push(window)
  }
  for (const day of windows) day.sort((a, b) => a.fromMinute - b.fromMinute)
  const excepted = new Map<number, DateList>()
  for (const date of holidays) excepted.set(Date.parse(date) / DAY_MS, 'holidays')
  for (const date of exceptDates) excepted.set(Date.parse(date) / DAY_MS, 'exceptDates')
  const lastExcepted = excepted.size === 0 ? -Infinity : Math.max(...excepted.keys())
  return { clock: clockOf(zone), windows, excepted, lastExcepted }
}

/** 1970-01-01 was a Thursday. */
export const weekdayOf = (date: number): number => (((date + 3) % 7) + 7) % 7
export const dateShown = (shownMs: number): number => Math.floor(shownMs / DAY_MS)

/** The spans awake that end after this instant, in order, with sleep between them. The first may have begun earlier than it says. */
export function* awakeSpans(
  { clock, windows, excepted, lastExcepted }: Hours,
  fromMs: number,
): Generator<Span, undefined> {
  const today = dateShown(clock.shownAt(fromMs))
  let span: Span | undefined
  // A window ends on the day after its own, and that day may come again when clocks go back over midnight.
  for (let date = today - 2, since = today; ; date++) {
    if (date > since + AHEAD_DAYS || date > Math.max(since, lastExcepted) + ALIKE_DAYS) {
      if (span !== undefined) yield span.until < clock.firstAt(date * DAY_MS) ? span : { ...span, until: Infinity }
      return undefined
    }
    if (excepted.has(date)) continue
    for (const { fromMinute, toMinute } of windows[weekdayOf(date)] ?? []) {
      const from = clock.firstAt(date * DAY_MS + fromMinute * MINUTE_MS)
      const until = clock.lastBefore(date * DAY_MS + toMinute * MINUTE_MS)
      if (until <= fromMs || until <= from) continue
      if (span === undefined) span = { from, until }
      else if (from <= span.until) span.until = Math.max(span.until, until)
      else {
        yield span
        span = { from, until }
        since = date
      }
    }
  }
}

/** The listed date that keeps the cluster asleep at this instant of a sleep. */
export function exceptedDateAt({ clock, windows, excepted }: Hours, atMs: number): number | undefined {
  const shown = clock.shownAt(atMs)
  const today = dateShown(shown)
  const minute = (shown - today * DAY_MS) / MINUTE_MS
  if (excepted.has(today) && windows[weekdayOf(today)]?.length) return today
  const fromYesterday = windows[weekdayOf(today - 1)]?.some(({ toMinute }) => minute < toMinute - DAY_MINUTES)
  return excepted.has(today - 1) && fromYesterday ? today - 1 : undefined
}

function coversTheWeek(windows: readonly Window[]): boolean {
  const spans = windows
    .flatMap(({ days, fromMinute, toMinute }) =>
      days.map((day) => [day * DAY_MINUTES + fromMinute, day * DAY_MINUTES + toMinute] as const),
    )
    .flatMap(([from, to]) => [[from, to] as const, [from - 7 * DAY_MINUTES, to - 7 * DAY_MINUTES] as const])
    .toSorted((a, b) => a[0] - b[0])
  let covered = 0
  for (const [from, to] of spans) if (from <= covered) covered = Math.max(covered, to)
  return covered >= 7 * DAY_MINUTES
}
