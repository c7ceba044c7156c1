// What the witness saw, in true time.
import type { Evidence, Write } from './evidence.ts'
import type { Fault } from './fault.ts'
import type { Rows } from './postgres.ts'

export const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`

/** A row is written a moment before its transaction commits; between the two the clock may have been stepped. */
export async function readWrites(rows: Rows, faults: Fault[]): Promise<Write[]> {
  const found = await rows<Write & { stepSeconds: number }>(
    `select ${ms('at')} as at, ${ms('pg_xact_commit_timestamp(xmin)')} as "committedAt", tx::text, process,
         tbl as table, op, cluster_id as "clusterId", job_id as "jobId", attempt_id as "attemptId",
         holder_attempt as "holderAttempt", holder_job as "holderJob", was, becomes, key,
         step_seconds as "stepSeconds"
       from witness.writes order by id`,
  )
  const steps = [
    0,
    ...faults.map((fault) => (fault.kind === 'step-db-clock' ? (fault.stepMs ?? 0) : 0)),
    ...found.map((write) => write.stepSeconds * 1000),
  ]
  const offsets = [...new Set(steps)]
  return found.map((write) => ({
    ...write,
    committedAt: Math.min(
      ...offsets.map((offset) => write.committedAt - offset).filter((time) => time >= write.at - 1),
    ),
  }))
}

/** Attempts by the times that the witness saw, in order. */
export function timeAttempts(attempts: Evidence['attempts'], writes: Write[]): Evidence['attempts'] {
  const ofAttempts = writes.filter((write) => write.table === 'job_attempts')
  const startedAt = new Map(ofAttempts.flatMap((w) => (w.op === 'INSERT' ? [[w.attemptId, w.at] as const] : [])))
  const endedAt = new Map(ofAttempts.flatMap((w) => (w.becomes === null ? [] : [[w.attemptId, w.at] as const])))
  return attempts
    .map((each) => ({
      ...each,
      startedAt: startedAt.get(each.id) ?? each.startedAt,
      endedAt: endedAt.get(each.id) ?? each.endedAt,
    }))
    .sort((a, b) => a.startedAt - b.startedAt)
}
