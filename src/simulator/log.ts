import fs from 'node:fs'
import path from 'node:path'

const levels = ['trace', 'debug', 'info', 'warning', 'error', 'fatal'] as const
export type Level = (typeof levels)[number]
export type Fields = Record<string, string>

/** Writes as logrus does: everything to the file, and what the chosen level lets through to stderr. */
export class Log {
  readonly #file: number | undefined
  readonly #threshold: number

  constructor(dir: string | undefined, level: Level) {
    this.#threshold = levels.indexOf(level)
    if (dir === undefined) return
    fs.mkdirSync(dir, { recursive: true })
    this.#file = fs.openSync(path.join(dir, '.openshift_install.log'), 'a', 0o666)
  }

  write(level: Level, message: string, fields: Fields = {}): void {
    const pairs = Object.entries(fields)
    if (this.#file !== undefined) {
      const time = `${new Date().toISOString().slice(0, 19)}Z`
      const text = message === '' ? '' : ` msg=${quoted(message)}`
      const tail = pairs.map(([key, value]) => ` ${key}=${quoted(value)}`).join('')
      fs.writeSync(this.#file, `time="${time}" level=${level}${text}${tail}\n`)
    }
    if (levels.indexOf(level) < this.#threshold) return
    const tail = pairs.map(([key, value]) => ` ${key}=${value}`).join('')
    for (const line of message.split('\n')) writeStderr(`level=${level} msg=${line}${tail}\n`)
  }

  debug(message: string, fields?: Fields): void {
    this.write('debug', message, fields)
  }

  info(message: string, fields?: Fields): void {
    this.write('info', message, fields)
  }

  warn(message: string, fields?: Fields): void {
    this.write('warning', message, fields)
  }
}

export function parseLevel(name: string): Level | undefined {
  const wanted = name === 'warn' ? 'warning' : name
  return levels.find((level) => level === wanted)
}

/** Nobody may be reading any more (EPIPE), or not fast enough for a non-blocking pipe (EAGAIN). */
export function writeStderr(text: string): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(2, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

/** The installer writes there only what was asked for. */
export function printOut(text: string): void {
  try {
    fs.writeSync(1, text)
  } catch {
    // Nobody reads it.
  }
}

/** A bare word where nothing needs quotes, Go's %q elsewhere. */
export function quoted(text: string): string {
  if (/^[\w\-./@^+]+$/.test(text)) return text
  const escapes: Record<string, string> = {
    '"': '\\"',
    '\\': '\\\\',
    '\u0007': '\\a',
    '\b': '\\b',
    '\f': '\\f',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\v': '\\v',
  }
  const inner = text.replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    const hex = (digits: number): string => code.toString(16).padStart(digits, '0')
    if (character in escapes) return escapes[character] ?? ''
    if (code < 0x80) return `\\x${hex(2)}`
    return code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`
  })
  return `"${inner}"`
}
