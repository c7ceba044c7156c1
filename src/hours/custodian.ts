// Cloud Custodian's tag, `off=(M-F,19);on=(M-F,7);tz=et`, as off-hours. Custodian acts in the hours named and in no
// other; here the state that it leaves behind is what is wanted all the time. What its policy would add is not known here.
import { z } from 'zod'
import { MOST_WINDOWS, offHours, type OffHours } from './off-hours.ts'
import { zoneProblem } from './clock.ts'
import { DAY_MINUTES, daysFrom, writeWindow, type Window } from './window.ts'

const WEEK_MINUTES = 7 * DAY_MINUTES
const LONGEST = 256
const DAYS = 'mtwhfsu'
const SUCH_AS = 'such as off=(M-F,19);on=(M-F,7);tz=Europe/Berlin'

/** Custodian's own: `ist` is Dublin and `it` is India, `ast` and `at` are Arizona. */
const ALIASES = new Map(
  [
    ['America/Los_Angeles', 'pt', 'pst', 'pdt'],
    ['America/Denver', 'mt', 'mst', 'mdt'],
    ['America/Phoenix', 'at', 'ast'],
    ['America/Chicago', 'ct', 'cst', 'cdt'],
    ['America/New_York', 'et', 'est', 'edt'],
    ['America/Sao_Paulo', 'brt'],
    ['UTC', 'utc', 'gmt', 'gt'],
    ['Europe/London', 'bst'],
    ['Europe/Dublin', 'ist'],
    ['Europe/Berlin', 'cet'],
    ['Asia/Kolkata', 'it'],
    ['Asia/Singapore', 'sgt'],
    ['Asia/Tokyo', 'jst'],
    ['Asia/Seoul', 'kst'],
    ['Australia/Sydney', 'aet'],
  ].flatMap(([zone = '', ...aliases]) => aliases.map((alias) => [alias, zone])),
)

/** `zone` is taken where the tag names none. A string says what is wrong. */
export function readCustodianTag(tag: string, zone?: string): OffHours | string {
  if (tag.length > LONGEST) return `has more than ${LONGEST} characters`
  const parts = new Map<string, string>()
  const unquoted = tag.replaceAll(/^[\s'"]+|[\s'"]+$/g, '')
  for (const part of unquoted.split(';').filter((part) => part.trim() !== '')) {
    const [, key = '', value = ''] = /^\s*(on|off|tz)\s*=(.*)$/i.exec(part) ?? []
    if (key === '') return `has "${part.trim()}"; its parts are off=, on= and tz=, ${SUCH_AS}`
    if (parts.has(key.toLowerCase())) return `has ${key}= twice; list several in brackets, as off=[(M-F,21),(U,18)]`
    parts.set(key.toLowerCase(), value.trim())
  }
  const [on, off] = [minutesIn('on', parts.get('on')), minutesIn('off', parts.get('off'))]
  if (typeof on === 'string') return on
  if (typeof off === 'string') return off
  if ([...on].some((minute) => off.has(minute)))
    return 'names an hour of a day in on= and in off=; one of them has to go'
  const named = parts.get('tz')
  const given = named === undefined || named === '' ? zone : (ALIASES.get(named.toLowerCase()) ?? named)
  if (given === undefined) return `names no zone; add one, ${SUCH_AS}`
  const problem = zoneProblem(given)
  if (problem !== undefined) return `has tz=${given}, which ${problem}`
  const awake = windowsOf(on, off)
  return awake.length > MOST_WINDOWS
    ? `makes ${awake.length} windows, and ${MOST_WINDOWS} are the most; use fewer hours`
    : { zone: given, awake }
}

/** Off-hours, or the tag in their place. */
export const offHoursOrTag = z.preprocess((given, context) => {
  if (typeof given !== 'string') return given
  const read = readCustodianTag(given)
  if (typeof read !== 'string') return read
  context.addIssue({ code: 'custom', message: `as a tag of Cloud Custodian, it ${read}` })
  return z.NEVER
}, offHours)

/** The minutes of a week, from Monday, that on= or off= names. */
function minutesIn(key: 'on' | 'off', value: string | undefined): Set<number> | string {
  if (value === undefined) return `has no ${key}=; Custodian takes it from its policy, so write it here, ${SUCH_AS}`
  const minutes = new Set<number>()
  for (const pair of value.replaceAll(/[[\]\s]/g, '').split(/,(?=\()/)) {
    const [, first = '', last = first, hour = ''] = /^\(?([mtwhfsu])(?:-([mtwhfsu]))?,(\d{1,2})\)?$/i.exec(pair) ?? []
    if (first === '' || Number(hour) > 23)
      return `has "${pair}" in ${key}=; it takes (days,hour) with a day or a range of M T W H F S U and a whole hour from 0 to 23, as (M-F,7)`
    for (const day of daysFrom(DAYS.indexOf(first.toLowerCase()), DAYS.indexOf(last.toLowerCase())))
      minutes.add(day * DAY_MINUTES + Number(hour) * 60)
  }
  return minutes
}

/** Awake from each `on` to the next `off`; pieces of the same times share a window. */
function windowsOf(on: ReadonlySet<number>, off: ReadonlySet<number>): string[] {
  const windows = new Map<string, Window>()
  const add = (day: number, fromMinute: number, toMinute: number) => {
    const key = `${fromMinute} ${toMinute}`
    const window = windows.get(key) ?? { fromMinute, toMinute, days: [] }
    windows.set(key, { ...window, days: [...window.days, day % 7].toSorted((a, b) => a - b) })
  }
  const all = [...on, ...off].toSorted((a, b) => a - b)
  for (const [index, begin] of all.entries()) {
    if (!on.has(begin) || on.has(all.at(index - 1) ?? begin)) continue
    const next = [...off].map((minute) => (minute - begin + WEEK_MINUTES) % WEEK_MINUTES)
    const end = begin + Math.min(...next)
    const first = Math.floor(begin / DAY_MINUTES)
    if (end - begin < DAY_MINUTES) add(first, begin % DAY_MINUTES, end - first * DAY_MINUTES)
    else
      for (let day = first; day * DAY_MINUTES < end; day++)
        add(day, Math.max(0, begin - day * DAY_MINUTES), Math.min(DAY_MINUTES, end - day * DAY_MINUTES))
  }
  return [...windows.values()]
    .toSorted((a, b) => (a.days[0] ?? 0) - (b.days[0] ?? 0) || a.fromMinute - b.fromMinute)
    .map(writeWindow)
}
