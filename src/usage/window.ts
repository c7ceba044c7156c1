// The window of a report: from and to, or a name that people use. Pure. All of it in UTC.
import { AppError } from '../errors.ts'

const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
const UNITS = { m: 60_000, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS } as const
const LONGEST_MS = 3660 * DAY_MS

/** From the first instant until just before the second one. */
export type Window = { from: Date; to: Date }

export const dayOf = (at: Date): Date => new Date(Math.floor(at.getTime() / DAY_MS) * DAY_MS)
export const monthOf = (at: Date, months = 0): Date =>
  new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + months))
const ahead = (at: Date, ms: number): Date => new Date(at.getTime() + ms)
/** A week begins on Monday, as ISO 8601 has it. */
const weekOf = (at: Date): Date => ahead(dayOf(at), -((at.getUTCDay() + 6) % 7) * DAY_MS)

const named: Record<string, (now: Date) => Window> = {
  today: (now) => ({ from: dayOf(now), to: now }),
  yesterday: (now) => ({ from: ahead(dayOf(now), -DAY_MS), to: dayOf(now) }),
  week: (now) => ({ from: weekOf(now), to: now }),
  lastweek: (now) => ({ from: ahead(weekOf(now), -7 * DAY_MS), to: weekOf(now) }),
  month: (now) => ({ from: monthOf(now), to: now }),
  lastmonth: (now) => ({ from: monthOf(now, -1), to: monthOf(now) }),
}
export const windowNames = Object.keys(named)

/** Without anything: this month. Throws BAD_INPUT. */
export function windowOf(asked: { window?: string; from?: string; to?: string }, now: Date): Window {
  const { window, from, to } = asked
  if (window !== undefined && (from !== undefined || to !== undefined))
    throw wrong('/window', 'leave it out where from and to are given')
  const found =
    from !== undefined
      ? { from: new Date(from), to: to === undefined ? now : new Date(to) }
      : to === undefined
        ? byName(window ?? 'month', now)
        : undefined
  if (!found) throw wrong('/from', 'is missing, where to is given')
  if (found.from >= found.to) throw wrong('/from', 'must be before to')
  if (found.to.getTime() - found.from.getTime() > LONGEST_MS) throw wrong('/from', 'a window has ten years at most')
  return found
}

function byName(window: string, now: Date): Window {
  const known = Object.hasOwn(named, window) ? named[window] : undefined
  if (known) return known(now)
  const [, count, unit] = /^([1-9]\d{0,3})([mhdw])$/.exec(window) ?? []
  if (count === undefined || unit === undefined)
    throw wrong('/window', `is one of ${windowNames.join(', ')}, or a time until now such as 24h, 7d or 4w`)
  return { from: ahead(now, -Number(count) * UNITS[unit as keyof typeof UNITS]), to: now } // the pattern has these alone
}

/** The window of the same length before. A calendar month is compared with the month before. */
export function windowBefore({ from, to }: Window): Window {
  if (from.getTime() === monthOf(from).getTime() && to.getTime() === monthOf(from, 1).getTime())
    return { from: monthOf(from, -1), to: from }
  return { from: ahead(from, from.getTime() - to.getTime()), to: from }
}

/**
 * The parts of a window that whole days may serve, and the rest. `rolledUntil`: the days before it are summed.
 */
export function partsOf(
  { from, to }: Window,
  rolledUntil: Date | undefined,
): { days: Window | undefined; rest: Window[] } {
  const first = dayOf(from) < from ? ahead(dayOf(from), DAY_MS) : from
  const last = rolledUntil === undefined || rolledUntil > dayOf(to) ? dayOf(to) : rolledUntil
  if (rolledUntil === undefined || last <= first) return { days: undefined, rest: [{ from, to }] }
  const rest = [
    { from, to: first },
    { from: last, to },
  ].filter((part) => part.from < part.to)
  return { days: { from: first, to: last }, rest }
}

const wrong = (pointer: string, detail: string) =>
  new AppError('BAD_INPUT', `the window: ${detail}`, [{ pointer, detail }])
