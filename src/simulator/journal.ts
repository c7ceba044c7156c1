import fs from 'node:fs'
import path from 'node:path'
import { randomUuid } from './random.ts'

export interface JournalStart {
  command: string
  dir: string
  cluster: string | null
  infraID: string | null
}

/** What the programs did to the cloud, one line each, so that a killed one leaves evidence of how long it lived. */
export class Journal {
  readonly run = randomUuid()
  readonly #path: string
  readonly #fd: number
  readonly #start: JournalStart
  #heartbeat: NodeJS.Timeout | undefined

  constructor(cloudDir: string, start: JournalStart) {
    fs.mkdirSync(cloudDir, { recursive: true })
    this.#path = path.join(cloudDir, 'journal.ndjson')
    this.#fd = fs.openSync(this.#path, 'a')
    this.#start = start
    this.record('start', { pid: process.pid, ...start })
  }

  record(event: string, fields: Record<string, unknown> = {}): void {
    fs.writeSync(this.#fd, `${JSON.stringify({ event, run: this.run, ...fields, at: new Date().toISOString() })}\n`)
  }

  startHeartbeat(): void {
    this.#heartbeat ??= setInterval(() => this.record('alive'), 250)
  }

  end(exitCode: number): void {
    clearInterval(this.#heartbeat)
    this.record('end', { exitCode })
  }

  /** Which start of this command for this cluster's name this run is, from 1. */
  attempt(): number {
    let count = 0
    for (const line of fs.readFileSync(this.#path, 'utf8').split('\n')) {
      if (!line.startsWith('{"event":"start"')) continue
      const entry = JSON.parse(line) as JournalStart & { run: string }
      if (entry.command === this.#start.command && entry.cluster === this.#start.cluster) count++
      if (entry.run === this.run) break
    }
    return count
  }
}
