// What may be expected of a job, in words.
import type { ReactNode } from 'react'
import type { Outlook } from '../api'
import { span, Until } from '../time'

type Usual = NonNullable<Outlook['expected']>

const MINUTE_MS = 60_000
const MOST_PLACES = 1000
const LIKE: Record<Usual['basis'], string> = {
  version: 'of this profile, region and version',
  profile: 'of this profile',
  platform: 'of this platform',
}

export const minutes = (count: number): string => span(count * MINUTE_MS)
/** Such as "usually 38 min, at times 52 min". */
export const usually = ({ p50Minutes, p90Minutes }: Pick<Usual, 'p50Minutes' | 'p90Minutes'>): string =>
  `usually ${minutes(p50Minutes)}, at times ${minutes(p90Minutes)}`
/** What it rests on. */
export const restingOn = ({ basis, count }: Pick<Usual, 'basis' | 'count'>): string =>
  `by the last ${count === 1 ? 'one' : count} ${LIKE[basis]}`

export const placeInQueue = (place: number): string =>
  place === 1 ? 'the next one' : place > MOST_PLACES ? `behind more than ${MOST_PLACES}` : `number ${place}`

/** Such as "slower than 90 % of 212". undefined: there is too little to compare with, or nothing to say yet. */
export const comparison = ({ slowerThanPercent, expected }: Outlook): string | undefined =>
  slowerThanPercent === null || expected === null || slowerThanPercent < 50
    ? undefined
    : `slower than ${slowerThanPercent} % of ${expected.count}`

export function factsOf(outlook: Outlook): Record<string, ReactNode> {
  const { queuePlace, expected, expectedEndAt, retries } = outlook
  const compared = comparison(outlook)
  return {
    ...(queuePlace === null ? {} : { 'In the queue': placeInQueue(queuePlace) }),
    ...(expected ? { Ready: <span title={restingOn(expected)}>{usually(expected)}</span> } : {}),
    ...(expectedEndAt === null ? {} : { Done: <Until at={expectedEndAt} /> }),
    ...(outlook.minutes === null ? {} : { Ran: `${minutes(outlook.minutes)}${compared ? `, ${compared}` : ''}` }),
    ...(retries ? { 'Other tries': triesAfter(retries) } : {}),
  }
}

const triesAfter = ({ reason, retried, succeeded }: NonNullable<Outlook['retries']>): string =>
  retried === 0
    ? `nothing is known of another try after ${reason}`
    : `${succeeded} of ${retried} went well here after ${reason}`
