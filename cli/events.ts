// What happens, as it happens: for people who look on, and for programs.
import { setTimeout } from 'node:timers/promises'
import { v1, type Api, type Query } from './api.ts'
import { Failure, printable } from './failure.ts'
import { openPatience } from './follow.ts'
import { isForPeople, print, say, type Form } from './output.ts'
import { findCluster } from './resolve.ts'
import { readStream } from './stream.ts'
import { whileFollowing } from './terminal.ts'

export type EventOptions = { output: Form; team?: string; cluster?: string; type?: string[] }

const PAUSE_MS = 250

export async function watchEvents(api: Api, { output: form, team, cluster, type }: EventOptions): Promise<void> {
  if (!isForPeople(form) && form !== 'jsonl') throw new Failure('usage', 'events have no end: take -o jsonl, or none')
  const query: Query = {
    team,
    type: type?.flatMap((each) => each.split(',')),
    cluster: cluster === undefined ? undefined : await findCluster(api, cluster),
  }
  let after: string | undefined
  const patient = openPatience((why) => say(`${why}; trying again`))
  whileFollowing('Come back with the same command: what happens meanwhile is in `ocpctl audit-event list`')
  for (;;) {
    await patient(() =>
      readStream(
        api,
        `${v1}/events/stream`,
        { query, after },
        () => undefined,
        ({ id, type: name, data }) => {
          after = id ?? after
          if (name === 'reset') say('some events were missed: the server remembers only so many')
          else if (name !== 'open') print(form === 'jsonl' ? `${data}\n` : lineOf(name, data))
        },
      ),
    )
    await setTimeout(PAUSE_MS)
  }
}

function lineOf(type: string, data: string): string {
  const { cluster, job } = JSON.parse(data) as { cluster?: Record<string, unknown>; job?: Record<string, unknown> } // as the API has it
  const shown = [cluster?.['name'], cluster?.['status'], job?.['type'], job?.['status'], job?.['id']]
  const words = shown.filter((each) => typeof each === 'string')
  return `${new Date().toISOString()} ${type.padEnd(22)} ${printable(words.length > 0 ? words.join(' ') : data)}\n`
}
