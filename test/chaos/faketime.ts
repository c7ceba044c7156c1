// A clock that can be stepped, for one process and what it starts: Debian's libfaketime, where it is installed.
import { globSync, renameSync, writeFileSync } from 'node:fs'

export type Clock = {
  environment: Record<string, string>
  offsetMs: () => number
  step: (offsetMs: number) => void
}

export const CLOCK_PACKAGE = 'libfaketime'
const findLibrary = () => globSync('/usr/lib/*/faketime/libfaketime.so.1')[0]

/** Undefined where the library is not installed. */
export function openClock(file: string): Clock | undefined {
  const library = findLibrary()
  if (library === undefined) return undefined
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
