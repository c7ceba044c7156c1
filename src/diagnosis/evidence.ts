// Reads an installer's log for diagnosis in one pass, in whatever form it was kept. It keeps the few lines that can
// tell something. Of a line longer than LONGEST_LINE the middle is left out, so no pattern meets an endless one.
import { unescapeGo } from '../installer/quoted.ts'
import { joinLines, type ErrorJoiner } from './joining.ts'
import type { Level, LogLine } from './log-line.ts'
import { openProgress, type Progress } from './progress.ts'
import { hitsIn } from './telling.ts'

export type ReadLog = Progress & {
  /** Telling lines of the stage in which the run ended. Conditions that did not hold count as errors. */
  errors: LogLine[]
  others: LogLine[]
  /** Telling error lines of stages from which the run recovered. */
  earlierErrors: LogLine[]
  /** Conditions of Cluster API that the installer printed because they did not hold. */
  conditions: LogLine[]
  /**
   * The last error and fatal lines as they were printed, telling or not. If there are none, the last lines of any kind.
   */
  ending: LogLine[]
  hasFatalAtEnd: boolean
  hasErrors: boolean
  /** Error lines of the stage in which the run ended, telling or not. */
  hasErrorsAtEnd: boolean
  /** Some line had a level, so this is a log of the installer. */
  hasLevels: boolean
  isEmpty: boolean
}

const LONGEST_LINE = 32 * 1024
const LONGEST_END = LONGEST_LINE / 2
const KEPT_LINES = 8000
const KEPT_CHARACTERS = 4_000_000
const ENDING_LINES = 100

/** How most lines of a long log begin: those that are no errors, in the two forms that the installer writes itself. */
const HEAD =
  /(?:(?:time="?[^"\s]{1,40}"? )?level="?(?:trace|debug|info|warning|warn)"?(?: msg="?|(?=[\r\n]|$))|(?:DEBUG|INFO|WARNING)(?:\[\d{1,9}\])? )/y
const LEVEL = /\blevel="?(trace|debug|info|warn|warning|error|fatal|panic)\b"?(?:\s+msg=)?/
const TIMES =
  /^(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?\s{1,9}(?:std(?:out|err) [FP] )?){1,3}/
const TERMINAL = /^(TRACE|DEBUG|DEBU|INFO|WARNING|WARN|ERROR|ERRO|FATAL|FATA|PANIC)(?:\[\d{1,9}\])?(?: |$)/
const BARE_ERROR = /^(?:[│╷╵|] {0,3})?(?:Error: |panic: |fatal error: )/
const FIELDS = /^(?: [\w.-]{1,60}(?: [\w.-]{1,60}){0,3}=\S*)*$/
const CONDITION = /^Condition \w{1,80} has status: "?False\b/
// oxlint-disable-next-line no-control-regex -- the escape character is what begins a colour
const COLOURS = /\u001b\[[0-9;?]{0,20}[A-Za-z]/g
// Progress, and checks that the installer says it skips.
const NOISE =
  /: Still (?:creating|destroying|modifying)|will skip checking|^Skipping |will be completely used pretty soon/

/** A telling line of another level. A long log has many, so it is read when it is among the last ones. */
type Place = { number: number; from: number; until: number; hits: readonly number[] }

/** With `fromLastStart`, lines before the last start of an installer are left out. */
export function readLog(log: string, options: { fromLastStart: boolean }): ReadLog {
  const progress = openProgress()
  let errors: LogLine[] = []
  let others: Place[] = []
  let earlierErrors: LogLine[] = []
  let conditions: LogLine[] = []
  let ending: LogLine[] = []
  let joiner: ErrorJoiner = joinLines()
  let level: Level = 'unknown'
  let hasFatalAtEnd = false
  let hasErrors = false
  let hasErrorsAtEnd = false
  let hasLevels = false
  let isEmpty = true
  let startedAt = 0
  let number = 0

  const takeError = (said: string, parsed: { level: Level | undefined; isFatal: boolean }) => {
    const hits = hitsIn(said) ?? []
    const line: LogLine = { number, level, said, hits }
    if (parsed.level) {
      hasErrors = hasErrorsAtEnd = true
      hasFatalAtEnd ||= parsed.isFatal
      progress.success = undefined
      ending = keep(ending, line, ENDING_LINES)
    }
    if (level === 'error') joiner.add(line)
    if (hits.length > 0 && !(level === 'unknown' && said.startsWith('Still '))) errors = keep(errors, line, KEPT_LINES)
  }
  const takeMark = (said: string, offset: number) => {
    const mark = progress.take(said, number, offset)
    if (mark === 'start' && options.fromLastStart) {
      ;[errors, others, earlierErrors, conditions, ending] = [[], [], [], [], []]
      joiner = joinLines()
      hasErrors = hasErrorsAtEnd = hasFatalAtEnd = false
      progress.restart()
      startedAt = offset
    }
    if (mark === 'stage') {
      earlierErrors = lastOf([...earlierErrors, ...errors], KEPT_LINES)
      ;[errors, others, conditions] = [[], [], []]
      joiner = joinLines()
      hasErrorsAtEnd = false
    }
    if (progress.success !== undefined) hasFatalAtEnd = false
  }
  /** Takes a line of another level whose words tell something, or that has a meaning of its own. */
  const takeOther = (said: string, from: number, until: number) => {
    if (progress.isMark(said, 0)) takeMark(said, from)
    const hits = hitsIn(said)
    if (CONDITION.test(said)) {
      const line: LogLine = { number, level: 'error', said, hits: hits ?? [] }
      conditions = keep(conditions, line, ENDING_LINES)
      if (hits) errors = keep(errors, line, KEPT_LINES)
    } else if (hits) others = keep(others, { number, from, until, hits }, KEPT_LINES)
  }

  for (let from = 0; from < log.length;) {
    const end = log.indexOf('\n', from)
    const until = end < 0 ? log.length : end
    const offset = from
    from = until + 1
    number++

    HEAD.lastIndex = offset
    if (HEAD.test(log) && HEAD.lastIndex <= until) {
      // Most lines go this way, and are not even cut out of the log.
      const start = HEAD.lastIndex
      hasLevels = true
      level = 'other'
      if (start >= until) continue
      isEmpty = false
      if (log.startsWith('Still ', start)) progress.takeStill(number, offset)
      else if (progress.isMark(log, start) || log.startsWith('Condition ', start) || until - start > LONGEST_LINE)
        takeOther(parseLine(cutOut(log, offset, until)).said, offset, until)
      else {
        const hits = hitsIn(log, start, until)
        if (hits) others = keep(others, { number, from: offset, until, hits }, KEPT_LINES)
      }
      continue
    }
    const parsed = parseLine(cutOut(log, offset, until))
    if (parsed.level) hasLevels = true
    if (parsed.said.trim() === '') {
      if (parsed.level) level = parsed.level
      continue
    }
    isEmpty = false
    level = parsed.level ?? level
    if (level === 'other') {
      if (parsed.said.startsWith('Still ')) progress.takeStill(number, offset)
      else takeOther(parsed.said, offset, until)
      continue
    }
    if (level === 'unknown') takeMark(parsed.said, offset)
    takeError(parsed.said, parsed)
  }

  const lastErrors = lastOf(errors, KEPT_LINES)
  return {
    ...progress.told(log),
    errors: [...lastErrors, ...joiner.messages()],
    others: readPlaces(log, others.slice(-KEPT_LINES)),
    earlierErrors,
    conditions,
    ending: ending.length > 0 ? lastOf(ending, ENDING_LINES) : lastLines(log, startedAt, number),
    hasFatalAtEnd,
    hasErrors,
    hasErrorsAtEnd,
    hasLevels,
    isEmpty,
  }
}

function parseLine(raw: string): { level: Level | undefined; isFatal: boolean; said: string } {
  let text = raw.endsWith('\r') ? raw.slice(0, -1) : raw
  if (text.includes('\u001b')) text = text.replace(COLOURS, '')
  const tagged = LEVEL.exec(text.length > 300 ? text.slice(0, 300) : text)
  if (tagged)
    return { ...levelOf(tagged[1] ?? ''), said: unquote(text.slice(tagged.index + tagged[0].length).trimEnd()) }
  text = text.replace(TIMES, '')
  const terminal = TERMINAL.exec(text)
  if (terminal) return { ...levelOf(terminal[1] ?? ''), said: text.slice(terminal[0].length).trimEnd() }
  if (BARE_ERROR.test(text)) return { level: 'error', isFatal: false, said: text }
  return { level: undefined, isFatal: false, said: text.trimEnd() }
}

function levelOf(name: string): { level: Level; isFatal: boolean } {
  const isFatal = /^(?:fata|panic)/i.test(name)
  return { level: isFatal || /^erro/i.test(name) ? 'error' : 'other', isFatal }
}

/** Quotes inside the message are not always escaped, so the last one ends it. Line ends become blanks. */
function unquote(text: string): string {
  if (!text.startsWith('"')) return text
  const end = text.lastIndexOf('"')
  const rest = text.slice(end + 1)
  const inner = end > 0 ? text.slice(1, end) + (FIELDS.test(rest) ? '' : rest) : text.slice(1)
  return unescapeGo(inner).replaceAll('\r', '').replaceAll('\n', ' ')
}

function readPlaces(log: string, places: Place[]): LogLine[] {
  const lines = places.map(({ number, from, until, hits }): LogLine => {
    return { number, level: 'other', said: parseLine(cutOut(log, from, until)).said, hits }
  })
  return lastOf(
    lines.filter(({ said }) => !NOISE.test(said)),
    KEPT_LINES,
  )
}

/** A cause stands at the beginning of a long line or, in a chain of errors of Go, at its end. */
function cutOut(log: string, from: number, until: number): string {
  if (until - from <= LONGEST_LINE) return log.slice(from, until)
  return `${log.slice(from, from + LONGEST_END)} … ${log.slice(until - LONGEST_END, until)}`
}

function lastLines(log: string, from: number, lines: number): LogLine[] {
  const found: LogLine[] = []
  let until = log.endsWith('\n') ? log.length - 1 : log.length
  for (let number = lines; number > 0 && until >= from && found.length < 5; number--) {
    const start = until === 0 ? 0 : log.lastIndexOf('\n', until - 1) + 1
    const { said, level } = parseLine(cutOut(log, start, until))
    if (said.trim() !== '') found.unshift({ number, level: level ?? 'unknown', said, hits: [] })
    until = start - 1
  }
  return found
}

/** Appends the line. When twice as many lines are held as are wanted, the older half is dropped. */
function keep<Line>(lines: Line[], line: Line, wanted: number): Line[] {
  lines.push(line)
  return lines.length >= wanted * 2 ? lines.slice(-wanted) : lines
}

/** The last lines: at most as many as are wanted, and as patterns can be matched against in good time. */
function lastOf(lines: LogLine[], wanted: number): LogLine[] {
  let first = lines.length
  let characters = 0
  while (first > 0 && lines.length - first < wanted && characters < KEPT_CHARACTERS) {
    first--
    characters += lines[first]?.said.length ?? 0
  }
  return lines.slice(first)
}
