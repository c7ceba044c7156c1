import { spawnSync } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ArtifactExists, ArtifactMissing, openStore, StoreUnavailable } from '../src/artifacts/store.ts'
import type { ArtifactStore } from '../src/artifacts/store.ts'
import { startS3Server } from './s3-server.ts'
import type { S3Fault, S3Server } from './s3-server.ts'

const MiB = 1024 * 1024

interface Backend {
  store: ArtifactStore
  /** Whatever an unfinished put could have left, in the store's own terms. */
  leftovers?: () => Promise<string[]>
  close(): Promise<void>
}

const backends: Record<string, () => Promise<Backend>> = {
  async filesystem() {
    const directory = await mkdtemp(join(tmpdir(), 'artifacts-'))
    return {
      store: openStore(pathToFileURL(directory).href),
      leftovers: () => readdir(join(directory, '~incoming')),
      close: () => rm(directory, { recursive: true }),
    }
  },
  async 's3 on loopback'() {
    const server = await startS3Server({ keysPerPage: 3 })
    return {
      store: openS3(server),
      leftovers: async () => [...server.uploads.keys()],
      close: () => server.close(),
    }
  },
}

const realBucket = process.env['TEST_S3_URL']
if (realBucket) {
  backends['a real bucket'] = async () => {
    const store = openStore(`${realBucket}/ocpctl-test-${randomUUID()}`, {
      ...(process.env['TEST_S3_ENDPOINT'] && { s3Endpoint: process.env['TEST_S3_ENDPOINT'] }),
    })
    return {
      store,
      async close() {
        for await (const key of store.list('')) await store.delete(key)
      },
    }
  }
}

for (const [name, openBackend] of Object.entries(backends)) {
  describe(`artifact store: ${name}`, () => {
    let backend: Backend
    let store: ArtifactStore
    const read = async (key: string) => await buffer(await store.get(key))
    const put = (key: string, bytes: Buffer | string) => store.put(key, Readable.from([Buffer.from(bytes)]))
    const keysUnder = async (prefix: string) => await Array.fromAsync(store.list(prefix))

    beforeAll(async () => {
      backend = await openBackend()
      store = backend.store
    })
    afterAll(() => backend.close())

    test.each([0, 1, 5 * MiB - 1, 5 * MiB, 5 * MiB + 1, 8 * MiB, 12 * MiB])(
      'gives back %i bytes',
      async (sizeBytes) => {
        const bytes = randomBytes(sizeBytes)
        const key = `sizes/${sizeBytes}`
        const stored = await store.put(key, Readable.from(pieces(bytes)))
        expect(stored).toEqual({ sizeBytes, sha256: createHash('sha256').update(bytes).digest('hex') })
        expect((await read(key)).equals(bytes)).toBe(true)
        expect(await store.find(key)).toEqual({ sizeBytes })
      },
    )

    test.each([3, 9 * MiB])('never overwrites (%i bytes)', async (sizeBytes) => {
      const key = `once/${sizeBytes}`
      const first = randomBytes(sizeBytes)
      await put(key, first)
      await expect(put(key, randomBytes(sizeBytes))).rejects.toThrow(ArtifactExists)
      expect((await read(key)).equals(first)).toBe(true)
      expect(await backend.leftovers?.()).toEqual(backend.leftovers && [])
    })

    test.each([3, 9 * MiB])('lets exactly one of two concurrent puts win (%i bytes)', async (sizeBytes) => {
      const key = `race/${sizeBytes}`
      const bodies = [randomBytes(sizeBytes), randomBytes(sizeBytes)]
      const results = await Promise.allSettled(bodies.map((body) => put(key, body)))
      const winner = results.findIndex((each) => each.status === 'fulfilled')
      const [refusal] = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
      expect(refusal).toBeInstanceOf(ArtifactExists)
      expect((await read(key)).equals(bodies[winner] ?? Buffer.alloc(0))).toBe(true)
    })

    test.each([1, 20 * MiB])('a body that fails after %i bytes leaves nothing', async (sizeBytes) => {
      const key = `broken/${sizeBytes}`
      const failure = new Error('the disk of the sender broke')
      const body = Readable.from(
        (function* () {
          yield* pieces(randomBytes(sizeBytes))
          throw failure
        })(),
      )
      await expect(store.put(key, body)).rejects.toBe(failure)
      expect(await store.find(key)).toBeUndefined()
      expect(await backend.leftovers?.()).toEqual(backend.leftovers && [])
      await put(key, 'second try')
    })

    test('tells what is missing', async () => {
      await put('deep/er/key', 'x')
      for (const key of ['no/such/key', 'deep/er', 'deep/er/key/below']) {
        expect(await store.find(key)).toBeUndefined()
        await expect(store.get(key)).rejects.toThrow(ArtifactMissing)
        await store.delete(key)
      }
      expect((await read('deep/er/key')).toString()).toBe('x')
    })

    test('deletes, and deletes again', async () => {
      await put('short-lived', 'x')
      await store.delete('short-lived')
      await store.delete('short-lived')
      expect(await store.find('short-lived')).toBeUndefined()
      await put('short-lived', 'y')
    })

    test('lists by prefix, in byte order, across pages', async () => {
      const keys = [
        'list/a',
        'list/a-b',
        'list/a.b',
        'list/b/1',
        'list/b/2',
        'list/b/sub/3',
        'list/b0',
        'list/c',
        'list2/a',
      ]
      for (const key of keys.toReversed()) await put(key, key)
      expect(await keysUnder('list/')).toEqual(keys.slice(0, -1))
      expect(await keysUnder('list/b')).toEqual(keys.filter((key) => key.startsWith('list/b')))
      expect(await keysUnder('list')).toEqual(keys)
      expect(await keysUnder('nothing/')).toEqual([])
      expect(await keysUnder('')).toEqual((await keysUnder('')).sort())
    })

    test.each(['', '/a', 'a/', 'a//b', '..', 'a/../b', './a', 'a b', 'a\\b', 'ä', 'a\0', '~incoming/a'])(
      'refuses the key %j',
      async (key) => {
        const message = /bad artifact key/
        const body = Readable.from(['x'])
        await expect(store.put(key, body)).rejects.toThrow(message)
        expect(body.destroyed).toBe(true)
        await expect(store.get(key)).rejects.toThrow(message)
        await expect(store.find(key)).rejects.toThrow(message)
        await expect(store.delete(key)).rejects.toThrow(message)
      },
    )

    test('a presigned URL downloads without credentials', async () => {
      const bytes = randomBytes(1000)
      await put('log.txt', bytes)
      const url = await store.presign('log.txt', { expiresInSeconds: 60, filename: 'demo "1".log' })
      if (name === 'filesystem') return expect(url).toBeUndefined()
      const response = await fetch(url ?? '')
      expect(response.status).toBe(200)
      expect(response.headers.get('content-disposition')).toBe('attachment; filename="demo__1_.log"')
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
      expect((await fetch((url ?? '').replace('log.txt', 'short-lived'))).status).toBe(403)
    })

    test('is ready', async () => {
      await store.check()
      expect(await backend.leftovers?.()).toEqual(backend.leftovers && [])
    })
  })
}

describe('artifact store on files', () => {
  test('keeps files and directories from other users, and removes what a killed process left', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'artifacts-'))
    const abandoned = join(directory, '~incoming', 'abandoned')
    await mkdir(join(directory, '~incoming'))
    await writeFile(abandoned, 'half a body')
    await utimes(abandoned, new Date(0), new Date(0))
    const store = openStore(pathToFileURL(directory).href)
    await store.put('a/b/c', Readable.from(['x']))
    expect((await stat(join(directory, 'a/b/c'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(directory, 'a/b'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(directory, '~incoming'))).toEqual([])
    await rm(directory, { recursive: true })
  })

  test('a directory that cannot be used is a plain error', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'artifacts-'))
    await writeFile(join(directory, 'file'), '')
    const store = openStore(pathToFileURL(join(directory, 'file')).href)
    await expect(store.put('a', Readable.from(['x']))).rejects.toThrow(StoreUnavailable)
    await expect(store.check()).rejects.toThrow(/^artifact directory .*file: /)
    await rm(directory, { recursive: true })
  })

  // Neither needs privileges. Where nothing can be mounted, the limit on the size of files has to do.
  const disk = `unshare -Urm sh -c 'mount -t tmpfs -o size=1m disk "$1" && exec node --input-type=module -e "$0" "$1"'`
  const limit = 'ulimit -f 1000 && exec node --input-type=module -e'
  const canMount = spawnSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'disk', tmpdir()]).status === 0
  test.each([...(canMount ? [['no space left', disk]] : []), ['file too large', limit]])(
    'a body that does not fit leaves nothing: %s',
    async (reason, shell) => {
      const directory = await mkdtemp(join(tmpdir(), 'artifacts-'))
      const script = `
      import { readdirSync } from 'node:fs'
      import { Readable } from 'node:stream'
      import { openStore } from ${JSON.stringify(fileURLToPath(new URL('../src/artifacts/store.ts', import.meta.url)))}
      const [directory] = process.argv.slice(1)
      const store = openStore('file://' + directory)
      const body = Readable.from(Array(30).fill(Buffer.alloc(100_000)))
      const error = await store.put('a', body).catch((error) => error)
      console.log(error.name, error.message, readdirSync(directory + '/~incoming'), await store.find('a'))`
      const { stdout, stderr } = spawnSync('sh', ['-c', `${shell} "$0" "$1"`, script, directory], { encoding: 'utf8' })
      expect(stderr).toBe('')
      expect(stdout).toMatch(new RegExp(`^StoreUnavailable artifact directory .*: .*${reason}.* \\[\\] undefined\n$`))
      await rm(directory, { recursive: true })
    },
  )
})

describe('artifact store on S3, when things go wrong', () => {
  let server: S3Server
  const body = randomBytes(9 * MiB)
  const putWith = async (key: string, fault: S3Fault, bytes = body) => {
    server.faults.push(fault)
    // Only a stall is meant to run into it.
    const s3TimeoutMs = fault.how === 'stall' ? 1500 : 20_000
    return await openS3(server, { s3TimeoutMs }).put(key, Readable.from(pieces(bytes)))
  }

  beforeAll(async () => {
    server = await startS3Server()
  })
  afterEach(() => {
    server.faults.length = 0
  })
  afterAll(() => server.close())

  test.each<S3Fault['how']>(['500', 'drop', 'stall'])('a passing fault (%s) is retried', async (how) => {
    await putWith(`retried/${how}`, { how, times: 2 })
    expect(server.objects.get(`bucket/prefix/retried/${how}`)?.bytes.equals(body)).toBe(true)
  })

  test.each([
    ['small', 100],
    ['multipart', 9 * MiB],
  ])('a put whose answer is lost is not taken for another (%s)', async (name, sizeBytes) => {
    const storesIt: S3Fault['when'] = ({ method, query }) =>
      method === 'POST' ? query.has('uploadId') : query.size < 2
    await putWith(`lost/${name}`, { how: 'lose-answer', times: 1, when: storesIt }, body.subarray(0, sizeBytes))
    expect(server.faults.at(-1)?.times).toBe(0)
    expect(server.objects.get(`bucket/prefix/lost/${name}`)?.bytes.length).toBe(sizeBytes)
  })

  test.each<[string, NonNullable<S3Fault['when']>]>([
    ['part', ({ query }) => query.has('partNumber')],
    ['completion', ({ method, query }) => method === 'POST' && query.has('uploadId')],
  ])('an upload whose %s fails for good is aborted', async (name, when) => {
    const put = putWith(`failed/${name}`, { how: '500', times: 100, when })
    await expect(put).rejects.toThrow('S3 bucket bucket: InternalError: told to fail')
    server.faults.length = 0
    expect(server.uploads.size).toBe(0)
    expect(server.objects.has(`bucket/prefix/failed/${name}`)).toBe(false)
  })

  test('a download cut half-way is an error, not a short file', async () => {
    const store = openS3(server)
    await store.put('cut', Readable.from(pieces(body)))
    server.faults.push({ how: 'cut-body', times: 1 })
    await expect(store.get('cut').then(buffer)).rejects.toThrow()
  })

  test('an endpoint that refuses, and one that never answers, fail within seconds', async () => {
    const silent = createServer()
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    // It listens on a port, so the address is not a pipe's name.
    const silentEndpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    for (const s3Endpoint of ['http://127.0.0.1:1', silentEndpoint]) {
      const store = openS3(server, { s3Endpoint, s3TimeoutMs: 100 })
      const source = Readable.from(pieces(body))
      const startedAt = Date.now()
      await expect(store.put('a', source)).rejects.toThrow(StoreUnavailable)
      await expect(store.get('a')).rejects.toThrow(StoreUnavailable)
      await expect(store.check()).rejects.toThrow(/^S3 bucket bucket: /)
      expect(source.destroyed).toBe(true)
      expect(Date.now() - startedAt).toBeLessThan(30_000)
    }
    silent.close()
  })

  test('wrong credentials are named as the reason', async () => {
    const s3Credentials = { accessKeyId: 'AKIAOTHER', secretAccessKey: 'x' }
    await expect(openS3(server, { s3Credentials }).check()).rejects.toThrow(/AccessDenied/)
  })

  const KEY = 'arn:aws:kms:us-east-1:1:key/k'

  test.each([100, 9 * MiB])('asks for KMS encryption under the given key (%i bytes)', async (sizeBytes) => {
    const store = openS3(server, { s3KmsKeyId: KEY })
    await store.put(`kms/${sizeBytes}`, Readable.from(pieces(body.subarray(0, sizeBytes))))
    expect(server.objects.get(`bucket/prefix/kms/${sizeBytes}`)?.headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': KEY,
    })
  })

  test.each([100, 9 * MiB])('a server that ignores the key stores nothing (%i bytes)', async (sizeBytes) => {
    const unencrypted = await startS3Server({ ignoresKms: true })
    const store = openS3(unencrypted, { s3KmsKeyId: KEY })
    const put = store.put('plain', Readable.from(pieces(body.subarray(0, sizeBytes))))
    await expect(put).rejects.toThrow(/not encrypted under OCPCTL_S3_KMS_KEY_ID: the server answers with nothing/)
    expect(unencrypted.objects.size).toBe(0)
    await unencrypted.close()
  })

  test.each([
    ['its ARN', KEY, KEY],
    ['its id', 'k', KEY],
    ['an alias, which the answer does not name', 'alias/artifacts', KEY],
    ['the ARN of an alias', 'arn:aws:kms:us-east-1:1:alias/artifacts', KEY],
    ['another key', 'arn:aws:kms:us-east-1:1:key/other', undefined],
  ])('the answer names the key by its ARN: asked for by %s', async (_, s3KmsKeyId, accepted) => {
    const answering = createHttpServer((_request, response) =>
      response
        .writeHead(200, {
          'x-amz-server-side-encryption': 'aws:kms',
          'x-amz-server-side-encryption-aws-kms-key-id': KEY,
        })
        .end(),
    )
    await new Promise<void>((resolve) => answering.listen(0, '127.0.0.1', resolve))
    // It listens on a port, so the address is not a pipe's name.
    const s3Endpoint = `http://127.0.0.1:${(answering.address() as AddressInfo).port}`
    const put = openS3(server, { s3Endpoint, s3KmsKeyId }).put('a', Readable.from(['x']))
    if (accepted) expect(await put).toMatchObject({ sizeBytes: 1 })
    else await expect(put).rejects.toThrow(`the server answers with ${KEY}`)
    answering.close()
  })

  test('a server that does not return the checksums of parts stores what has several parts', async () => {
    const other = await startS3Server({ keepsChecksums: true })
    await openS3(other).put('parts', Readable.from(pieces(body)))
    expect(other.objects.get('bucket/prefix/parts')?.bytes.equals(body)).toBe(true)
    const checksums = other.requests.flatMap(({ headers }) => Object.keys(headers).filter((name) => /checksum/.test(name))) // prettier-ignore
    expect(checksums).toEqual([])
    await other.close()
  })

  test('the region counts beside an endpoint', async () => {
    const far = await startS3Server({ region: 'eu-central-1' })
    await openS3(far).check()
    const wrong = openS3(far, { s3Region: 'us-east-1' }).check()
    await expect(wrong).rejects.toThrow(/expecting 'eu-central-1' \(set AWS_REGION to the region of the bucket\)/)
    await far.close()
  })

  test('refuses a URL that is neither a directory nor a bucket', () => {
    for (const url of ['/tmp', 'https://bucket', 's3://', 's3://UPPER/x', 's3://bucket/../x']) {
      expect(() => openStore(url)).toThrow()
    }
  })
})

describe('the S3 server itself', () => {
  let server: S3Server
  const send = async (headers: Record<string, string>, body: string) =>
    await fetch(`${server.endpoint}/bucket/framed`, {
      method: 'PUT',
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=${server.credentials.accessKeyId}/x, Signature=${'0'.repeat(64)}`,
        ...headers,
      },
      body,
    })
  const framed = {
    'content-encoding': 'aws-chunked',
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': '9',
    'x-amz-trailer': 'x-amz-checksum-crc32',
  }
  // The check value that every description of CRC-32 gives for 123456789.
  const crcOf123456789 = Buffer.from('cbf43926', 'hex').toString('base64')

  beforeAll(async () => {
    server = await startS3Server()
  })
  afterAll(() => server.close())

  test('takes aws-chunked framing off and verifies its trailer', async () => {
    const body = `5\r\n12345\r\n4\r\n6789\r\n0\r\nx-amz-checksum-crc32:${crcOf123456789}\r\n\r\n`
    expect((await send(framed, body)).status).toBe(200)
    expect(server.objects.get('bucket/framed')?.bytes.toString()).toBe('123456789')
    expect((await send(framed, body.replace('12345', '12346'))).status).toBe(400)
    expect((await send(framed, body.replace(/x-amz.*\r\n/, ''))).status).toBe(400)
    expect((await send(framed, body.slice(0, 20))).status).toBe(400)
  })

  test('verifies checksums in headers', async () => {
    expect((await send({ 'x-amz-checksum-crc32': crcOf123456789 }, '123456789')).status).toBe(200)
    expect((await send({ 'x-amz-checksum-crc32': crcOf123456789 }, '123456780')).status).toBe(400)
  })

  test('answers ranges', async () => {
    await send({}, '123456789')
    const headers = { authorization: `AWS4-HMAC-SHA256 Credential=AKIALOOPBACK/x, Signature=${'0'.repeat(64)}` }
    const response = await fetch(`${server.endpoint}/bucket/framed`, { headers: { ...headers, range: 'bytes=2-4' } })
    expect([response.status, await response.text()]).toEqual([206, '345'])
    expect((await fetch(`${server.endpoint}/bucket/framed`)).status).toBe(403)
  })
})

function openS3(server: S3Server, options: Parameters<typeof openStore>[1] = {}): ArtifactStore {
  return openStore('s3://bucket/prefix', {
    s3Endpoint: server.endpoint,
    s3Region: server.region,
    s3Credentials: server.credentials,
    ...options,
  })
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
}
