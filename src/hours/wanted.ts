// Whether a cluster should be awake at an instant. Its off-hours say it, and what people asked for besides; nothing that
// happened before counts, so no time is missed by a service that was down. Pure.
import { FOR_GOOD_MS } from './clock.ts'
import { awakeSpans, dateShown, exceptedDateAt, weekdayOf, type DateList, type Hours, type Span } from './off-hours.ts'
import { nameOfDay, writeTime } from './window.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

export type State = 'awake' | 'asleep'
/**
 * hand: somebody woke it or put it to sleep. until: for a time that was named. skip: a sleep is left out. An end of null
 * never comes.
 */
export type Override = { how: 'hand' | 'until' | 'skip'; state: State; from: Date; until: Date | null; by: string }
export type Because =
  | { kind: 'hours' }
  | { kind: 'date'; date: string; list: DateList }
  | { kind: 'override'; override: Override }
/** until: as long as the reason holds; the state may go on for another one. Null: nothing ends it. */
export type Wanted = { state: State; until: Date | null; because: Because }
export type Change = { at: Date; state: State }

/** Of several overrides that hold, the one that was given last counts. */
export function wantedAt(hours: Hours, overrides: readonly Override[], at: Date): Wanted {
  const override = holdingAt(overrides, at.getTime())
  if (override !== undefined) {
    // One that was given later may begin before this one ends.
    const later = overrides.slice(overrides.indexOf(override) + 1).map(({ from }) => from.getTime())
    const until = Math.min(endOf(override), ...later.filter((from) => from > at.getTime()))
    return { state: override.state, until: dateOf(until), because: { kind: 'override', override } }
  }
  const [span] = awakeSpans(hours, at.getTime())
  const { state, edge } = stateIn(span, at.getTime())
  const until = Math.min(edge, ...overrides.map(({ from }) => from.getTime()).filter((from) => from > at.getTime()))
  const date = state === 'asleep' ? exceptedDateAt(hours, at.getTime()) : undefined
  const list = date === undefined ? undefined : hours.excepted.get(date)
  const because: Because =
    date === undefined || list === undefined ? { kind: 'hours' } : { kind: 'date', date: writeDate(date), list }
  return { state, until: dateOf(until), because }
}

/** The changes after this instant, at most `count`; fewer where the cluster sleeps or wakes for good. Two years are foreseen. */
export function nextChanges(hours: Hours, overrides: readonly Override[], from: Date, count: number): Change[] {
  const changes: Change[] = []
  for (const { at, state } of statesFrom(hours, overrides, from.getTime())) {
    changes.push({ at: new Date(at), state })
    if (changes.length > count) break
  }
  return changes.slice(1)
}

/** Hours awake between two instants. */
export function awakeHours(hours: Hours, overrides: readonly Override[], from: Date, to: Date): number {
  const end = to.getTime()
  let awakeMs = 0
  let since: number | undefined
  if (from.getTime() >= end) return 0
  for (const { at, state } of statesFrom(hours, overrides, from.getTime())) {
    if (since !== undefined) awakeMs += Math.min(at, end) - since
    since = state === 'awake' ? at : undefined
    if (at >= end) return awakeMs / HOUR_MS
  }
  return (awakeMs + (since === undefined ? 0 : end - since)) / HOUR_MS
}

/** What sleeping saves between two instants, against being awake all the time. */
export function sleepSavesUsd(
  hours: Hours,
  overrides: readonly Override[],
  [from, to]: readonly [Date, Date],
  { awakeUsdPerHour, asleepUsdPerHour }: { awakeUsdPerHour: number; asleepUsdPerHour: number },
): number {
  const total = Math.max(0, to.getTime() - from.getTime()) / HOUR_MS
  return (total - awakeHours(hours, overrides, from, to)) * (awakeUsdPerHour - asleepUsdPerHour)
}

/** For a sentence, in the zone of the hours: "awake until 07:00 because Ana woke it". */
export function tellWanted(hours: Hours, { state, until, because }: Wanted, at: Date): string {
  const end = until === null ? 'with no end' : `until ${writeInstant(hours, until, at)}`
  return `${state} ${end} ${tellBecause(state, because)}`
}

function tellBecause(state: State, because: Because): string {
  if (because.kind === 'hours') return 'by its off-hours'
  if (because.kind === 'date')
    return `because ${because.date} is ${because.list === 'holidays' ? 'a holiday' : 'one of its exceptDates'}`
  const { how, by } = because.override
  if (how === 'skip') return `because ${by} skipped this sleep`
  if (how === 'until') return `because ${by} asked for it`
  return state === 'awake' ? `because ${by} woke it` : `because ${by} put it to sleep`
}

/** The time alone today, with the weekday within six days, else with the date. */
function writeInstant({ clock }: Hours, instant: Date, at: Date): string {
  const shown = clock.shownAt(instant.getTime())
  const date = dateShown(shown)
  const time = writeTime(Math.floor((shown - date * DAY_MS) / MINUTE_MS))
  const days = date - dateShown(clock.shownAt(at.getTime()))
  if (days === 0) return time
  return days > 0 && days < 7 ? `${nameOfDay(weekdayOf(date))} ${time}` : `${writeDate(date)} ${time}`
}

const writeDate = (date: number) => new Date(date * DAY_MS).toISOString().slice(0, 10)
const dateOf = (ms: number) => (ms === Infinity ? null : new Date(ms))
const endOf = ({ until }: Override) => (until === null || until.getTime() >= FOR_GOOD_MS ? Infinity : until.getTime())
const holdingAt = (overrides: readonly Override[], at: number) =>
  overrides.findLast((override) => override.from.getTime() <= at && at < endOf(override))

function stateIn(span: Span | undefined, at: number): { state: State; edge: number } {
  if (span === undefined) return { state: 'asleep', edge: Infinity }
  return span.from <= at ? { state: 'awake', edge: span.until } : { state: 'asleep', edge: span.from }
}

/** The state at this instant, then each change. */
function* statesFrom(hours: Hours, overrides: readonly Override[], from: number) {
  const edges = overrides.flatMap((override) => [override.from.getTime(), endOf(override)])
  let last: State | undefined
  let spans = awakeSpans(hours, from)
  let span = spans.next().value
  let at = from
  while (at < Infinity) {
    const nextEdge = Math.min(Infinity, ...edges.filter((edge) => edge > at))
    const override = holdingAt(overrides, at)
    while (span && span.until <= at) span = spans.next().value
    const { state: byHours, edge } = stateIn(span, at)
    const state = override?.state ?? byHours
    if (state !== last) yield { at, state }
    last = state
    at = override === undefined ? Math.min(edge, nextEdge) : nextEdge
    // A long override passes over many spans.
    if (override !== undefined && at < Infinity) {
      spans = awakeSpans(hours, at)
      span = spans.next().value
    }
  }
}
