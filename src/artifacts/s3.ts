/**
 * Artifacts in an S3 bucket, or in anything that speaks S3. Conditional writes (If-None-Match) make sure that nothing
 * is overwritten. When a process was killed during an upload, the bucket's lifecycle rule must remove the parts.
 */
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { checkKey, checkPrefix, measure, ArtifactExists, ArtifactMissing, StoreUnavailable } from './artifact.ts'
import type { ArtifactStore, StoredArtifact } from './artifact.ts'

export interface S3Options {
  /** The address of a service other than AWS. Objects are addressed as endpoint/bucket/key. */
  s3Endpoint?: string
  /** Encrypts every object under this KMS key. */
  s3KmsKeyId?: string
  /** Default: the region that the AWS SDK finds; us-east-1 with an endpoint. */
  s3Region?: string
  /** Default: the credentials that the AWS SDK finds. */
  s3Credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  /** How long a connection may stay silent, three times over, before the operation fails. Default 20 s. */
  s3TimeoutMs?: number
}

// Each upload has two parts in memory. S3 takes 10 000 parts, so 80 GB.
const PART_BYTES = 8 * 1024 * 1024
const PARTS_AT_ONCE = 2
const CHECK_TIMEOUT_MS = 5_000

export function openS3Store(bucket: string, prefix: string, options: S3Options): ArtifactStore {
  if (prefix) checkKey(prefix)
  const root = prefix ? `${prefix}/` : ''
  const timeoutMs = options.s3TimeoutMs ?? 20_000
  const client = new S3Client({
    ...(options.s3Endpoint && { endpoint: options.s3Endpoint, forcePathStyle: true, region: 'us-east-1' }),
    ...(options.s3Region && { region: options.s3Region }),
    ...(options.s3Credentials && { credentials: options.s3Credentials }),
    maxAttempts: 3,
    requestHandler: { connectionTimeout: Math.min(timeoutMs, 5_000), socketTimeout: timeoutMs },
  })

  function addressOf(key: string) {
    checkKey(key)
    return { Bucket: bucket, Key: `${root}${key}` }
  }

  function plainError(error: unknown): StoreUnavailable {
    return new StoreUnavailable(`S3 bucket ${bucket}: ${reasonOf(error)}`, { cause: error })
  }

  /**
   * A put whose answer was lost is tried again and then refused because of its own object. The mark tells that the
   * object is its own.
   */
  async function isStoredWith(mark: string, key: string): Promise<boolean> {
    const found = await client.send(new HeadObjectCommand(addressOf(key)))
    return found.Metadata?.['put'] === mark
  }

  async function abort(key: string, { uploadId }: Upload): Promise<void> {
    if (!uploadId) return
    // The upload has failed already, and the caller must hear of that failure. The upload may also be gone by now.
    await client.send(new AbortMultipartUploadCommand({ ...addressOf(key), UploadId: uploadId })).catch(() => undefined)
  }

  async function upload(key: string, body: Readable): Promise<StoredArtifact> {
    const measured = measure(body)
    const mark = randomUUID()
    const uploading = new Upload({
      client,
      params: {
        ...addressOf(key),
        // Parts reach the client as buffers. A stream would be sent in aws-chunked framing, which some servers store.
        Body: Readable.from(measured.chunks),
        IfNoneMatch: '*',
        Metadata: { put: mark },
        ...(options.s3KmsKeyId && { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: options.s3KmsKeyId }),
      },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
      leavePartsOnError: true, // It does not abort when completing fails, so abort() below does it in every case.
    })
    try {
      await uploading.done()
    } catch (error) {
      const isAnswerLost = mayBeOurs(error) && (await isStoredWith(mark, key).catch(() => false))
      if (!isAnswerLost) {
        await abort(key, uploading)
        if (isTaken(error)) throw new ArtifactExists(key)
        throw body.errored ?? plainError(error)
      }
    }
    return measured.result()
  }

  return {
    async put(key, body) {
      try {
        return await upload(key, body)
      } finally {
        body.destroy()
      }
    },

    async get(key) {
      try {
        const { Body } = await client.send(new GetObjectCommand(addressOf(key)))
        if (Body instanceof Readable) {
          // A connection that breaks before anybody reads must not end the process. A later reader gets the error.
          Body.on('error', () => undefined)
          return Body
        }
      } catch (error) {
        throw isMissing(error) ? new ArtifactMissing(key) : plainError(error)
      }
      throw new StoreUnavailable(`S3 bucket ${bucket}: no body in the answer`)
    },

    async find(key) {
      try {
        const { ContentLength } = await client.send(new HeadObjectCommand(addressOf(key)))
        return { sizeBytes: ContentLength ?? 0 }
      } catch (error) {
        if (isMissing(error)) return undefined
        throw plainError(error)
      }
    },

    async *list(prefix) {
      checkPrefix(prefix)
      try {
        for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: `${root}${prefix}` })) {
          for (const { Key } of page.Contents ?? []) if (Key) yield Key.slice(root.length)
        }
      } catch (error) {
        throw plainError(error)
      }
    },

    async delete(key) {
      try {
        await client.send(new DeleteObjectCommand(addressOf(key)))
      } catch (error) {
        throw plainError(error)
      }
    },

    async presign(key, { expiresInSeconds, filename }) {
      const disposition = `attachment; filename="${filename.replace(/[^A-Za-z0-9._-]/g, '_')}"`
      const command = new GetObjectCommand({ ...addressOf(key), ResponseContentDisposition: disposition })
      return await getSignedUrl(client, command, { expiresIn: expiresInSeconds })
    },

    async check() {
      // Needs no right that list() does not need. Unlike HeadBucket, its refusal has a reason.
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: root, MaxKeys: 1 })
      try {
        await client.send(command, { abortSignal: AbortSignal.timeout(CHECK_TIMEOUT_MS) })
      } catch (error) {
        throw plainError(error)
      }
    },
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof S3ServiceException && (error.name === 'NoSuchKey' || error.name === 'NotFound')
}

/** 412: the key exists. 409: another put of it is being completed. */
function isTaken(error: unknown): boolean {
  const names = ['PreconditionFailed', 'ConditionalRequestConflict']
  return error instanceof S3ServiceException && names.includes(error.name)
}

/** The errors that a second try meets when the first one stored the object. */
function mayBeOurs(error: unknown): boolean {
  return isTaken(error) || (error instanceof S3ServiceException && error.name === 'NoSuchUpload')
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'AbortError') return `no answer within ${CHECK_TIMEOUT_MS / 1000} s`
  // A refused connection to a name with several addresses has no message of its own.
  const code = 'code' in error ? String(error.code) : error.name
  return error.message ? `${error.name}: ${error.message}` : code
}
