// All that can be known about a run, read raw: the installer's journal, the cloud's files, the database, the witness in
// it, the logs of the processes. Nothing of it comes from the service's own code.
import { readdir, readFile } from 'node:fs/promises'
import { hostname, uptime } from 'node:os'
import { join } from 'node:path'
import type { QueryResultRow } from 'pg'
import type { Fault } from './adversary.ts'
import type { Instance } from './fleet.ts'
import { readJournal, type JournalLine } from './journal.ts'
import type { Answer } from './load.ts'

/** A write that the witness saw; times in milliseconds since the epoch. */
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
  brokeLive: boolean
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
  ledger: { infraId: string; clusterId: string; attemptId: string | null; emptyAt: number | null }[]
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
  /** Of leftovers: findings of the first installation about what is not its own, or not told as it should. */
  findings: string[]
  /** Whatever may show a secret. */
  texts: { where: string; text: string }[]
  secrets: { name: string; value: string }[]
  instances: Instance[]
  /** How each process ended when it was asked to, with nothing left to do. */
  ends: { name: string; end: string }[]
  hostname: string
  answers: Answer[]
  faults: Fault[]
  /** Spans in which acknowledged commits were lost. */
  lost: { from: number; to: number }[]
  /** Event connections that the database had at the end, and the processes that may have one each. */
  eventConnections: { count: number; processes: number }
  /** What the other installation in the same cloud says and did; undefined: there was none. */
  neighbour: { findings: string[]; harmed: string[]; unfinished: string[] } | undefined
  leaseMs: number
  /** A state that is not at rest may last this long. */
  boundMs: number
}

const BOOTED_AT = Math.round(Date.now() - uptime() * 1000)

type Rows = <T extends QueryResultRow>(text: string) => Promise<T[]>

/** Milliseconds since the epoch by the true clock, of a row of the witness. */
const REAL_AT = `(up * 1000 + ${BOOTED_AT})::float8`
/** How long after the write it became durable; a step of the clock in between is left out. */
const COMMIT_MS = `greatest(0, (extract(epoch from pg_xact_commit_timestamp(xmin) - at) * 1000)::float8)`
const whenOf = (op: string) =>
  `select max(${REAL_AT}) from witness.writes w where w.tbl = 'job_attempts' and w.op = '${op}' and w.attempt_id = a.id
     and (w.op = 'INSERT' or w.becomes is not null)`
const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`

export async function collectEvidence(
  ground: { dir: string; cloudDir: string; rows: Rows; logFiles: string[] },
  known: Pick<
    Evidence,
    | 'stored'
    | 'secrets'
    | 'instances'
    | 'ends'
    | 'answers'
    | 'faults'
    | 'lost'
    | 'eventConnections'
    | 'neighbour'
    | 'leaseMs'
    | 'boundMs'
  >,
): Promise<Evidence> {
  const { rows } = ground
  const texts = await Promise.all([
    ...ground.logFiles.map(async (file) => ({ where: file, text: await readFile(file, 'utf8').catch(() => '') })),
    ...[
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
  ])
  return {
    ...known,
    hostname: hostname(),
    journal: await readJournal(join(ground.cloudDir, 'journal.ndjson')),
    resources: await listResources(ground.cloudDir),
    clusters: await rows(`select id, name, status, infra_id as "infraId" from clusters order by id`),
    jobs: await rows(`select id, cluster_id as "clusterId", type, status, message from jobs order by id`),
    attempts: await rows(
      `select a.id, a.job_id as "jobId", j.cluster_id as "clusterId", a.number, a.worker, a.outcome,
         (${whenOf('INSERT')}) as "startedAt", (${whenOf('UPDATE')}) as "endedAt"
       from job_attempts a join jobs j on j.id = a.job_id order by 7`,
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
    writes: await rows(
      `select ${REAL_AT} as at, ${REAL_AT} + least(${COMMIT_MS}, 60000) as "committedAt", tx::text, process,
         tbl as table, op, cluster_id as "clusterId", job_id as "jobId", attempt_id as "attemptId",
         holder_attempt as "holderAttempt", holder_job as "holderJob", was, becomes, key, broke_live as "brokeLive"
       from witness.writes order by id`,
    ),
    findings: (
      await rows<{ told: string }>(
        `select type || ' ' || subject || ': ' || detail as told from findings where type = 'resources-without-cluster'`,
      )
    ).map(({ told }) => told),
    texts,
  }
}

/** What the cloud holds; files that a killed program had begun to write do not count. */
export async function listResources(cloudDir: string): Promise<string[]> {
  const names = await readdir(join(cloudDir, 'resources'), { recursive: true, withFileTypes: true }).catch(() => [])
  return names
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name).slice(cloudDir.length + 1))
}
