// Off-hours: held against a walk by the minute over what Intl shows, and against what the rules of zones are known to be.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCustodianTag } from '../src/hours/custodian.ts'
import { offHours, readHours, type OffHours } from '../src/hours/off-hours.ts'
import { holdByHand, holdUntil, liveOverrides, skipNextSleep } from '../src/hours/override.ts'
import {
  awakeHours,
  nextChanges,
  sleepSavesUsd,
  tellWanted,
  wantedAt,
  type Change,
  type Override,
  type State,
} from '../src/hours/wanted.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const FROM = Date.UTC(2018, 0, 1)
const TO = Date.UTC(2028, 0, 1)
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const ZONES = Intl.supportedValuesOf('timeZone')

/** As drawn, before it becomes text. A window whose end is not after its beginning ends on the next day. */
type Drawn = { days: number[]; from: number; to: number }
const time = (minute: number) =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
const text = ({ days, from, to }: Drawn) => `${days.map((day) => DAYS[day]).join(',')} ${time(from)}-${time(to)}`
const writeDate = (date: number) => new Date(date * DAY_MS).toISOString().slice(0, 10)

const formats = new Map<string, Intl.DateTimeFormat>()
/** What the clocks of a zone show, by its digits. */
function shownAt(zone: string, instant: number): number {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  formats.set(zone, format)
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] =
    format.format(instant).match(/\d+/g)?.map(Number) ?? []
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

/** One entry a minute. */
const walk = (zone: string, from: number, minutes: number) =>
  Array.from({ length: minutes }, (_, minute) => shownAt(zone, from + minute * MINUTE_MS))

/** Awake from the first minute that shows the beginning or later, to the last minute that shows what is before the end. */
function awakeByMinute(shown: readonly number[], windows: readonly Drawn[], excepted: ReadonlySet<number>): boolean[] {
  const highest = [...shown]
  const lowest = [...shown]
  for (let at = 1; at < shown.length; at++) highest[at] = Math.max(highest[at - 1] ?? 0, shown[at] ?? 0)
  for (let at = shown.length - 2; at >= 0; at--) lowest[at] = Math.min(lowest[at + 1] ?? 0, shown[at] ?? 0)
  const awake = shown.map(() => false)
  const lastDate = Math.floor((highest.at(-1) ?? 0) / DAY_MS)
  for (let date = Math.floor((lowest[0] ?? 0) / DAY_MS) - 1; date <= lastDate; date++)
    for (const { days, from, to } of windows) {
      if (excepted.has(date) || !days.includes((new Date(date * DAY_MS).getUTCDay() + 6) % 7)) continue
      const begins = date * DAY_MS + from * MINUTE_MS
      const ends = date * DAY_MS + (to > from ? to : to + 1440) * MINUTE_MS
      for (let at = 0; at < awake.length; at++)
        if (begins <= (highest[at] ?? 0) && (lowest[at] ?? 0) < ends) awake[at] = true
    }
  return awake
}

const changesIn = (awake: readonly boolean[], from: number) =>
  awake.flatMap((state, at) =>
    at > 0 && state !== awake[at - 1]
      ? [{ at: new Date(from + at * MINUTE_MS), state: state ? ('awake' as const) : ('asleep' as const) }]
      : [],
  )
const minutesIn = (awake: readonly boolean[]) => awake.filter(Boolean).length

/** Each change of each zone's clocks, found by days and then by halves, with the minutes around it. */
const changesOfClocks = () =>
  ZONES.flatMap((zone) => {
    const offset = (at: number) => shownAt(zone, at) - at
    const found: { zone: string; at: number; start: number; shown: number[] }[] = []
    for (let day = FROM, before = offset(FROM); day < TO; day += 5 * DAY_MS) {
      const after = offset(day + 5 * DAY_MS)
      if (after !== before) {
        let [low, high] = [day, day + 5 * DAY_MS]
        while (high - low > MINUTE_MS) {
          const middle = low + Math.floor((high - low) / 2 / MINUTE_MS) * MINUTE_MS
          if (offset(middle) === before) low = middle
          else high = middle
        }
        const start = high - 90 * MINUTE_MS
        found.push({ zone, at: high, start, shown: walk(zone, start, 180) })
      }
      before = after
    }
    return found
  })

describe('against a walk by the minute', () => {
  it('around every change of the clocks of every zone in ten years', () => {
    const changesOfAll = changesOfClocks()
    expect(changesOfAll.length).toBeGreaterThan(2000)
    const near = fc.oneof(fc.integer({ min: -150, max: 150 }), fc.constantFrom(-120, -60, -30, 0, 30, 60, 120))
    const windows = fc.array(fc.record({ begins: near, lasts: fc.integer({ min: 1, max: 1439 }), days: fc.integer({ min: 1, max: 127 }) }), { minLength: 1, maxLength: 3 }) // prettier-ignore
    const excepted = fc.option(fc.integer({ min: -1, max: 1 }))
    fc.assert(
      fc.property(windows, excepted, (drawn, except) => {
        for (const { zone, at, start, shown } of changesOfAll) {
          const around = shown[90] ?? 0
          const minuteOf = (minutes: number) => (((Math.floor((around % DAY_MS) / MINUTE_MS) + minutes) % 1440) + 1440) % 1440 // prettier-ignore
          const windows = drawn.map(({ begins, lasts, days }) => ({
            days: [0, 1, 2, 3, 4, 5, 6].filter((day) => days & (1 << day)),
            from: minuteOf(begins),
            to: minuteOf(begins + lasts),
          }))
          const dates = except === null ? [] : [Math.floor(around / DAY_MS) + except]
          const hours = readHours({ zone, awake: windows.map(text), exceptDates: dates.map(writeDate) })
          const naive = awakeByMinute(shown, windows, new Set(dates))
          const end = new Date(start + naive.length * MINUTE_MS)
          const changes = nextChanges(hours, [], new Date(start), 50).filter((change) => change.at < end)
          // One expectation each, since there are tens of thousands.
          const told = (changes: Change[], minutes: number, isAwake: boolean | undefined) =>
            JSON.stringify({ zone, at: new Date(at), windows: windows.map(text), dates, changes, minutes, isAwake })
          const minutes = Math.round(awakeHours(hours, [], new Date(start), end) * 60)
          const isAwake = wantedAt(hours, [], new Date(at)).state === 'awake'
          expect(told(changes, minutes, isAwake)).toBe(told(changesIn(naive, start), minutesIn(naive), naive[90]))
        }
      }),
      { numRuns: 8 },
    )
  })

  const minute = fc.integer({ min: 0, max: 1439 })
  const window: fc.Arbitrary<Drawn> = fc
    .record({ days: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }), from: minute, to: minute })
    .filter(({ from, to }) => from !== to)
  const WALKED = 8 * 1440
  const override = fc.record({
    state: fc.constantFrom<State>('awake', 'asleep'),
    from: fc.integer({ min: -1000, max: WALKED }),
    lasts: fc.option(fc.integer({ min: 1, max: 4000 }), { freq: 9 }),
  })

  it('anywhere in ten years, with overrides', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ZONES),
        fc.integer({ min: FROM / MINUTE_MS, max: TO / MINUTE_MS }),
        fc.array(window, { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: -1, max: 9 }), { maxLength: 4 }),
        fc.array(override, { maxLength: 3 }),
        fc.array(fc.integer({ min: 0, max: WALKED - 1 }), { minLength: 10, maxLength: 30 }),
        (zone, startMinute, windows, days, drawn, looks) => {
          const start = startMinute * MINUTE_MS
          const shown = walk(zone, start, WALKED)
          const dates = days.map((day) => Math.floor((shown[0] ?? 0) / DAY_MS) + day)
          const hours = readHours({ zone, awake: windows.map(text), holidays: dates.map(writeDate) })
          const byHours = awakeByMinute(shown, windows, new Set(dates))
          const overrides = drawn.map(({ state, from, lasts }): Override => {
            const until = lasts === null ? null : new Date(start + (from + lasts) * MINUTE_MS)
            return { how: 'until', state, from: new Date(start + from * MINUTE_MS), until, by: 'Ana' }
          })
          const holding = byHours.map((_, at) =>
            drawn.findLastIndex(({ from, lasts }) => from <= at && at < from + (lasts ?? Infinity)),
          )
          const naive = byHours.map((awake, at) =>
            holding[at] === -1 ? awake : drawn[holding[at] ?? 0]?.state === 'awake',
          )
          const end = new Date(start + WALKED * MINUTE_MS)
          const changes = nextChanges(hours, overrides, new Date(start), 200).filter((change) => change.at < end)
          expect(changes).toEqual(changesIn(naive, start))
          expect(awakeHours(hours, overrides, new Date(start), end)).toBeCloseTo(minutesIn(naive) / 60, 9)
          for (const at of looks) {
            const { state, until, because } = wantedAt(hours, overrides, new Date(start + at * MINUTE_MS))
            expect(state === 'awake').toBe(naive[at])
            expect(because.kind === 'override').toBe(holding[at] !== -1)
            const key = (at: number) => (holding[at] === -1 ? String(byHours[at]) : holding[at])
            let over = at
            while (over < WALKED && key(over) === key(at)) over++
            if (over < WALKED) expect(until).toEqual(new Date(start + over * MINUTE_MS))
            else expect(until === null || until >= end).toBe(true)
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  it('adds up: each change turns the state, and the hours of two parts are those of the whole', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ZONES),
        fc.array(window, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: FROM, max: TO }),
        (zone, windows, middle) => {
          const hours = readHours({ zone, awake: windows.map(text) })
          const [from, between, to] = [new Date(FROM), new Date(middle), new Date(TO)]
          const parts = awakeHours(hours, [], from, between) + awakeHours(hours, [], between, to)
          expect(parts).toBeCloseTo(awakeHours(hours, [], from, to), 6)
          for (const { at, state } of nextChanges(hours, [], between, 10)) {
            expect(wantedAt(hours, [], at).state).toBe(state)
            expect(wantedAt(hours, [], new Date(at.getTime() - 1)).state).not.toBe(state)
          }
        },
      ),
      { numRuns: 50 },
    )
  })
})

/** The spans awake that begin in a span of time, as instants. */
function awakeIn(zone: string, awake: string[], from: string, to: string, more: Partial<OffHours> = {}): string[] {
  const hours = readHours({ zone, awake, ...more })
  const iso = (at: Date | undefined) => at?.toISOString().replace(':00.000Z', 'Z')
  const changes = nextChanges(hours, [], new Date(from), 100)
  return changes.flatMap(({ at, state }, index) =>
    state === 'awake' && at < new Date(to) ? [`${iso(at)} ${iso(changes[index + 1]?.at)}`] : [],
  )
}

describe('the rules of zones', () => {
  it.each([
    // The last Sunday of March: 02:00 is 03:00. Of October: 03:00 is 02:00.
    ['begins after the hour left out', 'Europe/Berlin', 'Sun 02:30-06:00', '2026-03-28', '2026-03-29T01:00Z 2026-03-29T04:00Z'], // prettier-ignore
    ['ends at the hour left out', 'Europe/Berlin', 'Sun 00:00-02:30', '2026-03-28', '2026-03-28T23:00Z 2026-03-29T01:00Z'], // prettier-ignore
    ['ends in the second of two hours', 'Europe/Berlin', 'Sun 01:00-02:30', '2026-10-24', '2026-10-24T23:00Z 2026-10-25T01:30Z'], // prettier-ignore
    ['begins in the first of two hours', 'Europe/Berlin', 'Sun 02:30-06:00', '2026-10-24', '2026-10-25T00:30Z 2026-10-25T05:00Z'], // prettier-ignore
    ['begins at the end of two hours', 'Europe/Berlin', 'Sun 03:00-06:00', '2026-10-24', '2026-10-25T02:00Z 2026-10-25T05:00Z'], // prettier-ignore
    ['ends at the beginning of two hours', 'Europe/Berlin', 'Sun 01:00-02:00', '2026-10-24', '2026-10-24T23:00Z 2026-10-25T00:00Z'], // prettier-ignore
    ['wakes once in two hours', 'Europe/Berlin', 'Sun 02:15-02:45', '2026-10-24', '2026-10-25T00:15Z 2026-10-25T01:45Z'], // prettier-ignore
    // Half an hour: 02:00 is 02:30 on the first Sunday of October, 01:30 on that of April.
    ['begins after the half hour left out', 'Australia/Lord_Howe', 'Sun 02:15-04:00', '2026-10-03', '2026-10-03T15:30Z 2026-10-03T17:00Z'], // prettier-ignore
    ['ends in the second of two half hours', 'Australia/Lord_Howe', 'Sun 01:00-01:45', '2026-04-04', '2026-04-04T14:00Z 2026-04-04T15:15Z'], // prettier-ignore
    // Midnight itself is left out in Egypt, and comes twice in Cuba.
    ['a day of 23 hours', 'Africa/Cairo', 'Fri', '2026-04-23', '2026-04-23T22:00Z 2026-04-24T21:00Z'],
    ['a day of 25 hours', 'America/Havana', 'Sun', '2026-10-31', '2026-11-01T04:00Z 2026-11-02T05:00Z'],
    ['across midnight and a change', 'Europe/Berlin', 'Sat 22:00-06:00', '2026-03-28', '2026-03-28T21:00Z 2026-03-29T04:00Z'], // prettier-ignore
    // Morocco is at UTC+1, and at UTC in Ramadan: from 15 February to 22 March of 2026.
    ['before Ramadan', 'Africa/Casablanca', 'Fri 07:00-19:00', '2026-02-13', '2026-02-13T06:00Z 2026-02-13T18:00Z'],
    ['in Ramadan', 'Africa/Casablanca', 'Mon 07:00-19:00', '2026-02-16', '2026-02-16T07:00Z 2026-02-16T19:00Z'],
    ['after Ramadan', 'Africa/Casablanca', 'Mon 07:00-19:00', '2026-03-23', '2026-03-23T06:00Z 2026-03-23T18:00Z'],
    // Mexico gave up summer time in October 2022; Kazakhstan went to one zone on 1 March 2024.
    ['with summer time', 'America/Mexico_City', 'Fri 07:00-19:00', '2022-07-01', '2022-07-01T12:00Z 2022-07-02T00:00Z'],
    ['without it', 'America/Mexico_City', 'Sat 07:00-19:00', '2023-07-01', '2023-07-01T13:00Z 2023-07-02T01:00Z'],
    ['in two offsets', 'Asia/Almaty', 'Thu 22:00-06:00', '2024-02-29', '2024-02-29T16:00Z 2024-03-01T01:00Z'],
  ])('%s: %s %s', (_, zone, awake, day, span) => {
    const to = new Date(Date.parse(day) + 2 * DAY_MS).toISOString()
    expect(awakeIn(zone, [awake], day, to)).toEqual([span])
  })

  it('a window that lies within the hour left out does not come', () => {
    const awake = ['Sun 02:15-02:45']
    const sundays = awakeIn('Europe/Berlin', awake, '2026-03-23', '2026-04-06')
    expect(sundays).toEqual(['2026-04-05T00:15Z 2026-04-05T00:45Z'])
    const { until } = wantedAt(readHours({ zone: 'Europe/Berlin', awake }), [], new Date('2026-03-28'))
    expect(until).toEqual(new Date('2026-04-05T00:15Z'))
  })

  it('a day that was over comes again: in Newfoundland 00:01 was 23:01 until 2011', () => {
    const hours = readHours({ zone: 'America/St_Johns', awake: ['Fri 23:50-23:45'] })
    const first = new Date('2010-11-07T02:30:30Z')
    expect(wantedAt(hours, [], first)).toMatchObject({ state: 'awake', until: new Date('2010-11-07T03:15Z') })
  })

  it('Samoa had no 30 December 2011, so no window began on it', () => {
    const of = (awake: string) => awakeIn('Pacific/Apia', [awake], '2011-12-29T12:00Z', '2011-12-31T12:00Z')
    expect(of('Mon-Sun 07:00-19:00')).toEqual([
      '2011-12-29T17:00Z 2011-12-30T05:00Z',
      '2011-12-30T17:00Z 2011-12-31T05:00Z',
    ])
    expect(of('Fri')).toEqual([])
    expect(of('Thu 22:00-06:00')).toEqual(['2011-12-30T08:00Z 2011-12-30T10:00Z'])
  })

  it('a 29 February is a date like others', () => {
    const of = (more: Partial<OffHours>) => awakeIn('UTC', ['08:00-20:00'], '2028-02-28', '2028-03-02', more)
    expect(of({})).toHaveLength(3)
    expect(of({ exceptDates: ['2028-02-29'] })).toEqual([
      '2028-02-28T08:00Z 2028-02-28T20:00Z',
      '2028-03-01T08:00Z 2028-03-01T20:00Z',
    ])
  })

  it('clocks are known where offsets had seconds', () => {
    const hours = readHours({ zone: 'Africa/Monrovia', awake: ['07:00-19:00'] })
    expect(nextChanges(hours, [], new Date('1971-06-01'), 1)[0]?.at).toEqual(new Date('1971-06-01T07:44:30Z'))
  })

  it('says so where it knows no clocks', () => {
    const hours = readHours({ zone: 'UTC', awake: ['07:00-19:00'] })
    for (const at of [new Date(Number.NaN), new Date('2300-01-01')])
      expect(() => wantedAt(hours, [], at)).toThrow('between 1900 and 2200')
  })
})

describe('dates on which no window begins', () => {
  const nights = ['Mon-Sun 22:00-06:00']
  it('what began the evening before runs to its end', () => {
    expect(awakeIn('UTC', nights, '2026-12-24', '2026-12-27', { exceptDates: ['2026-12-25'] })).toEqual([
      '2026-12-24T22:00Z 2026-12-25T06:00Z',
      '2026-12-26T22:00Z 2026-12-27T06:00Z',
    ])
  })

  it('and the reason names the date, the next morning too', () => {
    const hours = readHours({ zone: 'UTC', awake: nights, exceptDates: ['2026-12-25'], holidays: ['2026-12-26'] })
    const told = (at: string) => tellWanted(hours, wantedAt(hours, [], new Date(at)), new Date(at))
    expect(told('2026-12-25T23:00Z')).toBe('asleep until Sun 22:00 because 2026-12-25 is one of its exceptDates')
    expect(told('2026-12-27T02:00Z')).toBe('asleep until 22:00 because 2026-12-26 is a holiday')
    expect(told('2026-12-27T09:00Z')).toBe('asleep until 22:00 by its off-hours')
  })

  it('a cluster that is awake all week sleeps on them, and none ahead means for good', () => {
    const hours = readHours({ zone: 'UTC', awake: ['Mon-Sun'], holidays: ['2026-12-25', '2028-01-01'] })
    expect(nextChanges(hours, [], new Date('2026-12-01'), 9)).toEqual([
      { at: new Date('2026-12-25'), state: 'asleep' },
      { at: new Date('2026-12-26'), state: 'awake' },
      { at: new Date('2028-01-01'), state: 'asleep' },
      { at: new Date('2028-01-02'), state: 'awake' },
    ])
    expect(wantedAt(hours, [], new Date('2028-06-01'))).toEqual({
      state: 'awake',
      until: null,
      because: { kind: 'hours' },
    })
    expect(awakeHours(hours, [], new Date('2029-01-01'), new Date('2029-01-03'))).toBe(48)
  })
})

describe('overrides', () => {
  // The first of June 2026 is a Monday.
  const hours = readHours({ zone: 'Europe/Berlin', awake: ['Mon-Fri 07:00-19:00'] })
  const at = (day: number, time: string) => new Date(`2026-06-${String(day).padStart(2, '0')}T${time}:00+02:00`)
  const told = (overrides: Override[], instant: Date) => tellWanted(hours, wantedAt(hours, overrides, instant), instant)

  it('what was done by hand holds until the next boundary', () => {
    const woke = holdByHand(hours, 'awake', { at: at(1, '20:00'), by: 'Ana' })
    expect(told([woke], at(1, '19:59'))).toBe('asleep until 20:00 by its off-hours')
    expect(told([woke], at(1, '20:00'))).toBe('awake until Tue 07:00 because Ana woke it')
    expect(told([woke], at(2, '01:00'))).toBe('awake until 07:00 because Ana woke it')
    expect(told([woke], at(2, '07:00'))).toBe('awake until 19:00 by its off-hours')
    expect(nextChanges(hours, [woke], at(1, '21:00'), 1)).toEqual([{ at: at(2, '19:00'), state: 'asleep' }])
    const slept = holdByHand(hours, 'asleep', { at: at(5, '12:00'), by: 'Ana' })
    expect(told([slept], at(5, '13:00'))).toBe('asleep until 19:00 because Ana put it to sleep')
    expect(told([slept], at(5, '19:00'))).toBe('asleep until Mon 07:00 by its off-hours')
  })

  it('one with a time holds until then, and a later one counts more while it holds', () => {
    const away = holdUntil('asleep', at(15, '07:00'), { at: at(2, '12:00'), by: 'Ana' })
    const back = holdByHand(hours, 'awake', { at: at(3, '16:00'), by: 'Bo' })
    const both = [away, back]
    expect(told(both, at(3, '15:00'))).toBe('asleep until 16:00 because Ana asked for it')
    expect(told(both, at(3, '16:00'))).toBe('awake until 19:00 because Bo woke it')
    expect(told(both, at(3, '19:00'))).toBe('asleep until 2026-06-15 07:00 because Ana asked for it')
    expect(liveOverrides(both, at(4, '00:00'))).toEqual([away])
  })

  it('the next sleep is left out once, the one that would come', () => {
    const skip = skipNextSleep(hours, [], { at: at(1, '18:30'), by: 'Ana' }, true)
    expect(skip).toMatchObject({ state: 'awake', from: at(1, '19:00'), until: at(2, '07:00') })
    const overrides = skip ? [skip] : []
    expect(told(overrides, at(1, '18:45'))).toBe('awake until 19:00 by its off-hours')
    expect(told(overrides, at(1, '23:00'))).toBe('awake until Tue 07:00 because Ana skipped this sleep')
    expect(nextChanges(hours, overrides, at(1, '18:45'), 1)).toEqual([{ at: at(2, '19:00'), state: 'asleep' }])

    const longer = holdUntil('awake', at(1, '21:00'), { at: at(1, '12:00'), by: 'Ana' })
    expect(skipNextSleep(hours, [longer], { at: at(1, '20:00'), by: 'Bo' }, true)).toMatchObject({
      from: at(1, '21:00'),
    })
    expect(skipNextSleep(hours, [], { at: at(1, '20:00'), by: 'Bo' }, false)).toMatchObject({ from: at(2, '19:00') })
    // One that is late has not begun.
    expect(skipNextSleep(hours, [], { at: at(1, '20:00'), by: 'Bo' }, true)).toMatchObject({
      from: at(1, '20:00'),
      until: at(2, '07:00'),
    })
  })

  it('where nothing comes, a hand holds for good and no sleep can be left out', () => {
    const always = readHours({ zone: 'UTC', awake: ['Mon-Sun'], holidays: ['2020-01-01'] })
    const slept = holdByHand(always, 'asleep', { at: at(1, '12:00'), by: 'Ana' })
    expect(slept.until).toBeNull()
    expect(wantedAt(always, [slept], at(2, '12:00'))).toMatchObject({ state: 'asleep', until: null })
    expect(nextChanges(always, [slept], at(2, '12:00'), 3)).toEqual([])
    expect(awakeHours(always, [slept], at(1, '00:00'), at(3, '00:00'))).toBe(12)
    expect(skipNextSleep(always, [], { at: at(1, '12:00'), by: 'Ana' }, true)).toBeUndefined()
    const far = holdUntil('awake', new Date('9999-01-01'), { at: at(1, '12:00'), by: 'Ana' })
    expect(wantedAt(hours, [far], at(6, '12:00'))).toMatchObject({ state: 'awake', until: null })
    expect(nextChanges(hours, [far], at(6, '12:00'), 3)).toEqual([])
  })

  it('sleeping saves the difference of the prices', () => {
    const week = [at(1, '00:00'), at(8, '00:00')] as const
    expect(awakeHours(hours, [], ...week)).toBe(60)
    const usd = { awakeUsdPerHour: 2, asleepUsdPerHour: 0.5 }
    expect(sleepSavesUsd(hours, [], week, usd)).toBeCloseTo(108 * 1.5, 9)
    const longer = holdUntil('awake', at(1, '21:00'), { at: at(1, '12:00'), by: 'Ana' })
    expect(sleepSavesUsd(hours, [longer], week, usd)).toBeCloseTo(106 * 1.5, 9)
    expect(sleepSavesUsd(hours, [], [week[1], week[0]], usd)).toBe(0)
  })
})

describe('the shape', () => {
  const problems = (more: object) =>
    offHours
      .safeParse({ zone: 'Europe/Berlin', awake: ['Mon-Fri 07:00-19:00'], ...more })
      .error?.issues.map(({ path, message }) => `${path.join('/')}: ${message}`) ?? []

  it('takes days, times or both, in any case and with spaces', () => {
    for (const awake of ['Mon', 'sat,SUN', '08:00-24:00', 'Fri-Mon 7:00 - 19:00', 'Mon, Wed-Fri 22:00-06:00'])
      expect(problems({ awake: [awake] })).toEqual([])
    expect(awakeIn('UTC', ['Sat-Mon 12:00-00:00'], '2026-06-05', '2026-06-12')).toEqual([
      '2026-06-06T12:00Z 2026-06-07T00:00Z',
      '2026-06-07T12:00Z 2026-06-08T00:00Z',
      '2026-06-08T12:00Z 2026-06-09T00:00Z',
    ])
  })

  it('joins windows that touch or overlap', () => {
    const awake = ['Mon 07:00-24:00', 'Tue', 'Wed 00:00-12:00', 'Wed 10:00-13:00']
    expect(awakeIn('UTC', awake, '2026-06-01', '2026-06-05')).toEqual(['2026-06-01T07:00Z 2026-06-03T13:00Z'])
  })

  it('takes each zone that Node names', () => {
    expect(ZONES.filter((zone) => problems({ zone }).length > 0)).toEqual([])
  })

  it.each([
    [{ awake: ['Mon-Fri 7-19'] }, 'awake/0: has "7-19" where times belong'],
    [{ awake: ['Mon', 'Mo 07:00-19:00'] }, 'awake/1: has "Mo" where days belong'],
    [{ awake: ['Mon-Wed-Fri'] }, 'awake/0: has "Mon-Wed-Fri" where days belong'],
    [{ awake: ['Mon 07:00-19:00 CET'] }, 'awake/0: must be days, times or both'],
    [{ awake: [' '] }, 'awake/0: must be days, times or both'],
    [{ awake: ['07:00-24:01'] }, 'awake/0: has "07:00-24:01"'],
    [{ awake: ['24:00-06:00'] }, 'awake/0: has "24:00-06:00"'],
    [{ awake: ['07:60-19:00'] }, 'awake/0: has "07:60-19:00"'],
    [{ awake: ['07:00-07:00'] }, 'awake/0: begins and ends at 07:00; a whole day is 00:00-24:00'],
    [{ awake: [`Mon${' '.repeat(64)}`] }, 'awake/0: Too big'],
    [{ awake: [] }, 'awake: needs a window of being awake'],
    [{ awake: Array.from({ length: 29 }, () => 'Mon') }, 'awake: has more than 28 windows'],
    [{ awake: ['06:00-22:00', '22:00-06:00'] }, 'awake: leaves no time to sleep'],
    [{ zone: 'Europe/Berln' }, 'zone: is no time zone that is known here; the nearest name is Europe/Berlin'],
    [{ zone: 'IST' }, 'zone: must name a place'],
    [{ zone: '+01:00' }, 'zone: must name a place'],
    [{ exceptDates: ['2026-12-24', '2026-02-29'] }, 'exceptDates/1: must be a date that exists'],
    [{ holidays: ['25.12.2026'] }, 'holidays/0: must be a date that exists'],
    [{ holidays: Array.from({ length: 367 }, () => '2026-12-25') }, 'holidays: has more than 366 dates'],
  ])('refuses %j', (more, problem) => {
    expect(problems(more)).toEqual([expect.stringContaining(problem)])
  })

  it('awake all week is right where dates are listed', () => {
    expect(problems({ awake: ['Mon-Sun'], holidays: ['2026-12-25'] })).toEqual([])
  })
})

describe("Cloud Custodian's tag", () => {
  it.each([
    ['off=(M-F,19);on=(M-F,7);tz=Europe/Berlin', 'Europe/Berlin', ['Mon-Fri 07:00-19:00']],
    ['off=[(M-F,21),(U,18)];on=[(M-F,6),(U,10)];tz=pt', 'America/Los_Angeles', ['Mon-Fri 06:00-21:00', 'Sun 10:00-18:00']], // prettier-ignore
    ['off=[(S,1)];on=[(M,6)];tz=it', 'Asia/Kolkata', ['Mon 06:00-24:00', 'Tue-Fri 00:00-24:00', 'Sat 00:00-01:00']],
    ["'ON=(M-U,22); OFF=(M-U,6);TZ=IST;'", 'Europe/Dublin', ['Mon-Sun 22:00-06:00']],
    ['on=(F-M,0);off=(F-M,12);tz=', 'Asia/Tokyo', ['Mon,Fri-Sun 00:00-12:00']],
    ['off=m-f,19;on=m-f,7', 'Asia/Tokyo', ['Mon-Fri 07:00-19:00']],
  ])('%s', (tag, zone, awake) => {
    const read = readCustodianTag(tag, 'Asia/Tokyo')
    expect(read).toEqual({ zone, awake })
    expect(offHours.parse(read)).toEqual({ zone, awake })
  })

  it.each([
    ['off=(M-F,19);tz=et', 'has no on=; Custodian takes it from its policy'],
    ['on', 'has "on"; its parts are off=, on= and tz='],
    ['off=(M-F,19);on=(M-F,7)', 'names no zone; add one'],
    ['off=(M-F,19);on=(M-F,7);tz=Mars/Base', 'has tz=Mars/Base, which is no time zone that is known here'],
    ['off=(M-F,19);on=(M-F,7);tz=constructor', 'has tz=constructor, which must name a place'],
    ['off=(M-F,19.5);on=(M-F,7);tz=et', 'has "(M-F,19.5)" in off=; it takes (days,hour)'],
    ['off=(M-F,24);on=(M-F,7);tz=et', 'has "(M-F,24)" in off='],
    ['off=(M,W,19);on=(M-F,7);tz=et', 'has "(M,W,19)" in off='],
    ['off=(M-F,7);on=(M-F,7);tz=et', 'names an hour of a day in on= and in off='],
    ['off=(M-F,19);off=(U,19);on=(M-F,7);tz=et', 'has off= twice'],
    ['x'.repeat(257), 'has more than 256 characters'],
  ])('refuses %s', (tag, problem) => {
    expect(readCustodianTag(tag)).toContain(problem)
  })

  it('wants the state that Custodian leaves behind, hour by hour', () => {
    const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 23 })), { minLength: 1, maxLength: 8 }) // prettier-ignore
    const write = (list: [number, number][]) =>
      `[${list.map(([day, hour]) => `(${'MTWHFSU'[day]},${hour})`).join(',')}]`
    fc.assert(
      fc.property(pairs, pairs, (on, off) => {
        const has = (list: [number, number][], hour: number) => list.some(([day, at]) => day * 24 + at === hour % 168)
        fc.pre(!on.some(([day, at]) => has(off, day * 24 + at)))
        const read = readCustodianTag(`on=${write(on)};off=${write(off)};tz=utc`)
        if (typeof read === 'string') throw new Error(read)
        const hours = readHours(offHours.parse(read))
        let awake = false
        for (let hour = 0; hour < 336; hour++) {
          if (has(on, hour)) awake = true
          if (has(off, hour)) awake = false
          const at = new Date(Date.UTC(2026, 5, 1) + hour * HOUR_MS)
          if (hour >= 168) expect(wantedAt(hours, [], at).state === 'awake').toBe(awake)
        }
      }),
    )
  })
})
