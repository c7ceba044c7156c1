// Where a key for Google Cloud is looked for: where the installer does, in its order. What cannot be read is passed over,
// as the installer does.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Environment } from '../asking.ts'

const VARIABLES = [
  'GOOGLE_APPLICATION_CREDENTIALS',
  'GOOGLE_CREDENTIALS',
  'GOOGLE_CLOUD_KEYFILE_JSON',
  'GCLOUD_KEYFILE_JSON',
]

const keyFile = z.looseObject({ type: z.string(), universe_domain: z.hostname().optional() })
export type Key = z.infer<typeof keyFile>

/** Paths, or the key itself, which older installers take in place of its path. */
export function keyPlaces(environment: Environment): string[] {
  const home = environment['HOME'] ?? '/'
  const settings = environment['CLOUDSDK_CONFIG'] ?? join(home, '.config/gcloud')
  return [
    ...VARIABLES.flatMap((name) => environment[name] || []),
    join(home, '.gcp/osServiceAccount.json'),
    join(settings, 'application_default_credentials.json'),
  ]
}

export const isKeyItself = (place: string): boolean => place.trimStart().startsWith('{')

/** undefined: there is none, so the metadata server of the machine is to be asked. */
export async function findKey(environment: Environment): Promise<Key | undefined> {
  for (const place of keyPlaces(environment)) {
    const text = isKeyItself(place) ? place : await readFile(place, 'utf8').catch(() => undefined)
    const key = text === undefined ? undefined : parseKey(text)
    if (key) return key
  }
  return undefined
}

function parseKey(text: string): Key | undefined {
  try {
    return keyFile.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
