// The log of a job: what there is, or that and all that follows. Lines are known by their number, so that none is lost or
// shown twice, whatever breaks.
import { setTimeout } from 'node:timers/promises'
import { v1, type Api } from './api.ts'
import { Failure, printable } from './failure.ts'
import { openPatience } from './follow.ts'
import { colour, isForPeople, print, printObject, say, type Form } from './output.ts'
import { findJob } from './resolve.ts'
import { readStream } from './stream.ts'
import { whileFollowing } from './terminal.ts'

type Line = { seq: number; at: string; level: string; message: string }
export type LogOptions = { output: Form; follow?: boolean; tail?: string; after?: string; level?: string }

const PAGE = 1000
const PAUSE_MS = 250
const levels = ['debug', 'info', 'warning', 'error', 'fatal']

export async function showLogs(api: Api, idOrName: string, options: LogOptions): Promise<void> {
  const id = await findJob(api, idOrName)
  const { output: form } = options
  if (!isForPeople(form) && !['json', 'jsonl'].includes(form))
    throw new Failure('usage', 'a log is shown as text, or with -o jsonl or json')
  if (options.follow === true && form === 'json')
    throw new Failure('usage', 'what is followed has no end: take -o jsonl with --follow')
  const least = options.level === undefined ? 0 : levels.indexOf(options.level)
  if (least < 0) throw new Failure('usage', `--level is one of ${levels.join(', ')}`)
  const isShown = ({ level }: Line) => levels.indexOf(level) >= least
  const show = (line: Line) => {
    if (isShown(line)) print(form === 'jsonl' ? `${JSON.stringify(line)}\n` : textOf(line))
  }
  let after = wholeOf(options.after ?? '0', '--after')
  const tail = options.tail === undefined ? undefined : wholeOf(options.tail, '--tail')
  if (options.follow !== true || tail !== undefined) {
    const kept: Line[] = []
    for await (const lines of pages(api, id, after)) {
      after = lines.at(-1)?.seq ?? after
      if (tail === undefined && form !== 'json') lines.forEach(show)
      else kept.push(...lines.filter(isShown))
      if (tail !== undefined) kept.splice(0, Math.max(0, kept.length - tail))
    }
    if (form === 'json') await printObject(form, { items: kept, nextAfter: kept.at(-1)?.seq ?? null })
    else kept.forEach(show)
  }
  if (options.follow !== true) return
  const done = whileFollowing(`The job goes on without you. Come back with: ocpctl logs -f ${id}`)
  await follow(api, id, after, show)
  done()
}

async function* pages(api: Api, id: string, from: number): AsyncGenerator<Line[]> {
  for (let after = from; ;) {
    const { items, nextAfter }: { items: Line[]; nextAfter: number | null } = await api.json(
      'GET',
      `${v1}/jobs/${id}/log`,
      {
        query: { after: String(after), limit: String(PAGE) },
      },
    )
    if (nextAfter === null) return
    yield items
    after = nextAfter
  }
}

async function follow(api: Api, id: string, from: number, show: (line: Line) => void): Promise<void> {
  let after = from
  const state = { isEnded: false, isLost: false }
  const patient = openPatience((why) => {
    state.isLost = true
    say(`${why}; trying again`)
  })
  const opened = () => {
    if (state.isLost) say('connected again')
    state.isLost = false
  }
  while (!state.isEnded) {
    await patient(() =>
      readStream(
        api,
        `${v1}/jobs/${id}/log/stream`,
        { after: after > 0 ? String(after) : undefined },
        opened,
        ({ type, data }) => {
          if (type === 'end') state.isEnded = true
          if (type !== 'line') return
          const line = JSON.parse(data) as Line // as the API describes it
          // What was shown before the break is not shown again.
          if (line.seq <= after) return
          after = line.seq
          show(line)
        },
      ),
    )
    if (!state.isEnded) await setTimeout(PAUSE_MS)
  }
}

function textOf({ at, level, message }: Line): string {
  const time = at.slice(11, 19)
  const text = `${time} ${level.padEnd(7)} ${printable(message)}`
  if (level === 'error' || level === 'fatal') return `${colour('red', text)}\n`
  return level === 'debug' ? `${colour('dim', text)}\n` : `${text}\n`
}

function wholeOf(text: string, flag: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Failure('usage', `${flag} takes a whole number, not "${text}"`)
  return Number(text)
}
