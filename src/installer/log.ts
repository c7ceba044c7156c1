// The installer's log file, followed while it grows. No line is lost, and each has the installer's own time and level.
// Only a line longer than LONGEST_LINE is cut, and never where the cut would hide a secret from the masker of the
// parts.
import { open, type FileHandle } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import type { LogLevel } from '../vocabulary.ts'
import type { FindCut, InstallerLine } from './installer.ts'
import { readValue, unescapeGo } from './quoted.ts'

const POLL_MS = 200
const READ_BYTES = 64 * 1024
const LONGEST_LINE = 64 * 1024
/** Such a line names a few ids. A longer one is taken as it is. */
const LONGEST_DELETED = 2048
const LEFT_OUT = '(what follows is one secret longer than a line may be, and left out)'

const levels: Record<string, LogLevel> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warning: 'warning',
  warn: 'warning',
  error: 'error',
  fatal: 'fatal',
  panic: 'fatal',
}

/**
 * Accepts the log file's form, the form of stderr without a terminal, and that of a terminal. Any other line is taken
 * as it is. Fields that follow a message are kept behind it.
 */
export function parseLine(line: string): InstallerLine {
  const entry = /^(?:time=(?:"([^"]*)"|(\S+))\s+)?level=(\w+)(?:\s+msg=(.*)|\s*)$/s.exec(line)
  if (entry) {
    const [, quotedTime, bareTime, level = '', text = ''] = entry
    const { value, rest } = readValue(text)
    const message = deletedMessage(value, rest) ?? (rest === '' ? value : `${value} ${unescapeGo(rest)}`)
    return { at: isoTime(quotedTime ?? bareTime), level: levels[level] ?? 'info', message }
  }
  const terminal = /^(DEBUG|INFO|WARNING|ERROR|FATAL)(?:\[\d+\])?(?: (.*))?$/s.exec(line)
  if (terminal) {
    const message = (terminal[2] ?? '').trimEnd()
    return {
      at: undefined,
      level: levels[(terminal[1] ?? '').toLowerCase()] ?? 'info',
      message: deletedMessage(message, '') ?? message,
    }
  }
  return { at: undefined, level: 'info', message: line }
}

/** Whether the installer says that it throws a field of install-config.yaml away, since its version does not know it. */
export const tellsUnknownField = ({ level, message }: InstallerLine): boolean =>
  level === 'warning' && /\bunknown field\b/.test(message) && /install-config/.test(message)

/**
 * What went, of a "Deleted" line. Its `id` is what is being torn down: what went stands under the name of its kind,
 * which may hold blanks. Only where there is none, it is the id itself that went.
 */
function deletedMessage(value: string, rest: string): string | undefined {
  const said = rest === '' ? value : `${value} ${rest}`
  if (!said.startsWith('Deleted ') || said.length > LONGEST_DELETED) return undefined
  const text = said.slice('Deleted '.length)
  const fields = new Map(
    [...text.matchAll(/([A-Za-z][\w.-]*(?: [\w.-]+){0,3})=("(?:[^"\\]|\\.)*"|\S*)/g)].map(
      ([, key = '', field = '']) => [key, readValue(field).value],
    ),
  )
  const [id, type, name] = ['id', 'resourceType', 'name'].map((key) => fields.get(key))
  const whole = [type, id ?? fields.get('arn'), name].filter(Boolean).join(' ')
  const gone = [...fields].find(([key]) => !['id', 'resourceType', 'name', 'arn'].includes(key))
  if (gone) return `Deleted ${gone.join(' ')}${whole === '' ? '' : ` (of ${whole})`}`
  return whole === '' ? undefined : `Deleted ${whole}`
}

function isoTime(text: string | undefined): string | undefined {
  const time = Date.parse(text ?? '')
  return Number.isNaN(time) ? undefined : new Date(time).toISOString()
}

/**
 * Follows the file from its present end. finish() reads what is left, including a last line without its newline. When
 * `findCut` knows no place to cut an overlong line, the rest of that line is left out.
 */
export async function followLog(
  path: string,
  onLine: (line: InstallerLine) => void,
  findCut: FindCut = (_text, limit) => limit,
): Promise<{ finish: () => Promise<void> }> {
  let file: FileHandle | undefined = await open(path).catch(() => undefined)
  let position = file ? (await file.stat()).size : 0
  const decoder = new StringDecoder('utf8')
  const buffer = Buffer.alloc(READ_BYTES)
  let rest = ''
  let stopped = false
  let isLeavingOut = false

  const take = (text: string) => {
    rest += text
    let end: number
    while ((end = rest.indexOf('\n')) >= 0) {
      cutAndEmit(rest.slice(0, end), LONGEST_LINE)
      isLeavingOut = false
      rest = rest.slice(end + 1)
    }
    rest = cut(rest, 2 * LONGEST_LINE)
  }
  const cutAndEmit = (line: string, longest: number) => {
    const last = cut(line, longest)
    if (!isLeavingOut) emit(last)
  }
  /**
   * Emits the excess part of a line and returns the rest. The text beyond the cut tells whether a secret goes across
   * it.
   */
  const cut = (line: string, longest: number) => {
    let left = line
    while (!isLeavingOut && left.length > longest) {
      const at = findCut(left.slice(0, 2 * LONGEST_LINE), LONGEST_LINE)
      emit(at === undefined ? LEFT_OUT : left.slice(0, at))
      isLeavingOut = at === undefined
      left = left.slice(at)
    }
    return isLeavingOut ? '' : left
  }
  const emit = (line: string) => {
    if (line.trim() !== '') onLine(parseLine(line.replace(/\r$/, '')))
  }
  const read = async () => {
    file ??= await open(path).catch(() => undefined)
    if (!file) return
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, position)
      if (bytesRead === 0) return
      position += bytesRead
      take(decoder.write(buffer.subarray(0, bytesRead)))
    }
  }
  let reading: Promise<void> = Promise.resolve()
  const follow = async () => {
    await read().catch(() => undefined) // what cannot be read now is read at the next look
    if (!stopped) timer = setTimeout(look, POLL_MS)
  }
  const look = () => {
    reading = follow()
  }
  let timer = setTimeout(look, POLL_MS)

  return {
    async finish() {
      stopped = true
      clearTimeout(timer)
      await reading
      await read().catch(() => undefined)
      take(`${decoder.end()}\n`)
      await file?.close()
    },
  }
}
