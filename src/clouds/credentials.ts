// For which clouds a process has credentials, by the places where the installer looks for them. Nothing is tried out.
import { access } from 'node:fs/promises'
import type { Platform } from '../vocabulary.ts'
import type { Environment } from './asking.ts'
import { hasAwsCredentials } from './aws/credentials.ts'
import { credentialsFile } from './azure/credentials.ts'
import { isKeyItself, keyPlaces } from './gcp/key.ts'

const METADATA_SERVICE_MS = 1000

/** Where people put them, for a message. */
export const credentialPlaces: Record<Platform, string> = {
  aws: 'AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  azure: '~/.azure/osServicePrincipal.json, or the file that AZURE_AUTH_LOCATION names',
  gcp: 'GOOGLE_APPLICATION_CREDENTIALS or ~/.gcp/osServiceAccount.json',
  ibmcloud: 'IC_API_KEY',
}

export async function findCredentials(environment: Environment): Promise<Platform[]> {
  const looks: Record<Platform, () => Promise<boolean>> = {
    aws: hasAwsCredentials,
    azure: () => isThere(credentialsFile(environment)),
    gcp: () => hasGoogleCredentials(environment),
    ibmcloud: async () => Boolean(environment['IC_API_KEY']),
  }
  const found = await Promise.all(
    Object.entries(looks).map(async ([platform, look]) => ((await look()) ? [platform as Platform] : [])), // its keys
  )
  return found.flat()
}

async function hasGoogleCredentials(environment: Environment): Promise<boolean> {
  for (const place of keyPlaces(environment)) if (isKeyItself(place) || (await isThere(place))) return true
  return isGoogleMachine()
}

async function isGoogleMachine(): Promise<boolean> {
  const signal = AbortSignal.timeout(METADATA_SERVICE_MS)
  const answer = await fetch('http://169.254.169.254/', { signal }).catch(() => undefined)
  return answer?.headers.get('metadata-flavor') === 'Google'
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
