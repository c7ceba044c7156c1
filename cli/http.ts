// One HTTP request. Node's `http` is loaded in half the time of `fetch`, which is most of what a short command takes.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

export type Answer = {
  status: number
  ok: boolean
  headers: IncomingHttpHeaders
  body: IncomingMessage
  text: () => Promise<string>
}

type Sent = { method: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal | undefined }

/** A plan is asked of a cloud meanwhile. */
const ANSWER_MS = 150_000

/** Rejects when there is no answer. It follows no redirect: what is sent is for this server, and for none that it names. */
export async function ask(url: URL, { method, headers = {}, body, signal }: Sent): Promise<Answer> {
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http')
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const asked = request(url, { method, headers: { ...headers, ...length }, ...(signal ? { signal } : {}) })
    // It ends the wait for an answer, not the reading of one that lasts.
    const timer = setTimeout(() => asked.destroy(new Error(`no answer in ${ANSWER_MS / 1000} s`)), ANSWER_MS)
    asked.once('close', () => clearTimeout(timer))
    asked.once('error', reject)
    asked.once('response', (answer) => {
      clearTimeout(timer)
      const status = answer.statusCode ?? 0
      resolve({
        status,
        ok: status >= 200 && status < 300,
        headers: answer.headers,
        body: answer,
        text: () => text(answer),
      })
    })
    asked.end(body)
  })
}
