// States: the legal ways between them, their audit, and what did not come to an end.
import type { Evidence, Write } from '../evidence.ts'
import { ADOPT } from './losses.ts'
import { at } from './words.ts'

const legal: Record<string, string[]> = {
  PENDING: ['CREATING', 'FAILED', 'DESTROYING'],
  CREATING: ['CREATING', 'READY', 'FAILED', 'DESTROYING'],
  READY: ['SCALING', 'HIBERNATING', 'DESTROYING'],
  SCALING: ['READY', 'DESTROYING'],
  // What has failed on its way is turned either way.
  HIBERNATING: ['HIBERNATED', 'HIBERNATING', 'RESUMING', 'DESTROYING'],
  HIBERNATED: ['RESUMING', 'DESTROYING'],
  RESUMING: ['READY', 'RESUMING', 'HIBERNATING', 'DESTROYING'],
  FAILED: ['PENDING', 'CREATING', 'DESTROYING'],
  DESTROYING: ['DESTROYED', 'DESTROY_FAILED'],
  DESTROY_FAILED: ['DESTROYING'],
  // Only when something of it turned up later; see REOPEN.
  DESTROYED: ['DESTROYING'],
}

const ADOPTED = ['READY', 'HIBERNATING', 'HIBERNATED', 'FAILED']
export const REOPEN = 'cluster.reopenDestroy'

export function illegalTransitions({ audit, clusters, writes }: Evidence): string[] {
  const found: string[] = []
  for (const { id, name, status } of clusters) {
    const events = audit.filter((event) => event.clusterId === id && event.to !== null)
    // What was found in the cloud and in no row comes back in the middle of its life.
    const isAdopted = events[0]?.action === ADOPT
    let state = isAdopted ? null : 'PENDING'
    for (const event of events) {
      if (event.to === null) continue
      if (event.from !== state)
        found.push(`${name}: ${event.action} at ${at(event.at)} goes from ${event.from}, but it was ${state}`)
      const isReopened = event.from === 'DESTROYED' && event.action !== REOPEN
      if (isAdopted && event === events[0]) {
        if (!ADOPTED.includes(event.to)) found.push(`${name}: ${event.action} at ${at(event.at)} to ${event.to}`)
      } else if (isReopened || !legal[event.from ?? '']?.includes(event.to))
        found.push(`${name}: ${event.action} at ${at(event.at)} goes from ${event.from} to ${event.to}`)
      state = event.to
    }
    if (state !== status) found.push(`${name}: its audit trail ends in ${state}, but it is ${status}`)
  }
  for (const write of writes)
    if (write.table === 'clusters' && write.op === 'UPDATE' && !legal[write.was ?? '']?.includes(write.becomes ?? ''))
      found.push(`${write.clusterId} was made ${write.becomes} from ${write.was} at ${at(write.at)}`)
  return found
}

/** A change of a state whose transaction wrote no audit event about it, or an event about a change that never was. */
export function auditGaps({ writes }: Evidence): string[] {
  const byTx = Map.groupBy(writes, (write) => write.tx)
  const inTx = (write: Write, table: string) => (byTx.get(write.tx) ?? []).filter((other) => other.table === table)
  return writes.flatMap((write) => {
    const what = `${write.table} ${write.jobId ?? write.clusterId}: ${write.was} → ${write.becomes} at ${at(write.at)} by ${write.process}`
    const events = inTx(write, 'audit_events')
    switch (write.table) {
      case 'clusters': {
        if (write.op === 'DELETE') return [`${what}: the row was deleted`]
        const isAudited = events.some(
          (event) =>
            event.clusterId === write.clusterId &&
            (write.op === 'INSERT' || (event.was === write.was && event.becomes === write.becomes)),
        )
        return isAudited ? [] : [`${what} has no audit event in its transaction`]
      }
      case 'jobs': {
        const isAudited = events.some((event) => event.jobId === write.jobId)
        return isAudited ? [] : [`${what} has no audit event in its transaction`]
      }
      case 'audit_events': {
        if (write.op !== 'INSERT') return [`${what}: the audit trail was changed`]
        if (write.becomes === null || write.was === write.becomes) return []
        const isReal = inTx(write, 'clusters').some(
          (change) =>
            change.clusterId === write.clusterId && change.was === write.was && change.becomes === write.becomes,
        )
        return isReal ? [] : [`${what} is an event of a change that its transaction did not make`]
      }
      default:
        return []
    }
  })
}

const MOVING = ['PENDING', 'CREATING', 'SCALING', 'HIBERNATING', 'RESUMING', 'DESTROYING']
const OPEN = ['PENDING', 'RUNNING', 'RETRYING']

/** What is not over in the end, and what nobody tried for longer than the bound. */
export function stuck({ clusters, jobs, attempts, queued, ends, writes, isSettled, boundMs }: Evidence): string[] {
  const found = [
    ...(isSettled ? [] : ['it did not come to rest within the bound']),
    ...clusters.filter((each) => each.status !== 'DESTROYED').map((each) => `cluster ${each.name} is ${each.status}`),
    ...jobs
      .filter((each) => OPEN.includes(each.status))
      .map((each) => `${each.type} ${each.id} of ${each.clusterId} is ${each.status}`),
    ...attempts.filter((each) => each.outcome === null).map((each) => `attempt ${each.id} of ${each.jobId} has no end`),
    ...ends
      .filter((each) => each.end !== '0')
      .map((each) => `${each.name} ended with ${each.end} when it was asked to end and had nothing to do`),
    ...queued.map((each) => `the queue still has ${each.id}, ${each.state}`),
  ]
  const idle = new Map<string, { state: string; since: number }>()
  for (const write of writes) {
    const id = write.clusterId ?? ''
    const before = idle.get(id)
    const isOfAttempt = write.table === 'job_attempts' && (write.op === 'INSERT' || write.was !== write.becomes)
    if ((write.table !== 'clusters' && !isOfAttempt) || write.op === 'DELETE') continue
    const idleMs = write.at - (before?.since ?? write.at)
    if (before && MOVING.includes(before.state) && idleMs > boundMs)
      found.push(`nobody worked on cluster ${id}, which was ${before.state}, for ${Math.round(idleMs / 1000)} s`)
    const state = write.table === 'clusters' ? (write.becomes ?? '') : (before?.state ?? '')
    idle.set(id, { state, since: write.at })
  }
  return found
}
