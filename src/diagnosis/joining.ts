// A message of several lines is printed as one entry a line. Here its lines are put together again, so that a code below
// a sentence is read with it.
import type { LogLine } from './log-line.ts'
import { hitsIn } from './telling.ts'

const LONGEST_MESSAGE = 16 * 1024
const KEPT_MESSAGES = 200

/** What begins a message of its own. */
const BEGINS =
  /^\s*(?:[│╷|] {0,3})?(?:\* |Error: |failed to |failure |Failed |Bootstrap failed|Attempted |Cluster (?:operator|initialization) |Condition )/

export type ErrorJoiner = {
  /** Takes an error line. Lines that follow each other belong together. */
  add: (line: LogLine) => void
  /** The messages of more than one line. */
  messages: () => LogLine[]
}

export function joinLines(): ErrorJoiner {
  let done: LogLine[] = []
  let lines: LogLine[] = []
  let length = 0

  const end = () => {
    if (lines.length > 1 && lines.some(({ hits }) => hits.length > 0)) {
      let at = 0
      const parts = lines.map(({ said, number }) => {
        const part = { at, number }
        at += said.trim().length + 1
        return part
      })
      const said = lines.map((line) => line.said.trim()).join(' ')
      done.push({ number: lines[0]?.number ?? 0, level: 'error', said, hits: hitsIn(said) ?? [], parts })
      if (done.length >= 2 * KEPT_MESSAGES) done = done.slice(-KEPT_MESSAGES)
    }
    lines = []
    length = 0
  }
  return {
    add(line) {
      const last = lines.at(-1)
      // Blank lines between two lines of one message are not counted as lines here.
      const isNear = last !== undefined && line.number - last.number <= 3
      if (!isNear || BEGINS.test(line.said) || length + line.said.length > LONGEST_MESSAGE) end()
      lines.push(line)
      length += line.said.length
    },
    messages() {
      end()
      return done
    },
  }
}
