// The checker fails when it should, each of its counts, and a short run of the service against the adversary is clean.
import { describe, expect, it } from 'vitest'
import { checkEvidence, checks } from './chaos/checker.ts'
import type { Evidence, Write } from './chaos/evidence.ts'
import { slowKinds } from './chaos/fault.ts'
import { ROOT, runChaos } from './chaos/run.ts'

const T = Date.parse('2026-01-01T00:00:00Z')
const PASSWORD = 'aB3dE-fG4hI-jK5mN-pQ6rS'

const write = (more: Partial<Write>): Write => ({
  at: T,
  committedAt: T,
  tx: '1',
  process: 'work-1.1',
  table: 'clusters',
  op: 'UPDATE',
  clusterId: 'clu_1',
  jobId: null,
  attemptId: null,
  holderAttempt: null,
  holderJob: null,
  was: null,
  becomes: null,
  key: null,
  ...more,
})
const held = { attemptId: 'att_1', jobId: 'job_1', holderAttempt: 'att_1', holderJob: 'job_1' }

/** One cluster's short life, as it should be: requested, installed by one attempt, and gone. */
function goodEvidence(): Evidence {
  return {
    journal: [
      {
        event: 'start',
        run: 'r1',
        at: T + 10,
        command: 'create cluster',
        cluster: 'one',
        dir: '/hosts/work-1/a',
        pid: 7,
      },
      { event: 'infrastructure', run: 'r1', at: T + 20, cluster: 'one', infraID: 'one-aaaaa' },
      { event: 'alive', run: 'r1', at: T + 500 },
      { event: 'end', run: 'r1', at: T + 600 },
      {
        event: 'start',
        run: 'r2',
        at: T + 700,
        command: 'destroy cluster',
        cluster: 'one',
        infraID: 'one-aaaaa',
        dir: '/hosts/work-1/b',
        pid: 8,
      },
      { event: 'end', run: 'r2', at: T + 800 },
    ],
    resources: [],
    clusters: [{ id: 'clu_1', name: 'one', status: 'DESTROYED', infraId: 'one-aaaaa' }],
    jobs: [{ id: 'job_1', clusterId: 'clu_1', type: 'CREATE', status: 'SUCCEEDED', message: null }],
    attempts: [
      {
        id: 'att_1',
        jobId: 'job_1',
        clusterId: 'clu_1',
        number: 1,
        worker: 'host:11',
        outcome: 'SUCCEEDED',
        startedAt: T,
        endedAt: T + 600,
      },
    ],
    locks: [],
    ledger: [{ infraId: 'one-aaaaa', clusterId: 'clu_1', attemptId: 'att_1', emptyAt: T + 800 }],
    artifacts: [{ id: 'art_1', key: 'k1' }],
    stored: new Set(['k1']),
    audit: [
      ['PENDING', 'CREATING'],
      ['CREATING', 'READY'],
      ['READY', 'DESTROYING'],
      ['DESTROYING', 'DESTROYED'],
    ].map(([from = '', to = '']) => ({ clusterId: 'clu_1', jobId: 'job_1', action: 'cluster.move', from, to, at: T })),
    queued: [],
    writes: [
      write({ tx: '1', process: 'serve-1.2', op: 'INSERT', becomes: 'PENDING' }),
      write({ tx: '1', process: 'serve-1.2', table: 'audit_events', op: 'INSERT', key: 'cluster.request' }),
      write({ tx: '2', was: 'PENDING', becomes: 'CREATING' }),
      write({ tx: '2', table: 'audit_events', op: 'INSERT', was: 'PENDING', becomes: 'CREATING' }),
      write({ tx: '2', table: 'job_attempts', op: 'INSERT', attemptId: 'att_1', jobId: 'job_1' }),
      write({ tx: '2', table: 'job_locks', op: 'INSERT', ...held, becomes: '5' }),
      write({ tx: '3', table: 'cluster_artifacts', op: 'INSERT', ...held, becomes: 'snapshot', key: 'k1' }),
      write({ tx: '4', table: 'infra_ledger', op: 'INSERT', ...held, key: 'one-aaaaa' }),
      write({ tx: '5', table: 'job_log_chunks', op: 'INSERT', ...held, attemptId: null }),
      write({ tx: '6', table: 'job_attempts', ...held, becomes: 'SUCCEEDED' }),
      write({
        tx: '6',
        table: 'job_locks',
        op: 'DELETE',
        attemptId: 'att_1',
        jobId: 'job_1',
        was: '5',
        key: 'att_1',
      }),
      write({ tx: '6', table: 'jobs', jobId: 'job_1', was: 'RUNNING', becomes: 'SUCCEEDED' }),
      write({ tx: '6', table: 'audit_events', op: 'INSERT', jobId: 'job_1', key: 'job.end' }),
    ],
    texts: [{ where: 'work-1.log', text: '{"msg":"the password is ***"}' }],
    secrets: [{ name: 'the token', value: 'ocp_secret-token' }],
    instances: [{ label: 'work-1.1', pid: 11, startedAt: T, endedAt: undefined }],
    ends: [{ name: 'work-1', end: '0' }],
    hostname: 'host',
    answers: [
      {
        sentAt: T,
        at: T,
        operation: 'create',
        name: 'one',
        key: 'key-1',
        status: 202,
        clusterId: 'clu_1',
        jobId: 'job_1',
        replayed: false,
      },
      {
        sentAt: T,
        at: T,
        operation: 'create',
        name: 'one',
        key: 'key-1',
        status: 202,
        clusterId: 'clu_1',
        jobId: 'job_1',
        replayed: true,
      },
    ],
    eventConnections: [{ at: T, process: 'work-1.1', lasting: 1 }],
    faults: [{ kind: 'freeze-worker', target: 'work-1', at: T + 100, healedAt: T + 20_000 }],
    removals: [{ infraID: 'one-aaaaa', clusterId: 'clu_1', file: 'vpc-vpc.json', since: T + 300, at: T + 700 }],
    findings: [{ type: 'resources-without-cluster', subject: 'clu_8', detail: 'of nobody' }],
    foreign: { clusterIds: new Set(['clu_9']), journal: [] },
    isSettled: true,
    leaseMs: 10_000,
    boundMs: 60_000,
  }
}

/** What makes each count go up; several ways where the count watches several things. */
const spoils: Record<keyof typeof checks, ((evidence: Evidence) => unknown)[]> = {
  overlappingInstallers: [
    (e) =>
      e.journal.push({
        event: 'start',
        run: 'r3',
        at: T + 400,
        command: 'destroy cluster',
        cluster: 'one',
        dir: '/x',
        pid: 9,
      }),
    // The first was killed and has no end: it lived until its last word.
    (e) => {
      e.journal = e.journal.filter((line) => line.event !== 'end')
      e.journal.push({
        event: 'start',
        run: 'r3',
        at: T + 499,
        command: 'create manifests',
        cluster: 'one',
        dir: '/x',
        pid: 9,
      })
    },
    (e) =>
      e.journal.push({
        event: 'start',
        run: 'r3',
        at: T + 750,
        command: 'destroy cluster',
        cluster: 'other',
        infraID: 'one-aaaaa',
        dir: '/x',
        pid: 9,
      }),
    // It was paused and went on when it woke, beside the next.
    (e) => {
      e.faults = [{ kind: 'pause-worker', target: 'work-1', at: T + 100, healedAt: T + 12_000 }]
      e.journal.push({ event: 'alive', run: 'r1', at: T + 14_100 })
    },
  ],
  outlivedLease: [
    (e) => e.journal.push({ event: 'alive', run: 'r1', at: T + 10_200 }),
    // It went on after its pause.
    (e) => {
      e.faults = [{ kind: 'pause-worker', target: 'work-1', at: T + 100, healedAt: T + 12_000 }]
      e.journal.push({ event: 'alive', run: 'r1', at: T + 14_100 })
    },
  ],
  resourcesLeft: [(e) => e.resources.push('resources/one-aaaaa/instance-master-0.json')],
  ledgerOpen: [(e) => (e.ledger = e.ledger.map((entry) => ({ ...entry, emptyAt: null })))],
  locksLeft: [(e) => e.locks.push({ clusterId: 'clu_1', worker: 'host:11' })],
  brokenLocks: [
    (e) =>
      e.writes.splice(
        9,
        0,
        write({ table: 'job_locks', attemptId: 'att_2', was: '5', becomes: '6', key: 'att_1', at: T + 9000 }),
      ),
    // It was renewed.
    (e) =>
      e.writes.splice(
        9,
        0,
        write({ table: 'job_locks', ...held, was: '5', becomes: '5', key: 'att_1', at: T + 9000 }),
        write({ table: 'job_locks', attemptId: 'att_2', was: '5', becomes: '6', key: 'att_1', at: T + 18_000 }),
      ),
    (e) =>
      e.writes.splice(9, 0, write({ table: 'job_locks', op: 'DELETE', process: 'work-2.3', was: '5', key: 'att_1' })),
    (e) => e.writes.push(write({ table: 'job_locks', op: 'INSERT', becomes: '5' })),
  ],
  illegalTransitions: [
    (e) => e.audit.push({ clusterId: 'clu_1', jobId: null, action: 'x', from: 'DESTROYED', to: 'READY', at: T }),
    (e) => e.audit.push({ clusterId: 'clu_1', jobId: null, action: 'x', from: 'DESTROYED', to: 'DESTROYING', at: T }),
    (e) => e.audit.splice(1, 1),
    (e) => e.writes.push(write({ tx: '2', was: 'DESTROYING', becomes: 'READY' })),
  ],
  auditGaps: [
    (e) => e.writes.push(write({ tx: '9', was: 'READY', becomes: 'DESTROYING' })),
    (e) => e.writes.push(write({ tx: '9', table: 'jobs', jobId: 'job_1', was: 'RUNNING', becomes: 'FAILED' })),
    (e) => e.writes.push(write({ tx: '9', table: 'audit_events', op: 'INSERT', was: 'READY', becomes: 'DESTROYING' })),
    (e) => e.writes.push(write({ table: 'audit_events', op: 'DELETE' })),
  ],
  stuck: [
    (e) => e.jobs.push({ id: 'job_2', clusterId: 'clu_1', type: 'DESTROY', status: 'PENDING', message: null }),
    (e) => e.clusters.push({ id: 'clu_2', name: 'two', status: 'FAILED', infraId: null }),
    (e) => (e.isSettled = false),
    (e) => e.queued.push({ id: 'q', state: 'active' }),
    (e) => e.ends.push({ name: 'work-2', end: 'SIGKILL' }),
    (e) =>
      e.attempts.push({
        id: 'att_2',
        jobId: 'job_1',
        clusterId: 'clu_1',
        number: 2,
        worker: 'host:11',
        outcome: null,
        startedAt: T,
        endedAt: null,
      }),
    (e) => e.writes.push(write({ tx: '2', was: 'CREATING', becomes: 'READY', at: T + 61_000 })),
  ],
  createTwiceInDir: [
    (e) =>
      e.journal.push({
        event: 'start',
        run: 'r3',
        at: T + 900,
        command: 'create cluster',
        cluster: 'one',
        dir: '/hosts/work-1/a',
        pid: 9,
      }),
  ],
  createWithoutLedger: [
    (e) => (e.writes = e.writes.filter((each) => each.table !== 'infra_ledger')),
    (e) => (e.writes = e.writes.filter((each) => each.table !== 'cluster_artifacts')),
    (e) =>
      (e.writes = e.writes.map((each) => (each.table === 'infra_ledger' ? { ...each, committedAt: T + 21 } : each))),
    (e) =>
      (e.writes = e.writes.map((each) =>
        each.table === 'cluster_artifacts' ? { ...each, committedAt: T + 21 } : each,
      )),
  ],
  oldFenceWrites: [
    (e) => e.writes.push(write({ table: 'cluster_artifacts', op: 'INSERT', ...held, holderAttempt: 'att_2' })),
    (e) => e.writes.push(write({ table: 'infra_ledger', op: 'INSERT', ...held, holderAttempt: null })),
    (e) => e.writes.push(write({ table: 'job_log_chunks', op: 'INSERT', ...held, process: 'work-2.3' })),
    (e) => e.writes.push(write({ table: 'job_attempts', ...held, was: 'LOST', becomes: 'SUCCEEDED' })),
    (e) => e.writes.push(write({ table: 'job_attempts', ...held, holderAttempt: 'att_2' })),
    (e) => e.writes.push(write({ table: 'job_attempts', op: 'INSERT', attemptId: 'att_2', jobId: 'job_1', tx: '9' })),
    (e) => e.writes.push(write({ table: 'jobs', tx: '1', jobId: 'job_1', was: 'RUNNING', becomes: 'SUCCEEDED' })),
  ],
  secretsInLogs: [
    (e) => e.texts.push({ where: 'job log', text: `Login with user: "kubeadmin", and password: "${PASSWORD}"` }),
    (e) => e.texts.push({ where: 'serve-1.log', text: 'authorization: Bearer ocp_secret-token' }),
    (e) => e.texts.push({ where: 'audit event', text: Buffer.from('ocp_secret-token').toString('base64') }),
  ],
  duplicateClusters: [
    (e) => e.clusters.push({ id: 'clu_2', name: 'one', status: 'DESTROYED', infraId: null }),
    (e) => {
      e.answers.push({
        sentAt: T,
        at: T,
        operation: 'create',
        name: 'one',
        key: 'key-1',
        status: 202,
        clusterId: 'clu_1',
        jobId: 'job_2',
        replayed: true,
      })
      e.jobs.push({ id: 'job_2', clusterId: 'clu_1', type: 'CREATE', status: 'SUCCEEDED', message: null })
    },
  ],
  lostAnswers: [
    (e) =>
      e.answers.push({
        sentAt: T,
        at: T,
        operation: 'destroy',
        name: 'one',
        key: 'key-2',
        status: 202,
        clusterId: 'clu_1',
        jobId: 'job_9',
        replayed: false,
      }),
  ],
  lostSnapshots: [(e) => e.stored.clear()],
  leakedConnections: [(e) => e.eventConnections.push({ at: T, process: 'serve-1.2', lasting: 2 })],
  foreignHarm: [
    // It was READY from 0 to 400.
    (e) => {
      e.writes.push(
        write({ was: 'CREATING', becomes: 'READY' }),
        write({ was: 'READY', becomes: 'DESTROYING', at: T + 400 }),
      )
      e.removals.push({
        infraID: 'one-aaaaa',
        clusterId: 'clu_1',
        file: 'dns-record-api.json',
        since: T + 100,
        at: T + 300,
      })
    },
    (e) =>
      e.foreign.journal.push({
        event: 'start',
        run: 'r9',
        at: T + 300,
        command: 'destroy cluster',
        cluster: 'one',
        infraID: 'one-aaaaa',
        dir: '/hosts/other-work-1/a',
        pid: 9,
      }),
    (e) => e.findings.push({ type: 'resources-without-cluster', subject: 'clu_9', detail: 'a vpc' }),
  ],
  crashes: [(e) => e.texts.push({ where: 'work-1.log', text: 'Error: boom\n    at x\n\nNode.js v24.21.0\n' })],
}

describe('the checker', () => {
  it('finds nothing wrong with a run in which nothing was', () => {
    expect(Object.values(checkEvidence(goodEvidence())).flat()).toEqual([])
  })

  it('lets an installer end when it wakes from a pause, and a cluster be destroyed again for what that left', () => {
    const evidence = goodEvidence()
    evidence.faults = [{ kind: 'pause-worker', target: 'work-1', at: T + 605, healedAt: T + 12_000 }]
    evidence.journal.push({ event: 'alive', run: 'r1', at: T + 12_900 })
    for (const [action, from, to] of [
      ['cluster.reopenDestroy', 'DESTROYED', 'DESTROYING'],
      ['cluster.finishDestroy', 'DESTROYING', 'DESTROYED'],
    ] as const)
      evidence.audit.push({ clusterId: 'clu_1', jobId: null, action, from, to, at: T + 13_000 })
    expect(Object.values(checkEvidence(evidence)).flat()).toEqual([])
  })

  it('lets what was lost in a crash be missing, and come back from the cloud', () => {
    const evidence = goodEvidence()
    evidence.faults = [
      { kind: 'lose-commits', target: 'postgres', at: T, loss: { from: T + 5, to: T + 900, marks: 9 } },
    ]
    evidence.writes = evidence.writes.filter((each) => each.table !== 'infra_ledger')
    evidence.clusters.push({ id: 'clu_2', name: 'one', status: 'DESTROYED', infraId: 'one-bbbbb' })
    evidence.answers.push({
      sentAt: T + 890,
      at: T + 910,
      operation: 'create',
      name: 'one',
      key: 'key-1',
      status: 202,
      clusterId: 'clu_3',
      jobId: 'job_3',
      replayed: false,
    })
    for (const [action, from, to] of [
      ['cluster.adopt', null, 'FAILED'],
      ['cluster.destroy', 'FAILED', 'DESTROYING'],
      ['cluster.finishDestroy', 'DESTROYING', 'DESTROYED'],
    ] as const)
      evidence.audit.push({ clusterId: 'clu_2', jobId: null, action, from, to, at: T + 2000 })
    expect(Object.values(checkEvidence(evidence)).flat()).toEqual([])

    evidence.faults = [
      { kind: 'lose-commits', target: 'postgres', at: T, loss: { from: T + 911, to: T + 915, marks: 9 } },
    ]
    const counted = Object.entries(checkEvidence(evidence)).flatMap(([count, found]) =>
      found.length > 0 ? [count] : [],
    )
    expect(counted).toEqual(['createWithoutLedger', 'duplicateClusters', 'lostAnswers'])
  })

  it('lets the ledger be written without a lock for what is found again', () => {
    const evidence = goodEvidence()
    const found = [
      write({ tx: '20', table: 'infra_ledger', key: 'one-aaaaa' }),
      write({ tx: '20', table: 'audit_events', op: 'INSERT', key: 'cluster.reopenDestroy' }),
    ]
    evidence.writes.push(...found)
    expect(checks.oldFenceWrites(evidence)).toEqual([])
    evidence.writes = evidence.writes.filter((each) => each !== found[1])
    expect(checks.oldFenceWrites(evidence)).toHaveLength(1)
  })

  it('tells a cluster that was lost from the one that was asked for once more', () => {
    const evidence = goodEvidence()
    evidence.journal.push(
      {
        event: 'start',
        run: 'r3',
        at: T + 1000,
        command: 'create cluster',
        cluster: 'one',
        dir: '/work/att_2/a',
        pid: 9,
      },
      { event: 'alive', run: 'r3', at: T + 2000 },
      {
        event: 'start',
        run: 'r4',
        at: T + 1500,
        command: 'create cluster',
        cluster: 'one',
        dir: '/work/att_3/a',
        pid: 9,
      },
    )
    expect(checks.overlappingInstallers(evidence)).toHaveLength(1)
    evidence.faults = [
      { kind: 'lose-commits', target: 'postgres', at: T, loss: { from: T + 900, to: T + 1100, marks: 9 } },
    ]
    expect(checks.overlappingInstallers(evidence)).toHaveLength(1)
    const [answer] = evidence.answers
    if (answer) evidence.answers.push({ ...answer, clusterId: 'clu_2' })
    expect(checks.overlappingInstallers(evidence)).toEqual([])
  })

  it('lets a cluster take its time while attempts are made at it', () => {
    const evidence = goodEvidence()
    const tried = (at: number) => write({ table: 'job_attempts', op: 'INSERT', attemptId: 'att_9', was: null, becomes: null, at }) // prettier-ignore
    evidence.writes.push(tried(T + 50_000), tried(T + 100_000))
    evidence.writes.push(write({ tx: '2', was: 'CREATING', becomes: 'READY', at: T + 150_000 }))
    expect(checks.stuck(evidence)).toEqual([])
    evidence.writes.push(write({ tx: '3', was: 'READY', becomes: 'DESTROYING', at: T + 160_000 }))
    evidence.writes.push(tried(T + 230_000))
    expect(checks.stuck(evidence)).toEqual(['nobody worked on cluster clu_1, which was DESTROYING, for 70 s'])
  })

  it('lets a lock be taken that was not renewed for a lease', () => {
    const evidence = goodEvidence()
    const renewal = write({ table: 'job_locks', ...held, was: '5', becomes: '5', key: 'att_1', at: T + 5000 })
    const taking = write({
      table: 'job_locks',
      attemptId: 'att_2',
      was: '5',
      becomes: '6',
      key: 'att_1',
      at: T + 15_000,
    })
    evidence.writes = [...evidence.writes.filter((each) => each.op !== 'DELETE'), renewal, taking]
    expect(checks.brokenLocks(evidence)).toEqual([])
  })

  for (const [name, ways] of Object.entries(spoils))
    for (const [index, spoil] of ways.entries())
      it(`counts ${name}, way ${index + 1}`, () => {
        const evidence = goodEvidence()
        spoil(evidence)
        const counted = Object.entries(checkEvidence(evidence)).flatMap(([count, found]) =>
          found.length > 0 ? [count] : [],
        )
        expect(counted).toContain(name)
      })
})

it('keeps every promise against an adversary for a while', { timeout: 240_000 }, async () => {
  const lines: string[] = []
  const report = await runChaos({
    seed: 20_260_101,
    adversityMs: 16_000,
    boundMs: 100_000,
    alive: 7,
    faultsPerMinute: 40,
    slowFaults: false,
    secondInstallation: false,
    asksClouds: false,
    without: slowKinds,
    source: ROOT,
    keep: false,
    say: (line) => lines.push(line),
  })
  expect(report.breaches, lines.at(-1)).toEqual(Object.fromEntries(Object.keys(checks).map((name) => [name, []])))
  expect(report.faults.length).toBeGreaterThanOrEqual(6)
  expect(Object.keys(report.faultsByKind).length).toBeGreaterThanOrEqual(4)
  expect(report.clusters.destroyed).toBeGreaterThanOrEqual(7)
})
