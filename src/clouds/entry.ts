// One entry of the directory of credentials: those of one account of one cloud, in a file, or in a folder as Kubernetes
// mounts a secret. It is read anew whenever it is used, so that a changed one counts at once.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode, messageOf } from '../errors.ts'
import type { Platform } from '../vocabulary.ts'
import { EntryProblem, joinPieces, readPiece } from './entry-forms.ts'

export type Entry = Readonly<{
  name: string
  platform: Platform
  /** All that it takes to find these credentials, and no others. */
  environment: Readonly<Record<string, string>>
  secrets: readonly string[]
  /** In Azure, where the credentials alone say it. */
  subscription: string | undefined
  /** What is wrong with who may read or write its files. */
  exposed: readonly string[]
}>

const MOST_BYTES = 2 ** 20
const WRITABLE_BY_OTHERS = 0o022
const READABLE_BY_ALL = 0o004

/** What follows the first dot of a file's name is no part of the entry's. */
const nameOf = (file: string): string => file.split('.')[0] ?? ''

/** Every name in the directory. Throws EntryProblem. */
export async function listEntryNames(directory: string): Promise<string[]> {
  return [...new Set((await listVisible(directory)).map(nameOf))]
}

/** Throws EntryProblem. */
export async function readEntry(directory: string, name: string): Promise<Entry> {
  const own = (await listVisible(directory)).filter((each) => nameOf(each) === name)
  const [first] = own
  if (first === undefined) throw new EntryProblem(`there is no ${join(directory, name)}`)
  if (own.length > 1) throw new EntryProblem(`${own.join(' and ')} in ${directory} have one name: take one away`)
  const path = join(directory, first)
  try {
    const isFolder = (await stat(path)).isDirectory()
    const paths = isFolder ? (await listVisible(path)).map((file) => join(path, file)) : [path]
    const files = (await Promise.all(paths.map(readOne))).filter((file) => file !== undefined)
    const pieces = files.flatMap((file) => readPiece(file.path, file.text, isFolder) ?? [])
    const { platform, variables, secrets, subscription } = joinPieces(name, path, pieces)
    return { name, platform, environment: variables, secrets, subscription, exposed: files.flatMap(findExposure) }
  } catch (error) {
    if (error instanceof EntryProblem) throw error
    throw new EntryProblem(`${path} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Hidden are the folders in which Kubernetes keeps the versions of a secret. */
async function listVisible(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw new EntryProblem(`${directory} cannot be read: ${messageOf(error)}`, { cause: error })
  })
  return names.filter((name) => !name.startsWith('.')).sort()
}

type File = { path: string; mode: number; text: string }

/** undefined: it is no file, or one that is too large for credentials. */
async function readOne(path: string): Promise<File | undefined> {
  const found = await stat(path).catch((error: unknown) => {
    throw hasCode(error, 'ENOENT') ? new EntryProblem(`${path} leads nowhere`) : error
  })
  if (!found.isFile() || found.size > MOST_BYTES) return undefined
  return { path, mode: found.mode, text: await readFile(path, 'utf8') }
}

function findExposure({ path, mode }: File): string[] {
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  if (mode & WRITABLE_BY_OTHERS) return [`${path} can be written by others (${octal})`]
  return mode & READABLE_BY_ALL ? [`${path} can be read by everybody on the host (${octal})`] : []
}
