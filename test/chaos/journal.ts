// The simulated installer's own record of its runs, read as raw lines.
import { readFile } from 'node:fs/promises'

export type JournalLine = {
  event: string
  run: string
  /** Milliseconds since the epoch. */
  at: number
  command?: string
  cluster?: string
  infraID?: string
  dir?: string
  pid?: number
}

/** One run from its start to its end; of one that was killed, to the last that was heard of it. */
export type Run = {
  run: string
  command: string
  cluster: string | undefined
  infraID: string | undefined
  dir: string
  pid: number
  startedAt: number
  lastAt: number
  hasEnded: boolean
}

export async function readJournal(file: string): Promise<JournalLine[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => {
    try {
      const parsed = JSON.parse(line) as Omit<JournalLine, 'at'> & { at: string }
      return [{ ...parsed, at: Date.parse(parsed.at) }]
    } catch {
      return [] // a killed program may leave half a line
    }
  })
}

/** The lines of the runs that worked below one of the directories. */
export function linesIn(journal: JournalLine[], dirs: string[]): JournalLine[] {
  const own = new Set(journal.flatMap(({ run, dir }) => (dirs.some((each) => dir?.startsWith(each)) ? [run] : [])))
  return journal.filter((line) => own.has(line.run))
}

export function runsOf(journal: JournalLine[]): Run[] {
  const runs = new Map<string, Run>()
  for (const line of journal) {
    const run = runs.get(line.run)
    if (line.event === 'start')
      runs.set(line.run, {
        run: line.run,
        command: line.command ?? '',
        cluster: line.cluster ?? undefined,
        infraID: line.infraID ?? undefined,
        dir: line.dir ?? '',
        pid: line.pid ?? 0,
        startedAt: line.at,
        lastAt: line.at,
        hasEnded: false,
      })
    else if (run) {
      run.lastAt = Math.max(run.lastAt, line.at)
      run.infraID ??= line.infraID ?? undefined
      run.hasEnded ||= line.event === 'end'
    }
  }
  return [...runs.values()]
}
