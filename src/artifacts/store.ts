/**
 * Opens the place where state outlives its host. An artifact is written once, whole and durable, or it is not there. It
 * is never changed afterwards. Only this module decides and knows which vendor keeps it.
 */
import { fileURLToPath } from 'node:url'
import { ConfigError } from '../config.ts'
import type { ArtifactStore } from './artifact.ts'
import { openFilesystemStore } from './filesystem.ts'
import { openS3Store } from './s3.ts'
import type { S3Options } from './s3.ts'

// Callers import all of the port from here. Adapters import artifact.ts, so that imports have no circles.
export { ArtifactExists, ArtifactMissing, StoreUnavailable } from './artifact.ts'
export type { ArtifactStore, StoredArtifact } from './artifact.ts'

/** `file:///absolute/directory`, or `s3://bucket` or `s3://bucket/prefix`. */
export function openStore(url: string, options: S3Options = {}): ArtifactStore {
  if (url.startsWith('file://')) return openFilesystemStore(fileURLToPath(url))
  const s3 = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*?))?\/?$/.exec(url)
  if (s3?.[1]) return openS3Store(s3[1], s3[2] ?? '', options)
  throw new ConfigError(
    'OCPCTL_ARTIFACTS must be file:///directory or s3://bucket/prefix; credentials come from OCPCTL_S3_* or AWS_*',
  )
}
