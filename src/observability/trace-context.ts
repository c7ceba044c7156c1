// To which trace something belongs (W3C Trace Context, level 1), whether or not spans are sent anywhere.
import { createHash } from 'node:crypto'
import { uuidOf } from '../ids.ts'

export type TraceContext = Readonly<{ traceId: string; spanId: string; isSampled: boolean }>

const PARTS = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/

/** undefined: it is none, or not as it must be. Then a trace begins here. */
export function readTraceparent(text: string | null | undefined): TraceContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] = PARTS.exec(text ?? '') ?? []
  // A later version may have more behind what this one knows. ff is none.
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export const traceparentOf = ({ traceId, spanId, isSampled }: TraceContext): string =>
  `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`

/** The span of a job or an attempt: known to every process by its id alone, so a worker goes on where another one died. */
export const spanIdOf = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 16)

/** The trace of a job and its span there. Where no request brought a trace, its own begins, whose id is the job's. */
export function traceOfJob({ id, traceparent }: { id: string; traceparent: string | null }): TraceContext {
  const { traceId, isSampled } = readTraceparent(traceparent) ?? {
    traceId: uuidOf(id).replaceAll('-', ''),
    isSampled: true,
  }
  return { traceId, spanId: spanIdOf(id), isSampled }
}
