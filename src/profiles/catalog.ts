// The profiles on offer, read from the profile directory at start.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import canonicalize from 'canonicalize'
import { ConfigError } from '../config.ts'
import { AppError } from '../errors.ts'
import { parseProfile, type Profile, type ProfileProblem } from './profile.ts'

export type Catalog = { list: () => Profile[]; find: (name: string) => Profile | undefined }

/** Throws ConfigError that lists every problem of every file. */
export function loadCatalog(directory: string): Catalog {
  const profiles = new Map<string, Profile>()
  const problems: ProfileProblem[] = []
  for (const name of listYaml(directory)) {
    const file = relative(process.cwd(), join(directory, name))
    const result = parseProfile(file, readFileSync(join(directory, name), 'utf8'))
    problems.push(...result.problems)
    if (!result.profile) continue
    if (profiles.has(result.profile.name))
      problems.push({
        file,
        line: 1,
        path: '/name',
        detail: `"${result.profile.name}" is the name of another profile too`,
      })
    profiles.set(result.profile.name, result.profile)
  }
  if (problems.length > 0)
    throw new ConfigError(
      ['the profiles have mistakes:', ...problems.map((p) => `  ${p.file}:${p.line} ${p.path} ${p.detail}`)].join('\n'),
    )
  if (profiles.size === 0) throw new ConfigError(`no profile (*.yaml) in ${directory}: correct OCPCTL_PROFILES`)
  return {
    list: () => [...profiles.values()].sort((a, b) => a.name.localeCompare(b.name)),
    find: (name) => profiles.get(name),
  }
}

/** Throws NOT_FOUND with the names there are. */
export function profileNamed(catalog: Catalog, name: string): Profile {
  const profile = catalog.find(name)
  if (profile) return profile
  const names = catalog.list().map((item) => item.name)
  throw new AppError('NOT_FOUND', `there is no profile "${name}"; there are ${names.join(', ')}`)
}

export function hashOf(profile: Profile): string {
  return createHash('sha256')
    .update(canonicalize(profile) ?? '')
    .digest('hex')
}

function listYaml(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
  } catch {
    throw new ConfigError(`the profile directory ${directory} cannot be read: correct OCPCTL_PROFILES`)
  }
}
