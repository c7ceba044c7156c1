// The newest snapshot of everything that may own resources must be in the store as it was recorded. Every pass looks at
// its size; its bytes are read once a day. A destroy works without it, from the ledger, but knows less.
import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { and, asc, desc, eq, gt, isNull, sql } from 'drizzle-orm'
import { ArtifactMissing, type ArtifactStore } from '../artifacts/store.ts'
import { clusterArtifacts, infraLedger } from '../clusters/infra-tables.ts'
import { listOpenEntries, listSnapshots } from '../clusters/ledger.ts'
import type { Db } from '../db/client.ts'
import { messageOf } from '../errors.ts'
import type { FindingType } from './findings.ts'
import { CannotTell, pages, type Pass } from './pass.ts'

const PAGE = 200
const LOOKS_AT_ONCE = 8
const DAY_MS = 24 * 3600 * 1000
/** At most this many snapshots are read whole in a pass, and for no longer than this time. */
const READ_WHOLE = 50
const READ_WHOLE_MS = 120_000

type Kept = {
  infraId: string
  clusterId: string
  /** null: the ledger has an infraID without any snapshot. */
  snapshot: Snapshot | null
}
type Snapshot = {
  id: string
  key: string
  sha256: string
  sizeBytes: number
  createdAt: Date
  verifiedAt: Date | null
}
type Problem = { type: Extract<FindingType, `snapshot-${string}`>; detail: string }

export async function checkSnapshots(pass: Pass): Promise<void> {
  const { store, db } = pass.app
  await ask(store.check())
  const sound: { kept: Kept; snapshot: Snapshot }[] = []
  for await (const page of pages(PAGE, (last: Kept | undefined, limit) => listKept(db, last?.clusterId, limit)))
    for (let start = 0; start < page.length; start += LOOKS_AT_ONCE)
      await Promise.all(
        page.slice(start, start + LOOKS_AT_ONCE).map(async (kept) => {
          const problem = await findProblem(store, kept.snapshot)
          if (problem) await report(pass, kept, problem)
          else if (kept.snapshot) sound.push({ kept, snapshot: kept.snapshot })
        }),
      )
  await readWhole(pass, sound)
}

function listKept(db: Db, after: string | undefined, limit: number): Promise<Kept[]> {
  const newest = db
    .select({
      id: clusterArtifacts.id,
      key: clusterArtifacts.key,
      sha256: clusterArtifacts.sha256,
      sizeBytes: clusterArtifacts.sizeBytes,
      createdAt: clusterArtifacts.createdAt,
      verifiedAt: clusterArtifacts.verifiedAt,
    })
    .from(clusterArtifacts)
    .where(and(eq(clusterArtifacts.infraId, infraLedger.infraId), eq(clusterArtifacts.kind, 'snapshot')))
    .orderBy(desc(clusterArtifacts.id))
    .limit(1)
    .as('newest')
  // Index infra_ledger_open: the partial index of open entries, one per cluster. Index cluster_artifacts_infra for
  // each.
  return db
    .select({
      infraId: infraLedger.infraId,
      clusterId: infraLedger.clusterId,
      snapshot: {
        id: newest.id,
        key: newest.key,
        sha256: newest.sha256,
        sizeBytes: newest.sizeBytes,
        createdAt: newest.createdAt,
        verifiedAt: newest.verifiedAt,
      },
    })
    .from(infraLedger)
    .leftJoinLateral(newest, sql`true`)
    .where(and(isNull(infraLedger.emptyAt), after === undefined ? undefined : gt(infraLedger.clusterId, after)))
    .orderBy(asc(infraLedger.clusterId))
    .limit(limit)
}

async function findProblem(store: ArtifactStore, snapshot: Snapshot | null): Promise<Problem | undefined> {
  if (!snapshot) return { type: 'snapshot-missing', detail: 'none was recorded' }
  const found = await ask(store.find(snapshot.key))
  if (!found) return missing(snapshot)
  if (found.sizeBytes === snapshot.sizeBytes) return undefined
  const sizes = `${found.sizeBytes} bytes, and was stored with ${snapshot.sizeBytes}`
  return { type: 'snapshot-corrupt', detail: `${snapshot.key} has ${sizes}` }
}

/** First come those whose bytes have not been seen for the longest time. What is not reached stays as it is. */
async function readWhole(pass: Pass, sound: { kept: Kept; snapshot: Snapshot }[]): Promise<void> {
  const { store, db } = pass.app
  const age = ({ verifiedAt, createdAt }: Snapshot) => (verifiedAt ?? createdAt).getTime()
  const due = sound
    .filter(({ snapshot: { verifiedAt } }) => verifiedAt === null || verifiedAt.getTime() < Date.now() - DAY_MS)
    .sort((a, b) => age(a.snapshot) - age(b.snapshot))
  const signal = AbortSignal.timeout(READ_WHOLE_MS)
  for (const [index, { kept, snapshot }] of due.entries()) {
    const about = { type: 'snapshot-corrupt', subject: snapshot.id } as const
    if (index >= READ_WHOLE || signal.aborted) {
      pass.leave(about)
      continue
    }
    const sha256 = await hashOf(store, snapshot.key, signal)
    if (sha256 === null) pass.leave(about)
    else if (sha256 === undefined) await report(pass, kept, missing(snapshot))
    else if (sha256 !== snapshot.sha256)
      await report(pass, kept, {
        type: 'snapshot-corrupt',
        detail: `${snapshot.key} has SHA-256 ${sha256}, and was stored with ${snapshot.sha256}`,
      })
    // cluster_artifacts_pkey.
    else
      await db
        .update(clusterArtifacts)
        .set({ verifiedAt: sql`now()` })
        .where(eq(clusterArtifacts.id, snapshot.id))
  }
}

/** Returns undefined when it is not in the store, null when the time was over first. */
async function hashOf(store: ArtifactStore, key: string, signal: AbortSignal): Promise<string | undefined | null> {
  const hash = createHash('sha256')
  try {
    const read = async (body: AsyncIterable<Buffer>) => {
      for await (const chunk of body) hash.update(chunk)
    }
    await pipeline(await store.get(key), read, { signal })
    return hash.digest('hex')
  } catch (error) {
    if (error instanceof ArtifactMissing) return undefined
    if (signal.aborted) return null
    throw cannotTell(error)
  }
}

function report(pass: Pass, { infraId, clusterId, snapshot }: Kept, { type, detail }: Problem): Promise<void> {
  return pass.inspect({ type, subject: snapshot?.id ?? infraId, clusterId }, async (tx) => {
    const entry = (await listOpenEntries(tx, clusterId)).find((each) => each.infraId === infraId)
    if (!entry) return undefined
    const [newest] = await listSnapshots(tx, entry)
    // A snapshot that was sealed anew meanwhile has another key.
    return newest?.id === snapshot?.id && newest?.key === snapshot?.key
      ? { detail: `the newest snapshot of ${infraId}: ${detail}` }
      : undefined
  })
}

const missing = ({ key }: Snapshot): Problem => ({ type: 'snapshot-missing', detail: `${key} is not in the store` })

async function ask<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw cannotTell(error)
  }
}

const cannotTell = (error: unknown) => new CannotTell(`the artifact store does not answer: ${messageOf(error)}`)
