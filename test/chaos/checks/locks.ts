// The right to work on a cluster: who had it, and who wrote without it.
import { ADOPT, lossesOf } from './losses.ts'
import type { Evidence, Write } from '../evidence.ts'
import { REOPEN } from './states.ts'
import { at } from './words.ts'

/** The clocks of a renewal and of whoever looks at it are read at moments of their own. */
const TOLERANCE_MS = 300

type Held = { attempt: string | null; fence: number; renewedAt: number }

/** A lock that its holder had taken or renewed less than a lease ago, taken or removed by somebody else; or a fence that did not grow. */
export function brokenLocks(evidence: Evidence): string[] {
  const isBy = writerOf(evidence)
  const highest = new Map<string, number>()
  const held = new Map<string, Held>()
  return evidence.writes
    .filter((write) => write.table === 'job_locks')
    .flatMap((write) => {
      const found: string[] = []
      const what = `${write.op} of the lock of ${write.clusterId} by ${write.process} at ${at(write.at)}`
      const cluster = write.clusterId ?? ''
      const before = held.get(cluster)
      const fence = Number(write.becomes)
      if (before && write.op === 'UPDATE' && fence === before.fence) {
        held.set(cluster, { ...before, renewedAt: write.at })
        return found
      }
      const age = before ? write.at - before.renewedAt : Infinity
      const isLive = age < evidence.leaseMs - TOLERANCE_MS
      if (before && isLive && (write.op !== 'DELETE' || !isBy(write, write.key)))
        found.push(`${what} broke a lock of ${before.attempt}, renewed ${Math.round(age)} ms before`)
      if (write.op === 'DELETE') held.delete(cluster)
      else {
        if (fence <= (highest.get(cluster) ?? 0)) found.push(`${what}: fence ${fence} after ${highest.get(cluster)}`)
        highest.set(cluster, fence)
        held.set(cluster, { attempt: write.attemptId, fence, renewedAt: write.at })
      }
      return found
    })
}

/** Whether the write came from the process that the attempt belongs to. */
function writerOf({ attempts, instances, hostname }: Evidence) {
  const workers = new Map(attempts.map((attempt) => [attempt.id, attempt.worker]))
  const pids = new Map(instances.map((instance) => [instance.label, instance.pid]))
  return (write: Write, attemptId: string | null) => {
    const pid = pids.get(write.process)
    return pid !== undefined && workers.get(attemptId ?? '') === `${hostname}:${pid}`
  }
}

/** Writes of a handler that did not hold the cluster's lock, in the moment of the write, or not any more. */
export function oldFenceWrites(evidence: Evidence): string[] {
  const isBy = writerOf(evidence)
  const locks = evidence.writes.filter((write) => write.table === 'job_locks')
  const released = new Map<string, Write[]>(
    Map.groupBy(
      locks.filter((write) => write.op === 'DELETE'),
      (w) => w.tx,
    ),
  )
  const taken = new Map<string, Write[]>(
    Map.groupBy(
      locks.filter((write) => write.op !== 'DELETE' && write.was !== write.becomes),
      (w) => w.tx,
    ),
  )
  const jobOf = new Map(evidence.attempts.map((attempt) => [attempt.id, attempt.jobId]))
  const releasedBy = (write: Write) => (released.get(write.tx) ?? []).map((lock) => lock.key)
  const holds = (write: Write, attemptId: string | null) =>
    isBy(write, attemptId) && (write.holderAttempt === attemptId || releasedBy(write).includes(attemptId))

  // Nobody works on what is found again, so nobody holds its lock.
  const finds = new Set(
    evidence.writes.flatMap((write) =>
      write.table === 'audit_events' && [ADOPT, REOPEN].includes(write.key ?? '')
        ? [`${write.tx} ${write.clusterId}`]
        : [],
    ),
  )
  const isFind = (write: Write) => write.op !== 'DELETE' && finds.has(`${write.tx} ${write.clusterId}`)

  const states = new Map<string | null, string | null>()
  return evidence.writes.flatMap((write) => {
    if (write.table === 'clusters') states.set(write.clusterId, write.becomes)
    if (isFind(write)) return []
    const what = `${write.op} ${write.table} ${write.attemptId ?? write.jobId} by ${write.process} at ${at(write.at)}`
    const held = `; the lock was ${write.holderAttempt ?? 'nobody'}’s`
    switch (write.table) {
      case 'job_attempts': {
        if (write.op === 'INSERT') {
          const took = taken.get(write.tx)?.some((lock) => lock.attemptId === write.attemptId) ?? false
          return took ? [] : [`${what} without taking the lock`]
        }
        if (write.op === 'DELETE') return [`${what}: attempts are kept`]
        if (write.was !== null) return [`${what} changes an attempt that had ended as ${write.was}`]
        return write.becomes === 'LOST' || holds(write, write.attemptId) ? [] : [what + held]
      }
      case 'cluster_artifacts':
        return write.op !== 'INSERT' || write.attemptId === null || holds(write, write.attemptId) ? [] : [what + held]
      case 'infra_ledger': {
        // Found in the store, an entry has no attempt: whoever holds the lock puts it back.
        const holder = write.holderAttempt ?? releasedBy(write)[0] ?? null
        const attemptId = write.op === 'INSERT' ? (write.attemptId ?? holder) : holder
        // A later look at a cluster that is gone closes what was put back in vain; nobody works on it.
        if (write.op === 'UPDATE' && holder === null && states.get(write.clusterId) === 'DESTROYED') return []
        // After a loss of commits an attempt puts back its own entry, whoever holds the lock by then.
        if (write.op === 'INSERT' && lossesOf(evidence.faults).some((loss) => write.at >= loss.from)) return []
        return holds(write, attemptId) ? [] : [what + held]
      }
      case 'job_log_chunks': {
        if (write.op !== 'INSERT') return []
        const attemptId = write.holderAttempt ?? releasedBy(write)[0] ?? null
        return holds(write, attemptId) && jobOf.get(attemptId ?? '') === write.jobId ? [] : [what + held]
      }
      case 'jobs': {
        if (write.becomes !== 'SUCCEEDED' && write.becomes !== 'RETRYING') return []
        const isSettle = releasedBy(write).some(
          (attemptId) => jobOf.get(attemptId ?? '') === write.jobId && isBy(write, attemptId),
        )
        return isSettle ? [] : [`${what}: it became ${write.becomes} without its lock being given back`]
      }
      default:
        return []
    }
  })
}
