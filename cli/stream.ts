// Server-sent events of the API, until the stream ends or breaks. Whoever follows comes back with the last id.
import { createParser } from 'eventsource-parser'
import type { Api, Query } from './api.ts'
import { exitOfCode, Failure } from './failure.ts'

export type Event = { id: string | undefined; type: string; data: string }

/** The server shows every 15 s that it lives. */
const SILENCE_MS = 45_000

/** Returns when the stream has ended in whatever way. Throws when it was not opened, was refused, or `hear` throws. */
export async function readStream(
  api: Api,
  path: string,
  { query = {}, after, signal }: { query?: Query; after?: string | undefined; signal?: AbortSignal },
  opened: () => void,
  hear: (event: Event) => void,
): Promise<void> {
  const { body } = await api.send('GET', path, {
    query,
    headers: { accept: 'text/event-stream', ...(after === undefined ? {} : { 'last-event-id': after }) },
    ...(signal ? { signal } : {}),
    tries: 1,
  })
  opened()
  const parser = createParser({
    onEvent({ id, event: type = 'message', data }) {
      if (type !== 'refused') return hear({ id, type, data })
      const { code, detail } = JSON.parse(data) as { code: string; detail: string } // as the API describes it
      throw new Failure(exitOfCode(code), detail, { code, detail })
    },
  })
  const silence = setTimeout(() => body.destroy(), SILENCE_MS)
  const chunks = body.setEncoding('utf8')[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await chunks.next().catch(() => ({ done: true, value: '' }))
      if (done === true) return
      silence.refresh()
      parser.feed(String(value))
    }
  } finally {
    clearTimeout(silence)
    body.destroy()
  }
}
