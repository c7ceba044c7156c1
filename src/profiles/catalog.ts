// The profiles and quotas on offer: a directory of YAML that is read again when it changes. A file that breaks later
// keeps its last good version, and its mistakes are reported. At the start no file may be broken.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import canonicalize from 'canonicalize'
import { ConfigError } from '../config.ts'
import { AppError, hasCode, messageOf } from '../errors.ts'
import type { Log } from '../observability/log.ts'
import { parseProfile } from './profile-file.ts'
import type { Profile } from './profile.ts'
import { noQuotas, quotaOf, quotasSchema, type Quota, type Quotas } from './quotas.ts'
import { parseYamlAs, type Problem } from './yaml-file.ts'

export type Catalog = {
  /** By name, disabled ones included. */
  list: () => Profile[]
  find: (name: string) => Profile | undefined
  quotaOf: (team: string) => Quota
  /** What is wrong with the files as they are now. While a file is wrong, its last good version is served. */
  problems: () => Problem[]
  /** Reads what has changed since the last time. Tells whether anything has. */
  refresh: () => boolean
}

type Entry = { signature: string; profile?: Profile | undefined; quotas?: Quotas | undefined; problems: Problem[] }

const QUOTAS_FILE = 'quotas.yaml'
const REFRESH_MS = 2000

/** Throws ConfigError that lists every problem of every file. */
export function loadCatalog(directory: string): Catalog {
  let entries = new Map<string, Entry>()
  let profiles: Profile[] = []
  let byName = new Map<string, Profile>()
  let ownerOf = new Map<string, string>()
  let quotas = noQuotas
  let problems: Problem[] = []

  const refresh = (): boolean => {
    const files = listYaml(directory)
    const read = new Map<string, Entry>()
    for (const name of files) {
      const entry = readEntry(directory, name, entries.get(name))
      if (entry) read.set(name, entry)
    }
    const quotasBefore = entries.get(QUOTAS_FILE)
    if (quotasBefore && !read.has(QUOTAS_FILE)) read.set(QUOTAS_FILE, quotasGone(directory, quotasBefore))
    const isSame = read.size === entries.size && [...read].every(([name, entry]) => entries.get(name) === entry)
    if (isSame && problems.every(({ file }) => file !== directory)) return false
    // When two files have one name, the file that had it before keeps it.
    const owners = ownerOf
    const ordered = [...read].sort(
      ([a, one], [b, other]) =>
        Number(owners.get(other.profile?.name ?? '') === b) - Number(owners.get(one.profile?.name ?? '') === a),
    )
    entries = read
    byName = new Map()
    ownerOf = new Map()
    problems = [...read.values()].flatMap((entry) => entry.problems)
    for (const [name, { profile }] of ordered) {
      if (!profile) continue
      const first = byName.get(profile.name)
      if (!first) {
        byName.set(profile.name, profile)
        ownerOf.set(profile.name, name)
      } else
        problems.push({
          file: nameOf(directory, name),
          line: 1,
          path: '/name',
          detail: `"${profile.name}" is the name of another profile too`,
        })
    }
    profiles = [...byName.values()].sort((a, b) => a.name.localeCompare(b.name))
    quotas = read.get(QUOTAS_FILE)?.quotas ?? noQuotas
    return true
  }

  try {
    refresh()
  } catch (error) {
    throw new ConfigError(
      `the profile directory ${directory} cannot be read: correct OCPCTL_PROFILES (${messageOf(error)})`,
    )
  }
  if (problems.length > 0)
    throw new ConfigError(['the profiles have mistakes:', ...problems.map((p) => `  ${tellProblem(p)}`)].join('\n'))
  if (profiles.length === 0) throw new ConfigError(`no profile (*.yaml) in ${directory}: correct OCPCTL_PROFILES`)
  return {
    list: () => profiles,
    find: (name) => byName.get(name),
    quotaOf: (team) => quotaOf(quotas, team),
    problems: () => problems,
    refresh() {
      try {
        return refresh()
      } catch (error) {
        const detail = `cannot be read: ${messageOf(error)}`
        const isNew = !problems.some((problem) => problem.detail === detail)
        problems = [{ file: directory, line: 0, path: '', detail }]
        return isNew
      }
    },
  }
}

/**
 * Refreshes the catalogue for as long as the process lives, and logs what changes. It polls, because mounts send no
 * events.
 */
export function watchCatalog(catalog: Catalog, log: Pick<Log, 'info' | 'error'>, everyMs = REFRESH_MS): () => void {
  const timer = setInterval(() => {
    if (!catalog.refresh()) return
    const problems = catalog.problems().map(tellProblem)
    if (problems.length === 0) log.info({ profiles: catalog.list().length }, 'the profiles were read again')
    else log.error({ problems }, 'the profiles have mistakes; the last good version of each file is served')
  }, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}

export const tellProblem = ({ file, line, path, detail }: Problem): string => `${file}:${line} ${path} ${detail}`

/** Throws NOT_FOUND with the existing names. */
export function profileNamed(catalog: Catalog, name: string): Profile {
  const profile = catalog.find(name)
  if (profile) return profile
  const names = catalog.list().map((item) => item.name)
  throw new AppError('NOT_FOUND', `there is no profile "${name}"; there are ${names.join(', ')}`)
}

/** Tells whether two processes have the same profiles. */
export const hashOfAll = (catalog: Pick<Catalog, 'list'>): string =>
  createHash('sha256')
    .update(
      catalog
        .list()
        .map((profile) => hashOf(profile))
        .sort()
        .join(),
    ) // prettier-ignore
    .digest('hex')

const hashes = new WeakMap<Profile, string>()

/** A profile that was read is never changed, so each is hashed once. */
export function hashOf(profile: Profile): string {
  const known = hashes.get(profile)
  if (known !== undefined) return known
  const hash = createHash('sha256')
    .update(canonicalize(profile) ?? '')
    .digest('hex')
  hashes.set(profile, hash)
  return hash
}

/** Returns undefined when the file is gone meanwhile. */
function readEntry(directory: string, name: string, before: Entry | undefined): Entry | undefined {
  try {
    return readFile(directory, name, before)
  } catch (error) {
    // A broken link still exists, and the file that it should lead to may hold a limit.
    if (hasCode(error, 'ENOENT') && !lstatSync(join(directory, name), { throwIfNoEntry: false })) return undefined
    const signature = messageOf(error)
    if (before?.signature === signature) return before
    return { ...before, signature, problems: [{ file: nameOf(directory, name), line: 1, path: '', detail: signature }] }
  }
}

/** Limits are only lifted on purpose, not by a file that is away for a moment. */
function quotasGone(directory: string, before: Entry): Entry {
  if (before.signature === 'gone') return before
  const detail = 'is gone: the quotas that it had still hold; to lift them, write "default: {}" into it'
  return {
    ...before,
    signature: 'gone',
    problems: [{ file: nameOf(directory, QUOTAS_FILE), line: 1, path: '', detail }],
  }
}

function readFile(directory: string, name: string, before: Entry | undefined): Entry {
  const path = join(directory, name)
  const { mtimeMs, size, ino } = statSync(path)
  const signature = `${mtimeMs} ${size} ${ino}`
  if (before?.signature === signature) return before
  const text = readFileSync(path, 'utf8')
  const file = nameOf(directory, name)
  if (name === QUOTAS_FILE) {
    const { value = before?.quotas, problems } = parseYamlAs(file, text, quotasSchema, 'quotas')
    return { signature, quotas: value, problems }
  }
  const { profile = before?.profile, problems } = parseProfile(file, text)
  return { signature, profile, problems }
}

const nameOf = (directory: string, name: string) => relative(process.cwd(), join(directory, name))
const listYaml = (directory: string) =>
  readdirSync(directory)
    .filter((name) => /^[^.].*\.ya?ml$/.test(name))
    .sort()
