/**
 * A server on loopback that speaks as much S3 as an artifact store needs, and is strict where lenient doubles hide
 * faults: it decodes aws-chunked framing, verifies every checksum it is sent, and honours If-None-Match.
 */
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'

export interface S3Object {
  bytes: Buffer
  /** The x-amz-* headers it was stored with. */
  headers: Record<string, string>
}

export interface S3Request {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
}

export interface S3Fault {
  /**
   * `500` answers so; `drop` closes the connection unanswered; `stall` never answers; `lose-answer` does the work and
   * closes the connection; `cut-body` announces the whole body and closes half-way.
   */
  how: '500' | 'drop' | 'stall' | 'lose-answer' | 'cut-body'
  times: number
  when?: (request: S3Request) => boolean
}

export interface S3Server {
  endpoint: string
  credentials: { accessKeyId: string; secretAccessKey: string }
  region: string
  /** By `bucket/key`. A bucket exists when a put names it. */
  objects: Map<string, S3Object>
  /** Multipart uploads that are neither completed nor aborted, by id. */
  uploads: Map<string, S3Upload>
  requests: S3Request[]
  faults: S3Fault[]
  close(): Promise<void>
}

interface S3Upload {
  name: string
  headers: Record<string, string>
  parts: Map<number, Buffer>
  needsChecksums: boolean
}

class S3Error extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string, message = code) {
    super(message)
    this.status = status
    this.code = code
  }
}

export type S3Habits = {
  keysPerPage?: number
  region?: string
  /** Answers a part without its checksum, and does not complete an upload that announced checksums and names none. */
  keepsChecksums?: boolean
  /** Takes a request for encryption and does not encrypt, as servers without a KMS do. */
  ignoresKms?: boolean
}

export async function startS3Server(habits: S3Habits = {}): Promise<S3Server> {
  const { keysPerPage = 1000, region = 'us-east-1', keepsChecksums = false, ignoresKms = false } = habits
  const credentials = { accessKeyId: 'AKIALOOPBACK', secretAccessKey: 'loopback-secret' }
  const objects = new Map<string, S3Object>()
  const uploads = new Map<string, S3Upload>()
  const requests: S3Request[] = []
  const faults: S3Fault[] = []

  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else if (error instanceof S3Error) sendError(response, error)
      else sendError(response, new S3Error(400, 'InvalidRequest', String(error)))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // It listens on a port, so the address is not a pipe's name.
  const { port } = server.address() as AddressInfo

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://loopback')
    const seen = { method: request.method ?? '', path: url.pathname, query: url.searchParams, headers: request.headers }
    requests.push(seen)
    const body = await readBody(request)
    const fault = takeFault(seen)
    if (fault === 'stall') return
    if (fault === 'drop') return void request.socket.destroy()
    if (fault === '500') throw new S3Error(500, 'InternalError', 'told to fail')
    checkSignature(seen)
    checkBody(seen, body)
    const reply = route(seen, decodeBody(seen, body))
    if (fault === 'lose-answer') return void request.socket.destroy()
    response.writeHead(reply.status, { 'content-length': reply.body.length, ...reply.headers })
    if (seen.method === 'HEAD') return void response.end()
    if (fault !== 'cut-body') return void response.end(reply.body)
    response.write(reply.body.subarray(0, reply.body.length / 2), () => request.socket.destroy())
  }

  function takeFault(request: S3Request): S3Fault['how'] | undefined {
    const fault = faults.find((each) => each.times > 0 && (each.when?.(request) ?? true))
    if (fault) fault.times--
    return fault?.how
  }

  function checkSignature({ method, path, query, headers }: S3Request): void {
    const presigned = query.get('X-Amz-Signature')
    if (presigned === null) {
      const isOurs = headers.authorization?.startsWith(`AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/`)
      if (!isOurs || !/Signature=[0-9a-f]{64}$/.test(headers.authorization ?? ''))
        throw new S3Error(403, 'AccessDenied')
      const [, of] = /Credential=[^/]+\/\d{8}\/([^/]+)\//.exec(headers.authorization ?? '') ?? []
      if (of !== undefined && of !== region)
        throw new S3Error(400, 'AuthorizationHeaderMalformed', `the region '${of}' is wrong; expecting '${region}'`)
      return
    }
    const signedAt = query.get('X-Amz-Date') ?? ''
    const [, scope = ''] = /^[^/]+\/(.*)$/.exec(query.get('X-Amz-Credential') ?? '') ?? []
    const expiresAt = Date.parse(signedAt.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'))
    if (Date.now() > expiresAt + Number(query.get('X-Amz-Expires')) * 1000) throw new S3Error(403, 'AccessDenied')
    const canonicalQuery = [...query]
      .filter(([name]) => name !== 'X-Amz-Signature')
      .map(([name, value]) => `${escapeUri(name)}=${escapeUri(value)}`)
      .sort()
      .join('&')
    const canonical = [method, path, canonicalQuery, `host:${headers.host}\n`, 'host', 'UNSIGNED-PAYLOAD'].join('\n')
    const toSign = ['AWS4-HMAC-SHA256', signedAt, scope, sha256(Buffer.from(canonical), 'hex')].join('\n')
    const key = scope
      .split('/')
      .reduce<string | Buffer>((key, part) => hmac(key, part), `AWS4${credentials.secretAccessKey}`)
    if (hmac(key, toSign).toString('hex') !== presigned) throw new S3Error(403, 'SignatureDoesNotMatch')
  }

  function route({ method, path, query, headers }: S3Request, body: Buffer): Reply {
    const name = decodeURIComponent(path.slice(1)).replace(/\/$/, '')
    const uploadId = query.get('uploadId')
    if (!name.includes('/')) return listObjects(name, query)
    if (method === 'POST' && query.has('uploads')) return createUpload(name, headers)
    if (uploadId !== null) {
      const upload = uploads.get(uploadId)
      if (upload?.name !== name) throw new S3Error(404, 'NoSuchUpload')
      if (method === 'PUT') return addPart(upload, Number(query.get('partNumber')), body)
      uploads.delete(uploadId)
      if (method === 'DELETE') return reply(204)
      try {
        return completeUpload(upload, headers, body.toString())
      } catch (error) {
        uploads.set(uploadId, upload)
        throw error
      }
    }
    if (method === 'PUT') return storeObject(name, { bytes: body, headers: amzHeaders(headers) }, headers)
    if (method === 'DELETE') return deleteObject(name)
    return getObject(name, headers, query)
  }

  function storeObject(name: string, object: S3Object, headers: S3Request['headers']): Reply {
    if (headers['if-none-match'] === '*' && objects.has(name)) throw new S3Error(412, 'PreconditionFailed')
    objects.set(name, object)
    return reply(200, '', { etag: etagOf(object.bytes), ...encryptionOf(object.headers) })
  }

  function deleteObject(name: string): Reply {
    objects.delete(name)
    return reply(204)
  }

  function getObject(name: string, headers: S3Request['headers'], query: URLSearchParams): Reply {
    const object = objects.get(name)
    if (!object) throw new S3Error(404, 'NoSuchKey')
    const disposition = query.get('response-content-disposition')
    const always = {
      ...object.headers,
      etag: etagOf(object.bytes),
      ...(disposition && { 'content-disposition': disposition }),
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
    if (!range) return reply(200, object.bytes, { ...always, 'x-amz-checksum-crc32': crc32Base64(object.bytes) })
    const from = Number(range[1])
    const to = Math.min(range[2] ? Number(range[2]) : Infinity, object.bytes.length - 1)
    if (from > to) throw new S3Error(416, 'InvalidRange')
    const contentRange = `bytes ${from}-${to}/${object.bytes.length}`
    return reply(206, object.bytes.subarray(from, to + 1), { ...always, 'content-range': contentRange })
  }

  function listObjects(bucket: string, query: URLSearchParams): Reply {
    const all = [...objects.keys()].filter((name) => name.startsWith(`${bucket}/`))
    const after = query.get('continuation-token') ?? ''
    const keys = all
      .map((name) => name.slice(bucket.length + 1))
      .filter((key) => key.startsWith(query.get('prefix') ?? '') && key > after)
      .sort()
    const page = keys.slice(0, Math.min(Number(query.get('max-keys') ?? keysPerPage), keysPerPage))
    const isTruncated = page.length < keys.length
    const next = isTruncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
    const contents = page.map((key) => `<Contents><Key>${key}</Key></Contents>`).join('')
    return xml(`<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${next}${contents}</ListBucketResult>`)
  }

  function createUpload(name: string, headers: S3Request['headers']): Reply {
    const id = randomUUID()
    const checksumAlgorithm = headers['x-amz-checksum-algorithm']
    uploads.set(id, { name, headers: amzHeaders(headers), parts: new Map(), needsChecksums: checksumAlgorithm !== undefined }) // prettier-ignore
    return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
  }

  function addPart(upload: S3Upload, number: number, body: Buffer): Reply {
    upload.parts.set(number, body)
    return reply(200, '', {
      etag: etagOf(body),
      ...(!keepsChecksums && { 'x-amz-checksum-crc32': crc32Base64(body) }),
    })
  }

  function completeUpload(upload: S3Upload, headers: S3Request['headers'], body: string): Reply {
    const listed = [...body.matchAll(/<Part>.*?<\/Part>/gs)].map(([part]) => {
      const number = Number(/<PartNumber>(\d+)</.exec(part)?.[1])
      const bytes = upload.parts.get(number)
      if (!bytes || !part.includes(etagOf(bytes).replaceAll('"', ''))) throw new S3Error(400, 'InvalidPart')
      if (upload.needsChecksums && !part.includes('<Checksum'))
        throw new S3Error(400, 'InvalidRequest', 'The upload was created using a checksum, and a part names none')
      return bytes
    })
    if (listed.slice(0, -1).some((part) => part.length < 5 * 1024 * 1024)) throw new S3Error(400, 'EntityTooSmall')
    storeObject(upload.name, { bytes: Buffer.concat(listed), headers: upload.headers }, headers)
    return xml('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
  }

  const kept = ignoresKms ? /^x-amz-meta-/ : /^x-amz-(meta-|server-side-encryption)/
  function amzHeaders(headers: S3Request['headers']): Record<string, string> {
    return Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => (kept.test(name) ? [[name, String(value)]] : [])),
    )
  }

  return {
    endpoint: `http://127.0.0.1:${port}`,
    credentials,
    region,
    objects,
    uploads,
    requests,
    faults,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Reply {
  status: number
  headers: Record<string, string>
  body: Buffer
}

function reply(status: number, body: Buffer | string = '', headers: Record<string, string> = {}): Reply {
  return { status, headers, body: Buffer.from(body) }
}

function xml(body: string): Reply {
  return reply(200, `<?xml version="1.0" encoding="UTF-8"?>${body}`, { 'content-type': 'application/xml' })
}

function sendError(response: ServerResponse, { status, code, message }: S3Error): void {
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`)
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** What the headers say of the body as it was sent. */
function checkBody({ headers }: S3Request, body: Buffer): void {
  const sent = String(headers['x-amz-content-sha256'] ?? '')
  if (/^[0-9a-f]{64}$/.test(sent) && sent !== sha256(body, 'hex')) throw new S3Error(400, 'XAmzContentSHA256Mismatch')
  for (const name of Object.keys(headers)) checkChecksum(name, String(headers[name]), body)
}

/** The object's bytes: framing, where there is any, is taken off and its trailer verified. */
function decodeBody({ headers }: S3Request, body: Buffer): Buffer {
  const isFramed = String(headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-')
  if (!isFramed) return body
  const chunks: Buffer[] = []
  let at = 0
  const readLine = () => {
    const end = body.indexOf('\r\n', at)
    if (end < 0) throw new S3Error(400, 'IncompleteBody')
    const line = body.toString('latin1', at, end)
    at = end + 2
    return line
  }
  for (;;) {
    const size = Number.parseInt(readLine(), 16)
    if (!Number.isInteger(size)) throw new S3Error(400, 'InvalidChunkSizeError')
    if (size === 0) break
    chunks.push(body.subarray(at, at + size))
    at += size
    if (readLine() !== '') throw new S3Error(400, 'IncompleteBody')
  }
  const bytes = Buffer.concat(chunks)
  if (Number(headers['x-amz-decoded-content-length']) !== bytes.length) throw new S3Error(400, 'IncompleteBody')
  const trailers = new Map<string, string>()
  for (let line = readLine(); line !== ''; line = readLine()) {
    const [name = '', value = ''] = line.split(/:(.*)/)
    trailers.set(name, value.trim())
  }
  const announced = headers['x-amz-trailer']
  if (typeof announced === 'string' && !trailers.has(announced)) throw new S3Error(400, 'MalformedTrailerError')
  for (const [name, value] of trailers) checkChecksum(name, value, bytes)
  return bytes
}

function checkChecksum(name: string, value: string, bytes: Buffer): void {
  const isChecksum = /^x-amz-checksum-(?!algorithm|mode|type)/.test(name)
  if (!isChecksum) return
  const expected = { 'x-amz-checksum-crc32': crc32Base64(bytes), 'x-amz-checksum-sha256': sha256(bytes, 'base64') }[
    name
  ]
  if (expected === undefined) throw new S3Error(501, 'NotImplemented', `${name} is not verified here`)
  if (value !== expected) throw new S3Error(400, 'BadDigest')
}

function encryptionOf(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-server-side-encryption')))
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`
}

function sha256(bytes: Buffer, encoding: 'hex' | 'base64'): string {
  return createHash('sha256').update(bytes).digest(encoding)
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

function crc32Base64(bytes: Buffer): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return sum.toString('base64')
}

function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
}
