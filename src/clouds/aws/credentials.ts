// The credentials for AWS: whether this process finds any, in the same places as the installer, and those of an access.
import { fromIni } from '@aws-sdk/credential-provider-ini'
import { defaultProvider } from '@aws-sdk/credential-provider-node'
import type { Access } from '../access.ts'
import type { AwsInventoryOptions } from './session.ts'

const METADATA_SERVICE_MS = 1000

/** Reads the environment, files, and the metadata service of the machine, as the SDKs of AWS do. */
export async function hasAwsCredentials(): Promise<boolean> {
  const find = defaultProvider({ timeout: METADATA_SERVICE_MS, maxRetries: 0 })
  return find().then(
    () => true,
    () => false,
  )
}

/** Without an entry they are those that the SDK finds, as the installer does. With one, no other place is looked at. */
export function awsCredentialsOf({ entry, environment }: Access): Pick<AwsInventoryOptions, 'credentials'> {
  if (!entry) return {}
  const accessKeyId = environment['AWS_ACCESS_KEY_ID']
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY']
  const sessionToken = environment['AWS_SESSION_TOKEN']
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) } }
  const files = {
    profile: environment['AWS_PROFILE'] ?? 'default',
    filepath: environment['AWS_SHARED_CREDENTIALS_FILE'] ?? '',
    configFilepath: environment['AWS_CONFIG_FILE'] ?? '',
  }
  return { credentials: fromIni({ ...files, ignoreCache: true }) }
}
