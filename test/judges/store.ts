// The artifact store against S3 servers of others. What it promises is in src/artifacts/artifact.ts.
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { ArtifactExists, ArtifactMissing, openStore } from '../../src/artifacts/store.ts'
import { installGo, installPython, openVerdict, startProgram, type Judge, type Verdict } from './judge.ts'

const MiB = 1024 * 1024
const CREDENTIALS = { accessKeyId: 'AKIAJUDGED', secretAccessKey: 'judged-secret' }
const BUCKET = 'judged'
const KEY = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab'

/** `knows`: what the server looks at. A server that does not cannot say whether it was right. */
type Judged = {
  server: { url: string; stop: () => Promise<void> }
  region: string
  knows: Record<'credentials' | 'region' | 'kms' | 'races', boolean>
}

export const stores: Judge[] = [
  {
    name: 'versitygw 1.8.0, the artifact store',
    async judge(dir) {
      const program = await installGo(dir, 'github.com/versity/versitygw/cmd/versitygw@v1.8.0')
      const files = join(dir, 'files')
      const sidecar = join(dir, 'sidecar')
      for (const each of [files, sidecar]) mkdirSync(each)
      const region = 'eu-central-1'
      const server = await startProgram(
        program,
        (port) => ['--port', `127.0.0.1:${port}`, '--region', region, '--quiet', 'posix', '--sidecar', sidecar, files],
        { ROOT_ACCESS_KEY_ID: CREDENTIALS.accessKeyId, ROOT_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey },
      )
      const knows = { credentials: true, region: true, kms: false, races: true }
      return judgeStore({ server, region, knows })
    },
  },
  {
    name: 'moto 5.2.5, the artifact store',
    async judge(dir) {
      const bin = await installPython(dir, 'moto[server]==5.2.5')
      const server = await startProgram(join(bin, 'moto_server'), (port) => ['-H', '127.0.0.1', '-p', String(port)])
      // Two requests of its threads may both find that a key is free.
      const knows = { credentials: false, region: false, kms: true, races: false }
      return judgeStore({ server, region: 'us-east-1', knows })
    },
  },
]

async function judgeStore({ server, ...rest }: Judged): Promise<Verdict> {
  try {
    return await judgeStoreAt(server.url, rest)
  } finally {
    await server.stop()
  }
}

async function judgeStoreAt(endpoint: string, { region, knows }: Omit<Judged, 'server'>): Promise<Verdict> {
  const verdict = openVerdict()
  const { hold } = verdict
  const options = { s3Endpoint: endpoint, s3Region: region, s3Credentials: CREDENTIALS }
  const client = new S3Client({ endpoint, region, credentials: CREDENTIALS, forcePathStyle: true })
  await client.send(new CreateBucketCommand({ Bucket: BUCKET, ...(region !== 'us-east-1' && { CreateBucketConfiguration: { LocationConstraint: region as 'eu-central-1' } }) })) // prettier-ignore
  const store = openStore(`s3://${BUCKET}/state`, options)
  const put = (key: string, bytes: Buffer | string, at = store) => at.put(key, Readable.from(piecesOf(Buffer.from(bytes)))) // prettier-ignore
  const refusalOf = (promise: Promise<unknown>) => promise.then((value): unknown => ({ done: value }), (error: unknown) => error) // prettier-ignore
  const read = (key: string) => store.get(key).then(buffer, () => undefined)
  const keysUnder = (prefix: string) => Array.fromAsync(store.list(prefix))

  await store.check()
  for (const sizeBytes of [0, 1, 5 * MiB, 8 * MiB, 8 * MiB + 1, 20 * MiB]) {
    const bytes = randomBytes(sizeBytes)
    const key = `sizes/${sizeBytes}`
    const stored = await refusalOf(put(key, bytes))
    const back = await read(key)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    hold(`${sizeBytes} bytes come back`, JSON.stringify(stored) === JSON.stringify({ done: { sizeBytes, sha256 } }) && isBytes(back, bytes), stored) // prettier-ignore
    const found = await store.find(key)
    hold(`${sizeBytes} bytes are found`, found?.sizeBytes === sizeBytes, found)
    const again = await refusalOf(put(key, randomBytes(sizeBytes)))
    hold(`${sizeBytes} bytes are never overwritten`, again instanceof ArtifactExists && isBytes(await read(key), bytes), again) // prettier-ignore
  }

  for (const sizeBytes of knows.races ? [3, 9 * MiB] : []) {
    const bodies = [randomBytes(sizeBytes), randomBytes(sizeBytes), randomBytes(sizeBytes)]
    const ends = await Promise.all(bodies.map((bytes) => refusalOf(put(`race/${sizeBytes}`, bytes))))
    const winners = bodies.filter((_, index) => !(ends[index] instanceof Error))
    const stood = await read(`race/${sizeBytes}`)
    const isOne = winners.length === 1 && ends.filter((end) => end instanceof ArtifactExists).length === 2
    hold(`one of three puts of ${sizeBytes} bytes at once wins`, isOne && isBytes(stood, winners[0]), ends.map(String))
  }

  for (const sizeBytes of [1, 20 * MiB]) {
    const failure = new Error('the sender broke')
    const body = Readable.from(failingAfter(randomBytes(sizeBytes), failure))
    const told = await refusalOf(store.put(`broken/${sizeBytes}`, body))
    hold(`a body that fails after ${sizeBytes} bytes is told as it is`, told === failure, told)
    hold(`it leaves nothing`, (await store.find(`broken/${sizeBytes}`)) === undefined)
  }
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }))
  hold('no upload is left open', Uploads.length === 0, Uploads)

  const names = ['list/a', 'list/a-b', 'list/a.b', 'list/b/1', 'list/b/sub/3', 'list/b0', 'list2/a']
  for (const key of names.toReversed()) await put(key, key)
  const listed = await keysUnder('list')
  hold('keys are listed in byte order', JSON.stringify(listed) === JSON.stringify(names), listed)
  const many = Array.from({ length: 1001 }, (_, n) => `many/${String(n).padStart(4, '0')}`)
  for (let n = 0; n < many.length; n += 50) await Promise.all(many.slice(n, n + 50).map((key) => put(key, 'x')))
  const pages = await keysUnder('many/')
  hold('more keys than a page has are listed', JSON.stringify(pages) === JSON.stringify(many), pages.length)

  for (const key of ['no/such/key', 'list', 'list/a/below']) {
    const told = await refusalOf(store.get(key))
    hold(`${key} is missing`, told instanceof ArtifactMissing && (await store.find(key)) === undefined, told)
    hold(`${key} can be deleted all the same`, !((await refusalOf(store.delete(key))) instanceof Error))
  }
  await store.delete('list/a')
  hold('what is deleted is gone', (await store.find('list/a')) === undefined)
  hold('a deleted key is free', !((await refusalOf(put('list/a', 'y'))) instanceof Error))

  const url = (await store.presign('list/a', { expiresInSeconds: 60, filename: 'a "1".log' })) ?? ''
  const response = await fetch(url)
  const disposition = response.headers.get('content-disposition')
  hold('a presigned URL downloads', response.status === 200 && (await response.text()) === 'y', response.status)
  hold('it names the file', disposition === 'attachment; filename="a__1_.log"', disposition)

  const problemOf = async (bucket: string, more: object) => String(await refusalOf(openStore(`s3://${bucket}`, { ...options, ...more }).check())) // prettier-ignore
  const noBucket = await problemOf('no-such-bucket', {})
  hold('a bucket that is not there is told', noBucket.includes('NoSuchBucket') && noBucket.includes('make the bucket'), noBucket) // prettier-ignore
  if (knows.credentials) {
    const noSecret = await problemOf(BUCKET, { s3Credentials: { ...CREDENTIALS, secretAccessKey: 'wrong' } })
    hold('a wrong secret is told', noSecret.includes('correct OCPCTL_S3_SECRET_ACCESS_KEY'), noSecret)
    const nobody = await problemOf(BUCKET, { s3Credentials: { ...CREDENTIALS, accessKeyId: 'AKIANOBODY' } })
    hold('a wrong key id is told', /access key/i.test(nobody), nobody)
  }
  if (knows.region) {
    const elsewhere = await problemOf(BUCKET, { s3Region: 'us-east-1' })
    hold('a wrong region is told', elsewhere.includes('set AWS_REGION'), elsewhere)
  }

  const sealed = openStore(`s3://${BUCKET}/sealed`, { ...options, s3KmsKeyId: KEY })
  for (const sizeBytes of [3, 9 * MiB]) {
    const end = await refusalOf(put(`kms/${sizeBytes}`, randomBytes(sizeBytes), sealed))
    if (knows.kms) hold(`${sizeBytes} bytes are stored under the KMS key`, !(end instanceof Error), end)
    else {
      hold(`${sizeBytes} bytes are not stored without the KMS key`, end instanceof Error, end)
      hold(`and none are left`, (await sealed.find(`kms/${sizeBytes}`)) === undefined)
    }
  }
  return verdict
}

const isBytes = (value: Buffer | undefined, bytes: Buffer | undefined) =>
  value !== undefined && bytes !== undefined && value.equals(bytes)

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
}

function* failingAfter(bytes: Buffer, failure: Error): Generator<Buffer> {
  yield* piecesOf(bytes)
  throw failure
}
