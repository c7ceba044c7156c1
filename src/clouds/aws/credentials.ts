// Whether this process finds credentials for AWS, in the same places as the installer.
import { defaultProvider } from '@aws-sdk/credential-provider-node'

const METADATA_SERVICE_MS = 1000

/** Reads the environment, files, and the metadata service of the machine, as the SDKs of AWS do. */
export async function hasAwsCredentials(): Promise<boolean> {
  const find = defaultProvider({ timeout: METADATA_SERVICE_MS, maxRetries: 0 })
  return find().then(
    () => true,
    () => false,
  )
}
