// Takes away what the ledger names, and proves that it is gone. Nothing is found or deleted by name, and only our own
// metadata is used.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  describeAnswer,
  describeResources,
  isProvedEmpty,
  lagSecondsOf,
  unansweredOf,
  type InventoryAnswer,
} from '../clouds/inventory.ts'
import { planResidue } from '../clouds/residue.ts'
import { placeOf } from '../clusters/inventory-query.ts'
import { closeEntry, forgetBootstrap, listOpenEntries, listOverlapping, type LedgerEntry } from '../clusters/ledger.ts'
import type { Look } from '../emptiness/certificate.ts'
import { diagnose } from '../diagnosis/diagnosis.ts'
import { messageOf } from '../errors.ts'
import { recordProof } from '../jobs/attempts.ts'
import { assertSafeMetadata, assertSameMetadata, parseMetadata } from '../installer/metadata.ts'
import { uptimeMs } from '../uptime.ts'
import { lookOf, type Proved } from './certify.ts'
import { DestroyFailed } from './failures.ts'
import { takeInventory } from './inventory.ts'
import type { Operation } from './operation.ts'
import { compareWithPlan, planRemoval } from './plan.ts'
import { clearResidue, clearTheWay } from './residue.ts'
import { restoreLatest, writeLedgerMetadata } from './restore.ts'
import { takeSteps, type Step } from './steps.ts'

const MINUTE_MS = 60 * 1000

/** How long the inventory may stand still while the destroyer runs. The largest clouds delete slowly. */
const STILL_MS = 15 * MINUTE_MS

const SHORTEST_STILL_MS = 10_000

const LOOK_MS = MINUTE_MS

const SHORTEST_LOOK_MS = 1_000

/** Used in place of the cloud's lag where it is simulated. */
const SHORTEST_LAG_MS = 100

/** `there`: what the inventory found of all entries. */
type Removal = { entry: LedgerEntry; entries: LedgerEntry[]; dir: string; there: InventoryAnswer }
type Proof = {
  entries: LedgerEntry[]
  failure: DestroyFailed | undefined
  looked: InventoryAnswer | undefined
  proved: Proved
}

/** The steps for each entry. */
const removalSteps: readonly Step<Removal>[] = [
  {
    name: 'restored',
    leaves: 'the word in the ledger that nobody may finish this install any more',
    async take(operation, { entry, dir }) {
      operation.log('info', `Destroying what ${entry.infraId} owns`)
      if (!(await restoreLatest(operation, entry, dir))) await writeLedgerMetadata(operation, entry, dir)
      await guard(operation, entry, dir)
      if (entry.bootstrappedAt) await operation.fenced((tx) => forgetBootstrap(tx, entry.infraId))
    },
  },
  {
    name: 'installer-ended',
    leaves: 'a cloud with less in it',
    stage: 'destroy',
    // The destroyers of some clouds never stop trying.
    budget: { minutes: ({ destroyMinutes }) => destroyMinutes, leastMs: 30_000 },
    async take(operation, { entries, dir, there }, deadlineMs) {
      await clearTheWay(operation, entries, there)
      await runDestroyer(operation, dir, deadlineMs)
    },
  },
]

const proofSteps: readonly Step<Proof>[] = [
  {
    name: 'residue-cleared',
    leaves: 'the word in the job and in the trail of what the installer left',
    stage: 'verify',
    isNeeded: ({ failure }) => failure === undefined,
    async take(operation, proof) {
      proof.looked = await clearResidue(operation)
    },
  },
  {
    name: 'proved-empty',
    leaves: 'nothing: the proof is taken again',
    stage: 'verify',
    async take(operation, proof) {
      proof.proved = await proveEmpty(operation, proof.failure, proof.looked)
    },
  },
  {
    name: 'entry-closed',
    leaves: 'closed entries in the ledger',
    take: (operation, { entries }) => closeEntries(operation, entries),
  },
]

export const takeAwayPoints = [...removalSteps, ...proofSteps].map(({ name }) => name)

/**
 * Destroys these infraIDs, proves that nothing of the cluster is left, and closes their entries. Returns the proof. Throws
 * DestroyFailed, Stopped.
 */
export async function destroyInfrastructure(operation: Operation, entries: LedgerEntry[]): Promise<Proved> {
  const home = await operation.makeDir('destroy')
  const proof: Proof = { entries, failure: undefined, looked: undefined, proved: { ran: true, looks: [] } }
  const there = await planRemoval(operation)
  for (const entry of entries)
    try {
      await takeSteps('destroy', removalSteps, operation, { entry, entries, dir: join(home, entry.infraId), there })
    } catch (error) {
      if (!(error instanceof DestroyFailed) || !error.isOfDestroyer) throw error
      proof.failure ??= error
    }
  await takeSteps('destroy', proofSteps, operation, proof)
  return proof.proved
}

/**
 * Closes entries of which nothing is left, while another infraID of the cluster lives on. Returns false when something
 * is left. A destroy of that would take the public records of the living infraID, because their names are the same.
 */
export async function closeIfGone(operation: Operation, entries: LedgerEntry[]): Promise<boolean> {
  if (entries.length === 0) return true
  const answer = await takeInventory(
    operation,
    entries.map((entry) => entry.infraId),
  )
  if (!isProvedEmpty(answer)) return false
  await closeEntries(operation, entries)
  return true
}

const closeEntries = (operation: Operation, entries: LedgerEntry[]): Promise<void> =>
  operation.fenced(async (tx) => {
    for (const { infraId } of entries) await closeEntry(tx, infraId)
  })

async function runDestroyer(operation: Operation, dir: string, deadlineMs: number | undefined): Promise<void> {
  const watch = watchProgress(operation)
  try {
    const { exitCode, timedOut, log } = await operation.run('destroy cluster', dir, {
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      giveUp: watch.standsStill,
    })
    const options = { exitCode, isOfDestroyer: true }
    if (timedOut) {
      const reason = watch.standsStill.aborted ? 'DestroyStandsStill' : 'DestroyDeadlineExceeded'
      const why = watch.standsStill.aborted ? 'the destroy made no progress' : 'the destroy did not end in time'
      throw new DestroyFailed(reason, why, options)
    }
    if (exitCode !== 0) {
      const { reason, remedy } = diagnose({ log, exitCode, command: 'destroy cluster' })
      throw new DestroyFailed(
        reason === 'UnknownError' ? 'InstallerFailedToDestroyResources' : reason,
        `openshift-install destroy ended with ${exitCode}. ${remedy}`,
        options,
      )
    }
  } finally {
    watch.stop()
  }
}

/** Throws DestroyFailed unless the directory's metadata is the ledger's and names only this cluster. */
async function guard(operation: Operation, entry: LedgerEntry, dir: string): Promise<void> {
  const { cluster } = operation.claim
  const text = await readFile(join(dir, 'metadata.json'), 'utf8')
  try {
    const stored = parseMetadata(text)
    assertSameMetadata(stored, entry.metadata)
    assertSafeMetadata(stored, { clusterName: cluster.name, platform: cluster.platform, region: cluster.region })
    if (stored.infraID !== entry.infraId)
      throw new Error(`metadata is of ${stored.infraID}, the ledger says ${entry.infraId}`)
  } catch (error) {
    throw new DestroyFailed('UnsafeMetadata', messageOf(error), { worthRetrying: false })
  }
  await requireOnlyOwn(operation, entry)
}

/** The other way round nothing is in danger: what has the longer infraID goes first. */
async function requireOnlyOwn({ app, claim: { cluster } }: Operation, { infraId }: LedgerEntry): Promise<void> {
  const overlapping = await listOverlapping(app.db, infraId, cluster.platform)
  const other = overlapping.find((each) => each.infraId.includes(infraId) && each.abandonedAt === null)
  if (other)
    throw new DestroyFailed(
      'InfraIdOverlaps',
      `${infraId} is a part of ${other.infraId}, so this destroy could take the cluster ${other.clusterName} too. Nothing of it was destroyed. ` +
        `Destroy ${other.clusterName} first; this is then tried again by itself`,
    )
}

/**
 * Two verified and empty inventories, as far apart as the cloud may be late. They count for more than the destroyer's
 * result, since it may fail or hang although nothing is left: then what they say beside it is returned. Throws
 * DestroyFailed with what is left, or with the reason why that cannot be known.
 */
export async function proveEmpty(
  operation: Operation,
  failure?: DestroyFailed,
  looked?: InventoryAnswer,
): Promise<Proved> {
  const looks: Look[] = []
  const began = { at: Date.now(), uptime: uptimeMs() }
  const lagSeconds = lagSecondsOf[operation.claim.cluster.platform]
  for (const waitMs of [0, operation.realMs(lagSeconds * 1000, SHORTEST_LAG_MS)]) {
    await operation.pause(waitMs)
    // The clock may be set meanwhile.
    const at = new Date(began.at + uptimeMs() - began.uptime)
    const answer = (waitMs === 0 && looked) || (await takeInventory(operation))
    if (waitMs === 0) await compareWithPlan(operation, answer)
    await operation.fenced(async (tx) => recordProof(tx, operation.claim.job.id, answer, at))
    requireEmpty(operation, answer, failure)
    looks.push(lookOf(at, answer))
    const { lingering = [] } = answer
    const also = lingering.length > 0 ? `; deleted, and going by itself: ${describeResources(lingering)}` : ''
    const again = waitMs === 0 ? `, and is looked at again in ${lagSeconds} s` : ', twice'
    operation.log('info', `The inventory is empty${again}: 0 resources left${also}`)
  }
  const ran = looked !== undefined || failure !== undefined
  if (!failure) return { ran, looks }
  const told = `${failure.message}; but the inventory was verified and empty, twice: 0 resources left`
  operation.log('warning', told)
  return { ran, looks, told }
}

function requireEmpty({ app, claim }: Operation, answer: InventoryAnswer, failure: DestroyFailed | undefined): void {
  if (isProvedEmpty(answer)) return
  const { found: resources } = answer
  const left = describeAnswer(claim.cluster.platform, answer)
  if (failure)
    throw new DestroyFailed(failure.reason, `${failure.message}; left: ${left}`, { exitCode: failure.exitCode })
  if (unansweredOf(answer).length > 0 || resources.length === 0)
    throw new DestroyFailed('InventoryNotVerified', left, { resources })
  const known = app.config.removesResidue
    ? []
    : planResidue(placeOf(claim.cluster), resources, claim.cluster.createdAt).filter((each) => each.canGo)
  const remedy =
    known.length === 0
      ? ''
      : `. The installer is known to leave ${known.length} of these; with OCPCTL_RESIDUE=remove the workers take such things away`
  throw new DestroyFailed('ResourcesLeft', `${resources.length} resources are left: ${left}${remedy}`, { resources })
}

/**
 * Aborts when the inventory has not become smaller for a while. A cloud that cannot be asked does not count as standing
 * still.
 */
function watchProgress(operation: Operation): { standsStill: AbortSignal; stop: () => void } {
  const controller = new AbortController()
  const stillMs = operation.realMs(STILL_MS, SHORTEST_STILL_MS)
  let fewest = Number.POSITIVE_INFINITY
  let changedAt = Date.now()
  let looking = false
  const look = async () => {
    if (looking) return
    looking = true
    try {
      const answer = await takeInventory(operation)
      const count = unansweredOf(answer).length === 0 ? answer.found.length : Number.NaN
      if (!(count >= fewest)) changedAt = Date.now()
      if (count < fewest) fewest = count
      if (Date.now() - changedAt > stillMs) controller.abort()
    } catch (error) {
      operation.log('debug', `the inventory could not be taken: ${messageOf(error)}`)
    } finally {
      looking = false
    }
  }
  const timer = setInterval(() => void look(), operation.realMs(LOOK_MS, SHORTEST_LOOK_MS))
  return { standsStill: controller.signal, stop: () => clearInterval(timer) }
}

/** Destroys what the ledger names, unless the request was to keep it. */
export async function takeAwayUnlessKept(operation: Operation, { isLast }: { isLast: boolean }): Promise<string> {
  const { app, claim } = operation
  const entries = await listOpenEntries(app.db, claim.cluster.id)
  if (entries.length === 0) return 'Nothing is left in the cloud.'
  if (isLast && claim.cluster.preserveOnFailure)
    return `What ${entries.map(({ infraId }) => infraId).join(' and ')} owns was kept, as asked; destroy the cluster to take it away.`
  try {
    await operation.enter('cleanup')
    await destroyInfrastructure(operation, entries)
    return 'What it made was destroyed.'
  } catch (error) {
    if (!(error instanceof DestroyFailed)) throw error
    operation.log('error', error.message)
    return `What it made could not be destroyed yet and will be tried again (${error.message}).`
  }
}
