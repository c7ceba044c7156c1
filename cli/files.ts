// Files that others may write at the same moment: changed under a lock, and replaced as a whole.
import { chmod, mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Failure } from './failure.ts'

const LOCK_WAIT_MS = 10_000
const LOCK_LOOK_MS = 50

/** undefined: there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/**
 * Gives the text to `change` and puts what it returns in its place, for the owner's eyes alone. The lock is the file
 * beside it that kubectl takes too.
 */
export async function changeFile(
  path: string,
  change: (text: string | undefined) => Promise<string> | string,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // A link stays a link.
  const target = await realpath(path).catch(() => path)
  const lock = `${target}.lock`
  await take(lock)
  try {
    const before = await readIfThere(target)
    const after = await change(before)
    if (after !== before) await replace(target, after)
    else await chmod(target, 0o600)
  } finally {
    await rm(lock, { force: true })
  }
}

async function take(lock: string): Promise<void> {
  for (let waited = 0; ; waited += LOCK_LOOK_MS)
    try {
      return await (await open(lock, 'wx', 0o600)).close()
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error
      if (waited >= LOCK_WAIT_MS)
        throw new Failure(
          'failed',
          `somebody else is changing the file: ${lock} is there. If nothing runs that does, delete it`,
        )
      await setTimeout(LOCK_LOOK_MS)
    }
}

async function replace(target: string, text: string): Promise<void> {
  const temporary = `${target}.${process.pid}.new`
  await rm(temporary, { force: true })
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

export const isCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code
