// What people ask for besides the off-hours, as spans that are fixed when they are asked for: what was promised then
// stands when the off-hours change. They are kept in the order in which they were given. Pure.
import type { Hours } from './off-hours.ts'
import { nextChanges, wantedAt, type Override, type State } from './wanted.ts'

type Given = { at: Date; by: string }

/** Somebody woke it or put it to sleep: this holds until the off-hours next change the state. */
export const holdByHand = (hours: Hours, state: State, { at, by }: Given): Override => ({
  how: 'hand',
  state,
  from: at,
  until: nextChanges(hours, [], at, 1)[0]?.at ?? null,
  by,
})

export const holdUntil = (state: State, until: Date, { at, by }: Given): Override => ({
  how: 'until',
  state,
  from: at,
  until,
  by,
})

/**
 * The next sleep, as it would come with the other overrides, is left out once. `isUp`: the cluster is awake, so that a
 * sleep that is wanted already is still to begin. Undefined: none is to come.
 */
export function skipNextSleep(
  hours: Hours,
  overrides: readonly Override[],
  { at, by }: Given,
  isUp: boolean,
): Override | undefined {
  if (isUp && wantedAt(hours, overrides, at).state === 'asleep')
    return { how: 'skip', state: 'awake', from: at, until: nextChanges(hours, overrides, at, 1)[0]?.at ?? null, by }
  const changes = nextChanges(hours, overrides, at, 3)
  const sleep = changes.findIndex(({ state }) => state === 'asleep')
  const from = changes[sleep]?.at
  return from && { how: 'skip', state: 'awake', from, until: changes[sleep + 1]?.at ?? null, by }
}

/** Those that do not lie in the past. */
export const liveOverrides = (overrides: readonly Override[], now: Date): Override[] =>
  overrides.filter(({ until }) => until === null || until > now)
