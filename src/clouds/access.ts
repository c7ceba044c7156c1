// Hands out credentials: those of one entry of OCPCTL_CLOUD_CREDENTIALS, or those of one cloud from the environment of
// this process. Whoever gets them sees no other cloud's and no other entry's.
import { join } from 'node:path'
import { messageOf } from '../errors.ts'
import { secretsOfEnvironment } from '../observability/mask.ts'
import type { Platform } from '../vocabulary.ts'
import type { Environment } from './asking.ts'
import { EntryProblem } from './entry-forms.ts'
import { listEntryNames, readEntry, type Entry } from './entry.ts'

export type Access = Readonly<{
  platform: Platform
  /** undefined: they are looked for in the environment, and in the home of this process. */
  entry: Entry | undefined
  environment: Environment
  secrets: readonly string[]
}>

export type EntryListing = Readonly<{ entries: readonly Entry[]; problems: readonly string[] }>

export type CloudCredentials = Readonly<{
  /** `entry` undefined: those of the environment. Throws EntryProblem. */
  open: (platform: Platform, entry: string | undefined) => Promise<Access>
  /** What can be used, and what is wrong with the rest. Never throws. */
  list: () => Promise<EntryListing>
}>

const prefixes: Record<Platform, RegExp> = {
  aws: /^AWS_/,
  azure: /^(AZURE_|ARM_)/,
  gcp: /^(GOOGLE_|GCLOUD_|CLOUDSDK_)/,
  ibmcloud: /^(IC_|IBMCLOUD_)/,
}

/** `directory` undefined: there are no entries. */
export function openCloudCredentials(directory: string | undefined, environment: Environment): CloudCredentials {
  const openEntry = async (platform: Platform, name: string): Promise<Access> => {
    const wanted = `the credentials entry "${name}" of ${platform}`
    if (directory === undefined)
      throw new EntryProblem(
        `${wanted} is not here: OCPCTL_CLOUD_CREDENTIALS, the directory of all entries, is not set`,
      )
    const entry = await readEntry(directory, name).catch((error: unknown) => {
      throw new EntryProblem(`${wanted} cannot be used: ${messageOf(error)}. Put it (back) as ${join(directory, name)}`, { cause: error }) // prettier-ignore
    })
    if (entry.platform !== platform)
      throw new EntryProblem(
        `${wanted} cannot be used: ${join(directory, name)} holds credentials of ${entry.platform}`,
      )
    return { platform, entry, environment: entry.environment, secrets: entry.secrets }
  }

  return {
    async open(platform, entry) {
      if (entry !== undefined) return openEntry(platform, entry)
      const own = Object.fromEntries(
        Object.entries(environment).filter(([name]) => name === 'HOME' || prefixes[platform].test(name)),
      )
      return { platform, entry: undefined, environment: own, secrets: secretsOfEnvironment(own) }
    },

    async list() {
      if (directory === undefined) return { entries: [], problems: [] }
      try {
        const names = await listEntryNames(directory)
        const read = await Promise.allSettled(names.map((name) => readEntry(directory, name)))
        return {
          entries: read.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])),
          problems: read.flatMap((each) => (each.status === 'rejected' ? [messageOf(each.reason)] : [])),
        }
      } catch (error) {
        return { entries: [], problems: [messageOf(error)] }
      }
    },
  }
}
