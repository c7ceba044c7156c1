// Whether a profile and the entry of credentials that it names fit together, as far as files tell.
import type { Entry } from '../clouds/entry.ts'
import type { Profile } from './profile.ts'

/** For the log of whoever has the entries. */
export function tellProfileProblems(
  { name, platform, enabled, credentials, azure }: Profile,
  entries: readonly Pick<Entry, 'name' | 'platform' | 'subscription'>[],
): string[] {
  if (credentials === undefined || !enabled) return []
  const entry = entries.find((each) => each.name === credentials)
  const told = `the profile ${name} names the credentials entry "${credentials}", `
  if (!entry)
    return [`${told}which is not in OCPCTL_CLOUD_CREDENTIALS here: its clusters wait for a worker that has it`]
  if (entry.platform !== platform) return [`${told}which is of ${entry.platform}, and the profile is of ${platform}`]
  const wanted = azure?.subscription?.toLowerCase()
  if (entry.subscription === undefined || wanted === undefined || wanted === entry.subscription) return []
  return [`${told}which is of the subscription ${entry.subscription}, and the profile is of ${wanted}`]
}
