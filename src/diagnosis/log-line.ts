// What is kept of a line of a log.

/** Lines for which no level was seen are `unknown`. They count as errors, since nothing says that they are not. */
export type Level = 'error' | 'other' | 'unknown'

/** `said` is the text without level, time, quotes, escapes and colours, on one line. `hits` are numbers of reasons. */
export type LogLine = {
  number: number
  level: Level
  said: string
  hits: readonly number[]
  /** Where the lines begin of which a message consists. */
  parts?: readonly { at: number; number: number }[]
}
