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
  s3Endpoint?: string | undefined
  /** Encrypts every object under this KMS key. */
  s3KmsKeyId?: string | undefined
  /** Default: the region that the AWS SDK finds; us-east-1 where it finds none for an endpoint. */
  s3Region?: string | undefined
  /** Default: the credentials of the profile. */
  s3Credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined
  /** A profile of the AWS configuration files. Default: what the AWS SDK finds. */
  s3Profile?: string | undefined
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
  const found = options.s3Profile === undefined ? {} : { profile: options.s3Profile }
  const client = new S3Client({
    ...found,
    ...(options.s3Endpoint && { endpoint: options.s3Endpoint, ...elsewhere(new S3Client(found)) }),
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

  const head = (key: string) => client.send(new HeadObjectCommand(addressOf(key)))

  /** The server is not believed: one that knows no KMS takes the request, and stores the object as it is. */
  async function requireKmsKey(key: string, answer: Encrypted): Promise<void> {
    const { s3KmsKeyId } = options
    if (!s3KmsKeyId) return
    // Some servers tell it only of the object.
    const told = answer.ServerSideEncryption ? answer : await head(key)
    if (isUnderKey(told, s3KmsKeyId)) return
    await client.send(new DeleteObjectCommand(addressOf(key)))
    const how = told.SSEKMSKeyId ?? told.ServerSideEncryption ?? 'nothing'
    throw new Error(`objects are not encrypted under OCPCTL_S3_KMS_KEY_ID: the server answers with ${how}`)
  }

  async function send(key: string, uploading: Upload, mark: string): Promise<Encrypted> {
    try {
      return await uploading.done()
    } catch (error) {
      // A put whose answer was lost is tried again and then refused because of its own object, which the mark tells.
      const found = mayBeOurs(error) ? await head(key).catch(() => undefined) : undefined
      if (found?.Metadata?.['put'] !== mark) throw error
      return found
    }
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
      await requireKmsKey(key, await send(key, uploading, mark))
    } catch (error) {
      await abort(key, uploading)
      if (isTaken(error)) throw new ArtifactExists(key)
      throw body.errored ?? plainError(error)
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

/** What holds for servers other than AWS's. */
function elsewhere(finder: S3Client) {
  return {
    forcePathStyle: true,
    // Many have no regions, and take the name of the first one of AWS.
    region: () => finder.config.region().catch(() => 'us-east-1'),
    // Some do not return the checksums of parts, and then refuse to complete the upload without them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  } as const
}

type Encrypted = { ServerSideEncryption?: string | undefined; SSEKMSKeyId?: string | undefined }

/** The answer names the key by its ARN, however it was named. Which key an alias stands for is not known here. */
function isUnderKey({ ServerSideEncryption, SSEKMSKeyId }: Encrypted, keyId: string): boolean {
  if (ServerSideEncryption !== 'aws:kms' || !SSEKMSKeyId) return false
  const nameOf = (id: string) => id.split(/[:/]/).at(-1)
  return /(^|:)alias\//.test(keyId) || nameOf(SSEKMSKeyId) === nameOf(keyId)
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

const REMEDIES: Record<string, string> = {
  NoSuchBucket: 'make the bucket, or correct OCPCTL_ARTIFACTS',
  InvalidAccessKeyId: 'correct OCPCTL_S3_ACCESS_KEY_ID, or what else the credentials come from',
  SignatureDoesNotMatch: 'correct OCPCTL_S3_SECRET_ACCESS_KEY, or what else the credentials come from',
  AuthorizationHeaderMalformed: 'set AWS_REGION to the region of the bucket',
  PermanentRedirect: 'set AWS_REGION to the region of the bucket',
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'AbortError') return `no answer within ${CHECK_TIMEOUT_MS / 1000} s`
  // A refused connection to a name with several addresses has no message of its own.
  const code = 'code' in error ? String(error.code) : error.name
  const remedy = REMEDIES[error.name]
  return `${error.message ? `${error.name}: ${error.message}` : code}${remedy ? ` (${remedy})` : ''}`
}
