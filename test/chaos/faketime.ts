// A clock that can be stepped, for one process and what inherits its environment: Debian's libfaketime, where it is
// installed.
import { globSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Random } from './random.ts'

export type Clock = {
  environment: Record<string, string>
  offsetMs: () => number
  step: (offsetMs: number) => void
}

/** Not so far that what must wait would wait beyond the bound of a run. */
const FURTHEST_S = 90

/** Somewhere far enough from where the clock is for a lease to be over, or never to end. */
export function pickStep(clock: Clock, random: Random, leaseMs: number): number {
  const seconds = Array.from({ length: 2 * FURTHEST_S + 1 }, (_, index) => index - FURTHEST_S)
  return random.pick(seconds.filter((each) => Math.abs(each * 1000 - clock.offsetMs()) > leaseMs + 1000)) * 1000
}

export const CLOCK_PACKAGE = 'libfaketime'
const findLibrary = () => globSync('/usr/lib/*/faketime/libfaketime.so.1')[0]

/** Undefined where the library is not installed. */
export function openClock(file: string): Clock | undefined {
  const library = findLibrary()
  if (library === undefined) return undefined
  mkdirSync(dirname(file), { recursive: true })
  let offset = 0
  const step = (offsetMs: number) => {
    offset = offsetMs
    // Who reads it must not find half of it.
    writeFileSync(`${file}.new`, `${offsetMs < 0 ? '-' : '+'}${Math.abs(offsetMs) / 1000}s\n`, { mode: 0o644 })
    renameSync(`${file}.new`, file)
  }
  step(0)
  return {
    environment: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // The name has changed; timers go on in any case.
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
      FAKETIME_DISABLE_SHM: '1',
    },
    offsetMs: () => offset,
    step,
  }
}
