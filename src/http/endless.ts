// Answers that do not end by themselves. What follows their head is written straight to Node's side of the answer: a
// web stream between them costs more memory and time than all else that a reader needs.
import type { ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context, MiddlewareHandler } from 'hono'
import type { Env } from './env.ts'

/** A reader that is further behind is cut off. */
const UNREAD_BYTES = 256 * 1024

export type Outlet = Readonly<{
  /** Returns false when the reader is gone, or does not read. */
  write: (bytes: Uint8Array) => boolean
  /** Resolves when the reader has read, so that it can be given more. false: it is gone. */
  ready: () => Promise<boolean>
  end: () => void
  /** Breaks the answer off, so that the reader comes back. */
  breakOff: () => void
}>

/** Whether anybody reads what follows the head: not for HEAD, nor where the request came through no socket. */
export const isRead = (c: Context<Env>): boolean => c.req.method !== 'HEAD' && outgoingOf(c) !== undefined

/** The head is that of any other answer. So this comes before all that sets headers. */
export const writeEndless: MiddlewareHandler<Env> = async (c, next) => {
  await next()
  const { endless } = c.var
  const outgoing = outgoingOf(c)
  if (endless === undefined || outgoing === undefined) return
  outgoing.writeHead(c.res.status, Object.fromEntries(c.res.headers))
  outgoing.flushHeaders()
  endless(outgoing)
  // Without this, Hono would copy it together with the headers, and the copy would be sent.
  c.res = undefined
  c.res = RESPONSE_ALREADY_SENT
}

const outgoingOf = (c: Context<Env>) => ((c.env ?? {}) as Partial<HttpBindings>).outgoing // none without a socket

/** `ended` is called once it has ended, whoever ended it. */
export function openOutlet(outgoing: ServerResponse, ended: () => void): Outlet {
  // An answer that waits for another one on its connection is not told when that closes.
  const { socket } = outgoing.req
  let drained = Promise.withResolvers<void>()
  let isOpen = true
  const close = () => {
    if (!isOpen) return
    isOpen = false
    socket.off('close', close)
    drained.resolve()
    ended()
  }
  const breakOff = () => {
    socket.destroy()
    close()
  }
  if (socket.destroyed) queueMicrotask(close)
  else socket.once('close', close)
  // A socket that breaks closes.
  outgoing.on('error', () => undefined)
  outgoing.on('drain', () => drained.resolve())
  return {
    write(bytes) {
      if (isOpen && outgoing.writableLength >= UNREAD_BYTES) breakOff()
      if (isOpen && bytes.length > 0) outgoing.write(bytes)
      return isOpen
    },
    async ready() {
      if (isOpen && outgoing.writableNeedDrain) await (drained = Promise.withResolvers()).promise
      return isOpen
    },
    end() {
      outgoing.end()
      close()
    },
    breakOff,
  }
}
