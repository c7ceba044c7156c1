// One window of being awake: "Mon-Fri 07:00-19:00", "Fri 22:00-06:00", "Sat,Sun", "08:00-24:00".
export const DAY_MINUTES = 1440
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6]
const SUCH_AS = 'such as "Mon-Fri 07:00-19:00", "Mon,Wed-Fri 22:00-06:00" or "Sat,Sun"'

/** Days from Monday, which is 0. A window that ends on the day after its own has an end above DAY_MINUTES. */
export type Window = { days: number[]; fromMinute: number; toMinute: number }

/** A string says what is wrong. */
export function readWindow(text: string): Window | string {
  const words = text
    .trim()
    .replaceAll(/\s*([,-])\s*/g, '$1')
    .split(/\s+/)
  const [first = '', second] = words
  if (first === '' || words.length > 2) return `must be days, times or both, ${SUCH_AS}`
  const daysOnly = second === undefined && /^[a-z]/i.test(first)
  const timesOnly = second === undefined && !daysOnly
  const days = timesOnly ? EVERY_DAY : readDays(first)
  if (typeof days === 'string') return days
  const times = daysOnly ? { fromMinute: 0, toMinute: DAY_MINUTES } : readTimes(second ?? first)
  return typeof times === 'string' ? times : { days, ...times }
}

export const writeWindow = ({ days, fromMinute, toMinute }: Window): string =>
  `${writeDays(days)} ${writeTime(fromMinute)}-${writeTime(toMinute > DAY_MINUTES ? toMinute - DAY_MINUTES : toMinute)}`

export const nameOfDay = (day: number): string => DAYS[day] ?? ''

export const writeTime = (minute: number): string =>
  [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':')

/** From the first day to the last, past Sunday if need be. */
export const daysFrom = (first: number, last: number): number[] =>
  EVERY_DAY.slice(0, ((last - first + 7) % 7) + 1).map((step) => (first + step) % 7)

function readDays(text: string): number[] | string {
  const days = new Set<number>()
  for (const part of text.split(',')) {
    const [first = -1, last = first, ...more] = part.split('-').map(dayNamed)
    if (first < 0 || last < 0 || more.length > 0)
      return `has "${part}" where days belong: these are ${DAYS.join(', ')}, alone, as a range or in a list, ${SUCH_AS}`
    for (const day of daysFrom(first, last)) days.add(day)
  }
  return [...days].toSorted((a, b) => a - b)
}

const dayNamed = (name: string) => DAYS.findIndex((day) => day.toLowerCase() === name.toLowerCase())

function readTimes(text: string): Omit<Window, 'days'> | string {
  const [fromMinute, toMinute, ...more] = text.split('-').map(readTime)
  if (fromMinute === undefined || toMinute === undefined || more.length > 0 || fromMinute === DAY_MINUTES)
    return `has "${text}" where times belong: two of 00:00 to 23:59 with a dash between them, the second up to 24:00, ${SUCH_AS}`
  if (fromMinute === toMinute) return `begins and ends at ${writeTime(toMinute)}; a whole day is 00:00-24:00`
  return { fromMinute, toMinute: toMinute < fromMinute ? toMinute + DAY_MINUTES : toMinute }
}

function readTime(text: string): number | undefined {
  const [, hours, minutes] = /^(\d{1,2}):([0-5]\d)$/.exec(text) ?? []
  const minute = Number(hours) * 60 + Number(minutes)
  return minute <= DAY_MINUTES ? minute : undefined
}

function writeDays(days: readonly number[]): string {
  const runs: number[][] = []
  for (const day of days) {
    const run = runs.at(-1)
    if (run?.at(-1) === day - 1) run.push(day)
    else runs.push([day])
  }
  return runs.map((run) => [run[0] ?? 0, ...run.slice(1).slice(-1)].map(nameOfDay).join('-')).join(',')
}
