// Reads an installer's log for diagnosis in one pass, in whatever form it was kept. It keeps the few lines that can
// tell something. A line is never longer than LONGEST_LINE here, so no pattern meets an endless one.

/** `said` is the text of the line without level, time, quotes, escapes and colours. It can contain line ends. */
export type LogLine = { number: number; level: Level; said: string }

/** Lines for which no level was seen are `unknown`. They count as errors, since nothing says that they are not. */
export type Level = 'error' | 'other' | 'unknown'

export type ReadLog = {
  /** Telling lines of the stage in which the run ended. */
  errors: LogLine[]
  others: LogLine[]
  /** Telling error lines of stages from which the run recovered. */
  earlierErrors: LogLine[]
  /**
   * The last error and fatal lines as they were printed, telling or not. If there are none, the last lines of any kind.
   */
  ending: LogLine[]
  infrastructureBegan: boolean
  /** What the last message of success was about, unless something failed after it. */
  success: 'install' | 'uninstall' | undefined
  hasFatalAtEnd: boolean
  hasErrors: boolean
  isEmpty: boolean
}

const LONGEST_LINE = 32 * 1024
const KEPT_LINES = 8000
const KEPT_CHARACTERS = 4_000_000
const ENDING_LINES = 100

const LEVEL = /\blevel="?(trace|debug|info|warn|warning|error|fatal|panic)\b"?(?:\s+msg=)?/
const TIMES =
  /^(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?\s{1,9}(?:std(?:out|err) [FP] )?){1,3}/
const TERMINAL = /^(TRACE|DEBUG|DEBU|INFO|WARNING|WARN|ERROR|ERRO|FATAL|FATA|PANIC)(?:\[\d{1,9}\])?(?: |$)/
const BARE_ERROR = /^(?:[│╷╵|] {0,3})?(?:Error: |panic: |fatal error: )/
const FIELDS = /^(?: [\w.-]{1,60}=\S*)*$/
// oxlint-disable-next-line no-control-regex -- the escape character is what begins a colour
const COLOURS = /\u001b\[[0-9;?]{0,20}[A-Za-z]/g

// The run recovered from whatever was said before one of these.
const NEXT_STAGE =
  /^(?:Creating infrastructure resources|Network infrastructure is ready|Control-plane machines are ready|Waiting up to \S{1,20} .{0,60}?(?:for the Kubernetes API|for bootstrapping to complete|for the cluster at .{1,300} to initialize|to ensure each cluster operator)|API v\d\S{0,60} up|It is now safe to remove the bootstrap|Destroying the bootstrap resources|Cluster is initialized|All cluster operators have completed progressing|Install complete!)/
const INFRASTRUCTURE =
  /^(?:Creating infrastructure resources|Waiting up to |Destroying the bootstrap|Install complete!)/
// Progress, and checks that the installer says it skips.
const NOISE =
  /^Still |: Still (?:creating|destroying|modifying)|will skip checking|^Skipping |will be completely used pretty soon/

/** A part of every pattern of the catalogue. Most lines of a long log are dismissed by this alone. */
const TELLING =
  /exceed|quota|capacity|limit|too ?many|tagsperrole|ip space|insufficient|not ?found|does not exist|public subnets? provided|also in zone|outside of the|matching|internalfailure|nat gateway|inconsistent|throttl|priorrequest|insync|already|verification|validat|blocked|optin|explicit deny|authoriz|denied|client\.in|accesscontrollist|usertags|invalid|malformed|satisfy|deleteconflict|shutdown|412|429|not ?available|reached|allocation|disallowed|credential|expired|signature|could not|aadsts|bxnim|apikey|api key|libvirt|virerror|proxyconnect|network client|terraform|destroying|to destroy|destroy bootstrap|bootstrap machine|bootstrap failed|bootstrapping to complete|bootstrap-complete|waiting for kubernetes api|worker nodes|degraded is true|initialize the cluster|were not stable|progressing status|install.config|provisioning check|not provisioned|not ready|become ready|no public|multiple|nosuch|dns zone|(?:cis|dns) instance|unrecognized|private key/i

/** With `fromLastStart`, lines before the last start of an installer are left out. */
export function readLog(log: string, options: { fromLastStart: boolean }): ReadLog {
  let errors: LogLine[] = []
  let others: LogLine[] = []
  let earlierErrors: LogLine[] = []
  let ending: LogLine[] = []
  let tail: LogLine[] = []
  let level: Level = 'unknown'
  let infrastructureBegan = false
  let success: ReadLog['success']
  let hasFatalAtEnd = false
  let hasErrors = false
  let isEmpty = true
  let number = 0

  for (let from = 0; from < log.length;) {
    const end = log.indexOf('\n', from)
    const until = end < 0 ? log.length : end
    const raw = log.slice(from, Math.min(until, from + LONGEST_LINE))
    from = until + 1
    number++

    const parsed = parseLine(raw)
    if (parsed.said.trim() === '') {
      if (parsed.level) level = parsed.level
      continue
    }
    isEmpty = false
    level = parsed.level ?? level
    const line: LogLine = { number, level, said: parsed.said }

    if (level !== 'error') {
      if (options.fromLastStart && line.said.startsWith('OpenShift Installer ')) {
        ;[errors, others, earlierErrors, ending, tail] = [[], [], [], [], []]
        hasErrors = hasFatalAtEnd = infrastructureBegan = false
        success = undefined
      }
      if (INFRASTRUCTURE.test(line.said)) infrastructureBegan = true
      if (NEXT_STAGE.test(line.said)) {
        earlierErrors = lastOf([...earlierErrors, ...errors], KEPT_LINES)
        errors = []
        others = []
      }
      if (/^(?:Install|Uninstallation) complete!/.test(line.said)) {
        success = line.said.startsWith('I') ? 'install' : 'uninstall'
        hasFatalAtEnd = false
      }
    } else if (parsed.level) {
      hasErrors = true
      hasFatalAtEnd ||= parsed.isFatal
      success = undefined
      ending = keep(ending, line, ENDING_LINES)
    }
    tail = keep(tail, line, ENDING_LINES)
    if (!TELLING.test(line.said)) continue
    if (level === 'other' && NOISE.test(line.said)) continue
    if (level === 'unknown' && line.said.startsWith('Still ')) continue
    if (level === 'other') others = keep(others, line, KEPT_LINES)
    else errors = keep(errors, line, KEPT_LINES)
  }

  return {
    errors: lastOf(errors, KEPT_LINES),
    others: lastOf(others, KEPT_LINES),
    earlierErrors,
    ending: ending.length > 0 ? lastOf(ending, ENDING_LINES) : tail.slice(-5),
    infrastructureBegan,
    success,
    hasFatalAtEnd,
    hasErrors,
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

/** Quotes inside the message are not always escaped, so the last one ends it. */
function unquote(text: string): string {
  if (!text.startsWith('"')) return text
  const end = text.lastIndexOf('"')
  const rest = text.slice(end + 1)
  const inner = end > 0 ? text.slice(1, end) + (FIELDS.test(rest) ? '' : rest) : text.slice(1)
  if (!inner.includes('\\')) return inner
  return inner.replace(/\\([\s\S])/g, (_, escaped: string) =>
    escaped === 'n' ? '\n' : escaped === 't' ? '\t' : escaped === 'r' ? '' : escaped,
  )
}

/** Appends the line. When twice as many lines are held as are wanted, the older half is dropped. */
function keep(lines: LogLine[], line: LogLine, wanted: number): LogLine[] {
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
