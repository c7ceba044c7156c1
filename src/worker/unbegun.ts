// An install that ended before it began anything, in a cloud that this service cannot ask. What the installer said, and
// its directory, are the only witnesses there. Their word closes the ledger's entry, so that the next try can begin. It
// is no proof: nothing is called destroyed by it, and a destroy opens the entry again.
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describeUnanswered } from '../clouds/inventory.ts'
import { queryOf } from '../clusters/inventory-query.ts'
import { closeUnbegun, listOpenEntries } from '../clusters/ledger.ts'
import type { InstallerLine } from '../installer/installer.ts'
import { parseLine } from '../installer/log.ts'
import type { InstallFailed } from './failures.ts'
import type { Operation } from './operation.ts'

/** What the installer gives when it ended by itself before or while it made infrastructure. A crash tells nothing. */
const ENDED_CODES = [1, 3, 4]
/** The installer leaves them from the moment on when it makes infrastructure. */
const TRACES = /^(\.clusterapi_output|terraform.*\.tfstate)$/

/** Returns what people are told, or undefined when the entry must be closed in the usual way. */
export async function closeIfUnbegun(operation: Operation, failure: InstallFailed): Promise<string | undefined> {
  const { app, claim, infra } = operation
  const { command, result } = failure
  if (command !== 'create cluster' || result.timedOut || !ENDED_CODES.includes(result.exitCode) || !infra)
    return undefined
  const { infraID } = infra.metadata
  const entries = await listOpenEntries(app.db, claim.cluster.id)
  if (entries.length !== 1 || entries[0]?.infraId !== infraID) return undefined
  if (BEGUN.test(result.log) || (await hasBegun(await operation.makeDir('assets')))) return undefined
  const answer = await app.inventory.find(queryOf(claim.cluster, undefined, [infraID]))
  // A cloud that only did not answer is asked again by the clean-up.
  if (!answer.hasNoInventory) return undefined
  await operation.fenced((tx) => closeUnbegun(tx, infraID))
  const told = `The installer's log tells that it began nothing for ${infraID}; nobody has proved it, since ${describeUnanswered(claim.cluster.platform, answer)}.`
  operation.log('warning', told)
  return told
}

/**
 * Also true when nothing tells that it has not. A log counts only when it ends in the whole line by which an installer
 * gives up: a disk that was full may have swallowed others.
 */
export async function hasBegun(dir: string): Promise<boolean> {
  const names = await readdir(dir)
  if (names.some((name) => TRACES.test(name)) || !names.includes(LOG)) return true
  let last: InstallerLine | undefined
  const lines = createInterface({ input: createReadStream(join(dir, LOG)), crlfDelay: Number.POSITIVE_INFINITY })
  for await (const line of lines) {
    if (BEGUN.test(line)) return true
    if (line !== '') last = parseLine(line)
  }
  return last?.level !== 'fatal'
}

/** Half of the line is enough. The terminal's form of the log does not pass over the disk. */
const BEGUN = /Creating infra/
const LOG = '.openshift_install.log'
