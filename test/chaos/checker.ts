// Counts broken promises in the evidence of a run. It shares nothing with the service: what is legal stands here once
// more, written down from what is promised, not from how it is done. Each check gives a line for each breach.
import type { Evidence, Write } from './evidence.ts'
import { runsOf, type Run } from './journal.ts'

export const checks = {
  overlappingInstallers,
  outlivedLease,
  resourcesLeft,
  ledgerOpen,
  locksLeft,
  brokenLocks,
  illegalTransitions,
  auditGaps,
  stuck,
  createTwiceInDir,
  createWithoutLedger,
  oldFenceWrites,
  secretsInLogs,
  duplicateClusters,
  lostAnswers,
  lostSnapshots,
  crashes,
  leakedConnections,
  foreignHarm,
} satisfies Record<string, (evidence: Evidence) => string[]>

export type Breaches = Record<keyof typeof checks, string[]>

export function checkEvidence(evidence: Evidence): Breaches {
  return Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, check(evidence)])) as Breaches // of the same keys
}

const at = (time: number) => new Date(time).toISOString().slice(11, 23)
const describe = (run: Run) => `${run.command} of ${run.cluster ?? run.infraID} (pid ${run.pid}, ${run.dir})`

/** Two installers that lived at one time and worked on one cluster. */
function overlappingInstallers({ journal }: Evidence): string[] {
  const runs = runsOf(journal).sort((a, b) => a.startedAt - b.startedAt)
  return runs.flatMap((run, index) =>
    runs
      .slice(0, index)
      .filter(
        (earlier) =>
          earlier.lastAt > run.startedAt &&
          ((earlier.cluster !== undefined && earlier.cluster === run.cluster) ||
            (earlier.infraID !== undefined && earlier.infraID === run.infraID)),
      )
      .map(
        (earlier) =>
          `${describe(run)} began at ${at(run.startedAt)} while ${describe(earlier)} lived until ${at(earlier.lastAt)}`,
      ),
  )
}

/** An installer that lived longer than its frozen or cut-off worker could hold the lock. */
function outlivedLease({ journal, faults, leaseMs }: Evidence): string[] {
  const runs = runsOf(journal)
  return faults.flatMap((fault) => {
    if (
      !['freeze-worker', 'pause-worker', 'cut-worker', 'black-hole-worker'].includes(fault.kind) ||
      fault.healedAt === undefined
    )
      return []
    const lockEndsAt = fault.at + leaseMs
    if (fault.healedAt < lockEndsAt) return []
    return runs
      .filter((run) => run.dir.includes(`/${fault.target}/`) && run.startedAt < fault.at && run.lastAt > lockEndsAt)
      .map((run) => `${describe(run)} lived ${run.lastAt - fault.at} ms after ${fault.kind} at ${at(fault.at)}`)
  })
}

function resourcesLeft({ resources }: Evidence): string[] {
  return resources
}

function ledgerOpen({ ledger }: Evidence): string[] {
  return ledger
    .filter((entry) => entry.emptyAt === null)
    .map((entry) => `${entry.infraId} of ${entry.clusterId} is open`)
}

function locksLeft({ locks }: Evidence): string[] {
  return locks.map((lock) => `${lock.clusterId} is locked by ${lock.worker}`)
}

/** A live lock taken or removed by somebody else, or a fence that did not grow. */
function brokenLocks(evidence: Evidence): string[] {
  const isBy = writerOf(evidence)
  const fences = new Map<string, number>()
  return evidence.writes
    .filter((write) => write.table === 'job_locks')
    .flatMap((write) => {
      const found: string[] = []
      const what = `${write.op} of the lock of ${write.clusterId} by ${write.process} at ${at(write.at)}`
      const cluster = write.clusterId ?? ''
      if (write.brokeLive && (write.op !== 'DELETE' || !isBy(write, write.key)))
        found.push(`${what} broke a live lock of ${write.key}`)
      if (write.op !== 'DELETE') {
        const fence = Number(write.becomes)
        if (fence <= (fences.get(cluster) ?? 0)) found.push(`${what}: fence ${fence} after ${fences.get(cluster)}`)
        fences.set(cluster, fence)
      }
      return found
    })
}

const legal: Record<string, string[]> = {
  PENDING: ['CREATING', 'FAILED', 'DESTROYING'],
  CREATING: ['CREATING', 'READY', 'FAILED', 'DESTROYING'],
  READY: ['SCALING', 'HIBERNATING', 'DESTROYING'],
  SCALING: ['READY', 'DESTROYING'],
  HIBERNATING: ['HIBERNATED', 'READY', 'DESTROYING'],
  HIBERNATED: ['RESUMING', 'DESTROYING'],
  RESUMING: ['READY', 'HIBERNATED', 'DESTROYING'],
  FAILED: ['PENDING', 'CREATING', 'DESTROYING'],
  DESTROYING: ['DESTROYED', 'DESTROY_FAILED'],
  DESTROY_FAILED: ['DESTROYING'],
  DESTROYED: ['DESTROYING'],
}

function illegalTransitions({ audit, clusters, writes }: Evidence): string[] {
  const found: string[] = []
  for (const { id, name, status } of clusters) {
    let state = 'PENDING'
    for (const event of audit) {
      if (event.clusterId !== id || event.to === null) continue
      // Taken back after its row was lost: the trail of before may be lost too.
      if (event.action === 'cluster.adopt') {
        state = event.to
        continue
      }
      if (event.from !== state)
        found.push(`${name}: ${event.action} at ${at(event.at)} goes from ${event.from}, but it was ${state}`)
      if (!legal[event.from ?? '']?.includes(event.to))
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
function auditGaps({ writes }: Evidence): string[] {
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

const isIn = (spans: { from: number; to: number }[], at: number, graceMs: number) =>
  spans.some(({ from, to }) => at >= from && at <= to + graceMs)

/** How the names begin that only the second installation asks for; its ledger is its own. */
const NEIGHBOURS = 'twin-'
const MOVING = ['PENDING', 'CREATING', 'SCALING', 'HIBERNATING', 'RESUMING', 'DESTROYING']
const OPEN = ['PENDING', 'RUNNING', 'RETRYING']

/** What is not over in the end, and what took longer than the bound. */
function stuck({ clusters, jobs, attempts, queued, ends, writes, boundMs }: Evidence): string[] {
  const found = [
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
  const since = new Map<string, { state: string; at: number }>()
  for (const write of writes) {
    if (write.table !== 'clusters' || write.op === 'DELETE') continue
    const id = write.clusterId ?? ''
    const before = since.get(id)
    if (before && MOVING.includes(before.state) && write.at - before.at > boundMs)
      found.push(`cluster ${id} was ${before.state} for ${Math.round((write.at - before.at) / 1000)} s`)
    since.set(id, { state: write.becomes ?? '', at: write.at })
  }
  return found
}

function createTwiceInDir({ journal }: Evidence): string[] {
  const starts = journal.filter((line) => line.event === 'start' && line.command === 'create cluster')
  return [...Map.groupBy(starts, (line) => line.dir ?? '')]
    .filter(([, lines]) => lines.length > 1)
    .map(([dir, lines]) => `create cluster began ${lines.length} times in ${dir}`)
}

/** Infrastructure whose infraID was not durable, in the ledger and as a stored snapshot, before the cloud was touched. */
function createWithoutLedger({ journal, writes, lost, leaseMs }: Evidence): string[] {
  const entries = new Map(
    writes
      .filter((write) => write.table === 'infra_ledger' && write.op === 'INSERT')
      .map((write) => [write.key ?? '', write]),
  )
  return (
    journal
      // Its entry may have been among the commits that were lost, which it was before the cloud was touched.
      .filter((line) => line.event === 'infrastructure' && !line.cluster?.startsWith(NEIGHBOURS))
      .filter((line) => !isIn(lost, line.at, leaseMs))
      .flatMap((line) => {
        const what = `${line.infraID} of ${line.cluster} was begun at ${at(line.at)}`
        const entry = entries.get(line.infraID ?? '')
        if (!entry) return [`${what} without a ledger entry`]
        if (entry.committedAt > line.at) return [`${what}, its ledger entry was durable at ${at(entry.committedAt)}`]
        const hasSnapshot = writes.some(
          (write) =>
            write.table === 'cluster_artifacts' &&
            write.op === 'INSERT' &&
            write.becomes === 'snapshot' &&
            write.attemptId === entry.attemptId &&
            write.committedAt <= line.at,
        )
        return hasSnapshot ? [] : [`${what} without a stored snapshot of attempt ${entry.attemptId}`]
      })
  )
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
function oldFenceWrites(evidence: Evidence): string[] {
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
      locks.filter((write) => write.op !== 'DELETE'),
      (w) => w.tx,
    ),
  )
  const jobOf = new Map(evidence.attempts.map((attempt) => [attempt.id, attempt.jobId]))
  const releasedBy = (write: Write) => (released.get(write.tx) ?? []).map((lock) => lock.key)
  const holds = (write: Write, attemptId: string | null) =>
    isBy(write, attemptId) && (write.holderAttempt === attemptId || releasedBy(write).includes(attemptId))

  /** By somebody who does not hold the lock of its attempt: after a loss of the lock or of commits. */
  const isRecalled = (write: Write) =>
    write.attemptId === null ||
    evidence.lost.some(({ from }) => write.at > from && write.attemptId !== write.holderAttempt)
  const states = new Map<string | null, string | null>()

  return evidence.writes.flatMap((write) => {
    if (write.table === 'clusters') states.set(write.clusterId, write.becomes)
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
        // What was lost is put back by whoever knows it; it is a fact, and changes nothing that stands.
        if (write.op === 'INSERT' && isRecalled(write)) return []
        const attemptId =
          write.op === 'INSERT' ? write.attemptId : (write.holderAttempt ?? releasedBy(write)[0] ?? null)
        // A later look of a cluster that is gone closes what such a worker had put back.
        if (write.op === 'UPDATE' && attemptId === null && states.get(write.clusterId) === 'DESTROYED') return []
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

const KUBEADMIN_PASSWORD = /\b[A-Za-z0-9]{5}(?:-[A-Za-z0-9]{5}){3}\b/
const SHOWN = 60

function secretsInLogs({ texts, secrets }: Evidence): string[] {
  const forms = secrets.flatMap(({ name, value }) => [
    { name, value },
    { name: `${name} in base64`, value: Buffer.from(value).toString('base64') },
    { name: `${name} in a URL`, value: encodeURIComponent(value) },
  ])
  return texts.flatMap(({ where, text }) => {
    const found = forms.filter(({ value }) => text.includes(value)).map(({ name }) => `${name} in ${where}`)
    const password = KUBEADMIN_PASSWORD.exec(text)
    if (password)
      found.push(
        `what looks like a kubeadmin password in ${where}: …${text.slice(Math.max(0, password.index - SHOWN), password.index)}…`,
      )
    return [...new Set(found)]
  })
}

function duplicateClusters({ clusters, answers, lost }: Evidence): string[] {
  const byName = Map.groupBy(clusters, (cluster) => cluster.name)
  // A key whose answer was lost with its commit is asked anew.
  const accepted = answers.filter((answer) => answer.status === 202 && !isIn(lost, answer.at, 0))
  return [
    ...[...byName]
      .filter(([, same]) => same.length > 1)
      .map(([name, same]) => `one request made ${same.length} clusters named ${name}`),
    ...[...Map.groupBy(accepted, (answer) => answer.key)].flatMap(([key, same]) => {
      const ids = new Set(same.map((answer) => `${answer.clusterId} ${answer.jobId}`))
      return ids.size > 1 ? [`key ${key} was answered with ${[...ids].join(' and ')}`] : []
    }),
  ]
}

/** What was answered as accepted and is not there. */
function lostAnswers({ answers, clusters, jobs, lost }: Evidence): string[] {
  const known = new Set([...clusters, ...jobs].map((row) => row.id))
  const lostClusters = new Set(
    answers.filter((answer) => isIn(lost, answer.at, 0)).map((answer) => answer.clusterId ?? ''),
  )
  // Given within a span whose commits were lost, or once more about what was made in one.
  const isLost = (answer: (typeof answers)[number]) =>
    isIn(lost, answer.at, 0) || lostClusters.has(answer.clusterId ?? '')
  return answers
    .filter((answer) => answer.status === 202 && !isLost(answer))
    .flatMap((answer) =>
      [answer.clusterId, answer.jobId]
        .filter((id) => id !== undefined && !known.has(id))
        .map((id) => `${answer.operation} of ${answer.name} was accepted as ${id}, which does not exist`),
    )
}

function lostSnapshots({ artifacts, stored }: Evidence): string[] {
  return artifacts
    .filter((artifact) => !stored.has(artifact.key))
    .map((artifact) => `${artifact.id} is recorded as ${artifact.key}, and the store does not have it`)
}

/** What Node prints last when an error that nobody caught ends a process; a start that is refused does not look so. */
function crashes({ texts }: Evidence): string[] {
  return texts.flatMap(({ where, text }) =>
    text
      .split(/^Node\.js v\d.*$/m)
      .slice(0, -1)
      .map((before) => {
        const message = before.match(/^\w*Error\b.*$/gm)?.at(-1) ?? before.slice(-200)
        return `a process crashed, see ${where}: ${message}`
      }),
  )
}

/** More than one connection a process that hears events: each outage would leave more. */
function leakedConnections({ eventConnections: { count, processes } }: Evidence): string[] {
  return count > processes ? [`${processes} processes have ${count} event connections`] : []
}

/** What two installations in one cloud do to each other. */
function foreignHarm({ neighbour, findings, journal }: Evidence): string[] {
  if (!neighbour) return []
  // A destroy of its own may have gone before, whose commits the database has lost.
  const isForeign = (infraId: string) =>
    journal.some(
      (line) =>
        line.event === 'start' &&
        line.command === 'destroy cluster' &&
        line.dir?.includes('/hosts/n-') &&
        infraId.startsWith(`${line.cluster}-`),
    )
  return [
    ...findings.map((finding) => `the first installation says ${finding}`),
    ...neighbour.findings.map((finding) => `the second installation says ${finding}`),
    ...neighbour.harmed.filter(isForeign).map((infraId) => `${infraId} was READY, and its public record was gone`),
    ...neighbour.unfinished.map((cluster) => `of the second installation ${cluster}`),
  ]
}
