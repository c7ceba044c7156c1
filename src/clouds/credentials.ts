// For which clouds a process has credentials, by the places where the installer looks for them. Nothing is tried out.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Platform } from '../vocabulary.ts'
import { hasAwsCredentials } from './aws/credentials.ts'
import { isKeyItself, keyPlaces, type Environment } from './gcp/key.ts'

const METADATA_SERVICE_MS = 1000
/** Where people put them, for a message. */
export const credentialPlaces: Record<Platform, string> = {
  aws: 'AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  azure:
    '~/.azure/osServicePrincipal.json, or AZURE_SUBSCRIPTION_ID, AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET',
  gcp: 'GOOGLE_APPLICATION_CREDENTIALS or ~/.gcp/osServiceAccount.json',
  ibmcloud: 'IC_API_KEY',
}

export async function findCredentials(environment: Environment): Promise<Platform[]> {
  const looks: Record<Platform, () => Promise<boolean>> = {
    aws: hasAwsCredentials,
    azure: () => hasAzureCredentials(environment),
    gcp: () => hasGoogleCredentials(environment),
    ibmcloud: async () => Boolean(environment['IC_API_KEY']),
  }
  const found = await Promise.all(
    Object.entries(looks).map(async ([platform, look]) => ((await look()) ? [platform as Platform] : [])), // its keys
  )
  return found.flat()
}

async function hasAzureCredentials(environment: Environment): Promise<boolean> {
  const given = (name: string) => Boolean(environment[`AZURE_${name}`])
  const secrets = ['CLIENT_SECRET', 'CLIENT_CERTIFICATE_PATH', 'FEDERATED_TOKEN_FILE']
  if (['SUBSCRIPTION_ID', 'TENANT_ID', 'CLIENT_ID'].every(given) && secrets.some(given)) return true
  return isThere(environment['AZURE_AUTH_LOCATION'] ?? atHome(environment, '.azure/osServicePrincipal.json'))
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

const atHome = (environment: Environment, path: string): string => join(environment['HOME'] ?? '/', path)

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
