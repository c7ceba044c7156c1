// Takes what an exporter sends by OTLP over HTTP, and reads the protobuf by the numbers that opentelemetry-proto's
// trace.proto gives its fields. It knows nothing of the SDK.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

export type ReceivedSpan = {
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  kind: number
  startMs: number
  endMs: number
  isError: boolean
  attributes: Record<string, string | number>
  resource: Record<string, string | number>
}

type Fields = Map<number, (bigint | Buffer)[]>

/** The wire format: varints, eight and four bytes, and what has a length. */
function fieldsOf(bytes: Buffer): Fields {
  const fields: Fields = new Map()
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new Error('the message ends within a number')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Error('the message ends within a field')
    return bytes.subarray(at, (at += length))
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const kind = tag & 7
    const value =
      kind === 0 ? varint() : kind === 1 ? take(8).readBigUInt64LE() : kind === 2 ? take(Number(varint())) : take(4)
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value])
  }
  return fields
}

const messages = (fields: Fields, number: number): Fields[] =>
  (fields.get(number) ?? []).map((value) => fieldsOf(value as Buffer)) // messages have a length
const bytesOf = (fields: Fields, number: number) => (fields.get(number)?.[0] ?? Buffer.alloc(0)) as Buffer // so have texts
const numberOf = (fields: Fields, number: number) => Number(fields.get(number)?.[0] ?? 0n)

function attributesOf(fields: Fields, number: number): Record<string, string | number> {
  const all = messages(fields, number).map((pair) => {
    const [value = new Map()] = messages(pair, 2)
    return [bytesOf(pair, 1).toString(), value.has(1) ? bytesOf(value, 1).toString() : numberOf(value, 3)]
  })
  return Object.fromEntries(all) as Record<string, string | number> // made so above
}

function spansIn(body: Buffer): ReceivedSpan[] {
  return messages(fieldsOf(body), 1).flatMap((ofResource) => {
    const resource = messages(ofResource, 1).map((each) => attributesOf(each, 1))[0] ?? {}
    return messages(ofResource, 2).flatMap((ofScope) =>
      messages(ofScope, 2).map((span) => ({
        traceId: bytesOf(span, 1).toString('hex'),
        spanId: bytesOf(span, 2).toString('hex'),
        parentSpanId: bytesOf(span, 4).toString('hex'),
        name: bytesOf(span, 5).toString(),
        kind: numberOf(span, 6),
        startMs: numberOf(span, 7) / 1e6,
        endMs: numberOf(span, 8) / 1e6,
        isError: messages(span, 15).some((status) => numberOf(status, 3) === 2),
        attributes: attributesOf(span, 9),
        resource,
      })),
    )
  })
}

export async function openOtlpReceiver(): Promise<{ url: string; spans: ReceivedSpan[]; close: () => void }> {
  const spans: ReceivedSpan[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts)
      if (request.url !== '/v1/traces' || request.headers['content-type'] !== 'application/x-protobuf')
        return response.writeHead(415).end()
      spans.push(...spansIn(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body))
      return response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, close } // it listens on TCP
}
