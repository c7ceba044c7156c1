// All that can be known about a run, read raw: the installer's journal, the cloud's files, the database, the witness in
// it, the logs of the processes. Nothing of it comes from the service's own code.
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { S3Server } from '../s3-server.ts'
import { listResources, type Removal } from './cloud.ts'
import type { EventConnections } from './connections.ts'
import type { Fault } from './fault.ts'
import type { Instance } from './fleet.ts'
import type { Installation } from './installation.ts'
import { linesIn, readJournal, type JournalLine } from './journal.ts'
import type { Answer } from './load.ts'
import type { Rows } from './postgres.ts'
import { ms, readWrites, timeAttempts } from './writes.ts'

/** A write that the witness saw; true times, in milliseconds since the epoch. */
export type Write = {
  at: number
  committedAt: number
  tx: string
  process: string
  table: string
  op: 'INSERT' | 'UPDATE' | 'DELETE'
  clusterId: string | null
  jobId: string | null
  attemptId: string | null
  /** Who held the cluster's lock at that moment. */
  holderAttempt: string | null
  holderJob: string | null
  was: string | null
  becomes: string | null
  key: string | null
}

export type Evidence = {
  journal: JournalLine[]
  resources: string[]
  clusters: { id: string; name: string; status: string; infraId: string | null }[]
  jobs: { id: string; clusterId: string; type: string; status: string; message: string | null }[]
  attempts: {
    id: string
    jobId: string
    clusterId: string
    number: number
    worker: string
    outcome: string | null
    startedAt: number
    endedAt: number | null
  }[]
  locks: { clusterId: string; worker: string }[]
  ledger: { infraId: string; clusterId: string; attemptId: string; emptyAt: number | null }[]
  artifacts: { id: string; key: string }[]
  /** Keys in the store. */
  stored: Set<string>
  audit: {
    clusterId: string | null
    jobId: string | null
    action: string
    from: string | null
    to: string | null
    at: number
  }[]
  /** Entries of the queue that are not over. */
  queued: { id: string; state: string }[]
  writes: Write[]
  /** Whatever may show a secret. */
  texts: { where: string; text: string }[]
  secrets: { name: string; value: string }[]
  instances: Instance[]
  /** How each process ended when it was asked to, with nothing left to do. */
  ends: { name: string; end: string }[]
  hostname: string
  answers: Answer[]
  eventConnections: EventConnections[]
  faults: Fault[]
  /** Whatever disappeared from the cloud. */
  removals: Removal[]
  /** About resources that should not be. */
  findings: { type: string; subject: string; detail: string }[]
  /** Of the other installations. */
  foreign: { clusterIds: Set<string>; journal: JournalLine[] }
  /** Whether all was over in the end, and stayed so. */
  isSettled: boolean
  leaseMs: number
  /** What is not at rest may be without a new attempt, or the end of one, for this long. */
  boundMs: number
}

type Known = Pick<
  Evidence,
  'secrets' | 'ends' | 'answers' | 'eventConnections' | 'faults' | 'isSettled' | 'leaseMs' | 'boundMs'
>

/** Of each installation in turn; what is left in the cloud is told with the first. */
export async function collectAll(
  ground: { cloudDir: string; removals: Removal[]; store: S3Server },
  all: { installation: Installation; known: Known }[],
): Promise<Evidence[]> {
  const journal = await readJournal(join(ground.cloudDir, 'journal.ndjson'))
  const hostsOf = ({ fleet }: Installation) => fleet.members.map((member) => `${member.dataDir}/`)
  const found = await Promise.all(
    all.map(async ({ installation, known }, index) => {
      const { fleet, database, home } = installation
      const objects = [...ground.store.objects.keys()].filter((name) => name.startsWith(`${home}/`))
      return collectEvidence(database.rows, {
        ...known,
        hostname: hostname(),
        instances: fleet.instances,
        stored: new Set(objects.map((name) => name.slice(home.length + 1))),
        journal: linesIn(journal, hostsOf(installation)),
        resources: index === 0 ? await listResources(ground.cloudDir) : [],
        removals: ground.removals,
        logs: await Promise.all(
          fleet.members.map(async ({ logFile }) => ({
            where: logFile,
            text: await readFile(logFile, 'utf8').catch(() => ''),
          })),
        ),
      })
    }),
  )
  return found.map((own, index) => {
    const others = found.filter((_, at) => at !== index)
    const clusterIds = others.flatMap(({ clusters, answers }) => [
      ...clusters.map((cluster) => cluster.id),
      ...answers.flatMap((answer) => answer.clusterId ?? []),
    ])
    return {
      ...own,
      foreign: { clusterIds: new Set(clusterIds), journal: others.flatMap((other) => other.journal) },
    }
  })
}

async function collectEvidence(
  rows: Rows,
  {
    logs,
    ...known
  }: Known &
    Pick<Evidence, 'hostname' | 'instances' | 'stored' | 'journal' | 'resources' | 'removals'> & {
      logs: Evidence['texts']
    },
): Promise<Omit<Evidence, 'foreign'>> {
  const writes = await readWrites(rows, known.faults)
  const texts = await Promise.all(
    [
      ['job log', `select job_id as id, lines::text as text from job_log_chunks`],
      ['audit event', `select id, detail::text as text from audit_events`],
      ['job', `select id, concat_ws(' ', reason, message, params::text) as text from jobs`],
      ['attempt', `select id, concat_ws(' ', reason, message, fingerprint, stage) as text from job_attempts`],
      ['cluster', `select id, status_reason as text from clusters where status_reason is not null`],
      ['queue entry', `select id::text, concat_ws(' ', data::text, output::text) as text from pgboss.job`],
    ].map(async ([what, sql]) => ({
      where: what ?? '',
      text: (await rows<{ id: string; text: string }>(sql ?? '')).map(({ id, text }) => `${id} ${text}`).join('\n'),
    })),
  )
  return {
    ...known,
    clusters: await rows(`select id, name, status, infra_id as "infraId" from clusters order by id`),
    jobs: await rows(`select id, cluster_id as "clusterId", type, status, message from jobs order by id`),
    attempts: timeAttempts(
      await rows(
        `select a.id, a.job_id as "jobId", j.cluster_id as "clusterId", a.number, a.worker, a.outcome,
         ${ms('a.started_at')} as "startedAt", ${ms('a.ended_at')} as "endedAt"
       from job_attempts a join jobs j on j.id = a.job_id`,
      ),
      writes,
    ),
    locks: await rows(`select cluster_id as "clusterId", worker from job_locks`),
    ledger: await rows(
      `select infra_id as "infraId", cluster_id as "clusterId", attempt_id as "attemptId", ${ms('empty_at')} as "emptyAt"
       from infra_ledger`,
    ),
    artifacts: await rows(`select id, key from cluster_artifacts`),
    audit: await rows(
      `select cluster_id as "clusterId", job_id as "jobId", action, detail->>'from' as "from", detail->>'to' as "to",
         ${ms('at')} as at from audit_events order by position`,
    ),
    queued: await rows(
      `select id::text, state::text from pgboss.job
       where name in ('cluster-jobs', 'cluster-jobs-dead') and state::text not in ('completed', 'cancelled')`,
    ),
    findings: await rows(
      `select type, subject, detail from findings
       where type in ('resources-without-cluster', 'resources-of-destroyed-cluster')`,
    ),
    writes,
    texts: [...logs, ...texts],
  }
}
