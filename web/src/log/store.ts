// The lines of one log, as many as there are. It reads the stream of the job, goes on where it was after a break, and
// keeps which lines pass the filter, without ever holding up the page.
import { createParser } from 'eventsource-parser'
import { problemIn } from '../api'
import { stageIn, type Mark } from './stages'

export type Line = { seq: number; at: string; level: string; message: string }
export type LogState = 'reading' | 'live' | 'ended' | 'reconnecting' | 'refused'
export type Filter = { levels: ReadonlySet<string>; text: string }

/** How many lines are looked at before the page gets its turn. */
const SLICE = 20_000
const TELL_MS = 100
const QUIET_MS = 300
const LONGEST_WAIT_MS = 10_000
const SILENCE_MS = 40_000

export class LogStore {
  readonly lines: Line[] = []
  /** The indexes of the lines that pass the filter; undefined: all of them. */
  matches: number[] | undefined
  readonly marks: Mark[] = []
  state: LogState = 'reading'
  refusal = ''
  version = 0

  readonly #jobId: string
  readonly #watchers = new Set<() => void>()
  #filter: Filter | undefined
  #looked = 0
  #filtering = 0
  #telling: number | undefined
  #quiet: number | undefined
  #reading: AbortController | undefined
  #retry: number | undefined
  #failures = 0

  constructor(jobId: string) {
    this.#jobId = jobId
  }

  readonly watch = (heard: () => void): (() => void) => {
    this.#watchers.add(heard)
    return () => this.#watchers.delete(heard)
  }

  open(): void {
    this.close()
    if (this.state !== 'ended' && this.state !== 'refused') void this.#read()
  }

  close(): void {
    clearTimeout(this.#retry)
    this.#reading?.abort()
    this.#reading = undefined
  }

  filter(filter: Filter | undefined): void {
    this.#filter = filter
    this.#looked = 0
    this.matches = filter && []
    void this.#look()
    this.#tell()
  }

  /** Where the line with this number is among the shown ones, or where it would be. */
  placeOf(seq: number): number {
    const at = (index: number) => (this.matches ? this.lines[this.matches[index] ?? 0] : this.lines[index])?.seq ?? 0
    let [low, high] = [0, this.shown]
    while (low < high) {
      const middle = (low + high) >> 1
      if (at(middle) < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  get shown(): number {
    return this.matches?.length ?? this.lines.length
  }

  lineAt(place: number): Line | undefined {
    return this.lines[this.matches ? (this.matches[place] ?? -1) : place]
  }

  async #read(): Promise<void> {
    const controller = new AbortController()
    this.#reading = controller
    const isOurs = () => this.#reading === controller
    let silence: number | undefined
    const heard = () => {
      clearTimeout(silence)
      silence = setTimeout(() => controller.abort(), SILENCE_MS)
    }
    try {
      const last = this.lines.at(-1)?.seq
      const response = await fetch(`/api/v1/jobs/${this.#jobId}/log/stream`, {
        headers: { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': String(last) }) },
        signal: controller.signal,
        cache: 'no-store',
      })
      if (response.status >= 400 && response.status < 500 && response.status !== 429) {
        this.#refuse(problemIn(await response.json(), response.status).message)
        return
      }
      if (!response.ok || !response.body) throw new Error(`the log answers ${response.status}`)
      this.#failures = 0
      const parser = createParser({
        onEvent: ({ event, data }) => {
          if (event === 'line') this.#add(JSON.parse(data) as Line)
          else if (event === 'end') this.#say('ended')
          else if (event === 'refused') this.#refuse((JSON.parse(data) as { detail: string }).detail)
        },
      })
      heard()
      const decoder = new TextDecoder()
      for (const reader = response.body.getReader(); ;) {
        const { done, value } = await reader.read()
        if (done) break
        heard()
        parser.feed(decoder.decode(value, { stream: true }))
        this.#tellOfLines()
      }
      if (isOurs()) this.#again()
    } catch {
      if (isOurs()) this.#again()
    } finally {
      clearTimeout(silence)
    }
  }

  #again(): void {
    if (this.state === 'ended' || this.state === 'refused') return
    this.#say('reconnecting')
    this.#retry = setTimeout(() => void this.#read(), Math.min(LONGEST_WAIT_MS, 300 * 2 ** this.#failures++))
  }

  #add(line: Line): void {
    const last = this.lines.at(-1)
    // After a break the first lines may be known.
    if (last && line.seq <= last.seq) return
    this.lines.push(line)
    const stage = stageIn(line.message)
    if (stage !== undefined && this.marks.at(-1)?.stage !== stage)
      this.marks.push({ stage, seq: line.seq, at: line.at })
  }

  #tellOfLines(): void {
    if (this.matches) void this.#look()
    if (this.state === 'reconnecting') this.state = 'reading'
    clearTimeout(this.#quiet)
    if (this.state === 'reading')
      this.#quiet = setTimeout(() => this.state === 'reading' && this.#say('live'), QUIET_MS)
    this.#tell()
  }

  /** Only the newest look goes on. */
  async #look(): Promise<void> {
    const filter = this.#filter
    const matches = this.matches
    if (!filter || !matches) return
    const turn = ++this.#filtering
    while (this.#looked < this.lines.length) {
      const end = Math.min(this.lines.length, this.#looked + SLICE)
      for (; this.#looked < end; this.#looked++) {
        const line = this.lines[this.#looked]
        if (line && passes(line, filter)) matches.push(this.#looked)
      }
      if (this.#looked === this.lines.length) break
      this.#tell()
      await new Promise((resolve) => setTimeout(resolve, 0))
      if (turn !== this.#filtering) return
    }
    this.#tell()
  }

  #say(state: LogState): void {
    this.state = state
    this.#tell()
  }

  #refuse(why: string): void {
    this.refusal = why
    this.#say('refused')
  }

  #tell(): void {
    if (this.#telling !== undefined) return
    this.#telling = setTimeout(() => {
      this.#telling = undefined
      this.version++
      for (const heard of this.#watchers) heard()
    }, TELL_MS)
  }
}

const passes = ({ level, message }: Line, { levels, text }: Filter): boolean =>
  levels.has(level) && (text === '' || message.toLowerCase().includes(text))
