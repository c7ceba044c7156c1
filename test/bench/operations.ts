// Operations without work, from the queue to their settle, beside what the queue alone does, and beside another queue.
import { Client } from 'pg'
import { PgBoss } from 'pg-boss'
import { Logger, makeWorkerUtils, run as runGraphile } from 'graphile-worker'
import { claimJob } from '../../src/jobs/claim.ts'
import { settleJob } from '../../src/jobs/settle.ts'
import { newId, uuidOf } from '../../src/ids.ts'
import { openBenchApp } from './app.ts'
import { medianOf, query, type Ground } from './ground.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const CLUSTERS = 2000
const CONCURRENCY = 10

export async function measureOperations(ground: Ground, report: Report): Promise<void> {
  const url = await ground.createDatabase('operations')
  const { app, close } = await openBenchApp(ground, url)
  const rates = { ours: [] as number[], boss: [] as number[], graphile: [] as number[] }
  try {
    const utils = await makeWorkerUtils({ connectionString: url })
    await utils.migrate()
    await utils.release()
    let left = 0
    let done = Promise.withResolvers<void>()
    const countDown = () => {
      left--
      if (left === 0) done.resolve()
    }
    const timed = async (fill: () => Promise<unknown>, start: () => Promise<() => Promise<unknown>>) => {
      left = CLUSTERS
      done = Promise.withResolvers()
      await fill()
      const from = performance.now()
      const stop = await start()
      await done.promise
      const perSecond = CLUSTERS / ((performance.now() - from) / 1000)
      await stop()
      return perSecond
    }
    for (let round = 0; round <= ROUNDS; round++) {
      const ours = await timed(
        () => fillJobs(url, round, CLUSTERS),
        async () => {
          await app.queue.work({ installers: CONCURRENCY, turns: 1 }, async (delivery) => {
            const claim = await claimJob(app, delivery, 'bench')
            if (!claim) throw new Error('a job was not claimed')
            await settleJob(app, claim, { kind: 'succeeded', changes: { readyAt: new Date() } })
            countDown()
          })
          return () => app.queue.pause()
        },
      )
      const boss = await timed(
        () => fillBoss(url, round),
        async () => {
          const raw = new PgBoss({ connectionString: url, migrate: false, supervise: false, schedule: false, max: 12 })
          await raw.start()
          const wake = () => {
            for (const worker of raw.getWipData()) raw.notifyWorker(worker.id)
          }
          await raw.work(`raw-${round}`, { localConcurrency: CONCURRENCY, pollingIntervalSeconds: 1 }, async () => {
            countDown()
            setImmediate(wake)
          })
          return () => raw.stop({ graceful: true, timeout: 5000 })
        },
      )
      const graphile = await timed(
        () => fillGraphile(url),
        async () => {
          const runner = await runGraphile({
            connectionString: url,
            concurrency: CONCURRENCY,
            maxPoolSize: 12,
            noHandleSignals: true,
            pollInterval: 1000,
            logger: new Logger(() => () => undefined),
            taskList: { nothing: async () => countDown() },
          })
          return () => runner.stop()
        },
      )
      if (round === 0) continue // it warms
      rates.ours.push(ours)
      rates.boss.push(boss)
      rates.graphile.push(graphile)
    }
  } finally {
    await close()
  }
  report.rate(`operations without work over ${CLUSTERS} clusters`, rates.ours)
  report.rate('pg-boss alone, same policy, empty handler', rates.boss)
  report.rate('graphile-worker, a queue a cluster', rates.graphile)
  report.ratio('operations / pg-boss alone', medianOf(rates.ours) / medianOf(rates.boss), '≥ 0.6')
  report.ratio('operations / graphile-worker', medianOf(rates.ours) / medianOf(rates.graphile), '≥ 0.6')
}

/** So many clusters that wait for their installation, with jobs and entries of the queue. */
export async function fillJobs(url: string, round: number, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, n) => {
    const [clusterId, jobId] = [newId('clu'), newId('job')]
    return { clusterId, jobId, name: `o${round}-${n}`, uuid: uuidOf(jobId) }
  })
  const given = [JSON.stringify(rows)]
  const from = 'from json_to_recordset($1::json) as r ("clusterId" text, "jobId" text, name text, uuid uuid)'
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('begin')
  await client.query(
    `insert into clusters (id, name, base_domain, platform, version, profile, profile_hash, profile_snapshot, region, owner,
       team, status, requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, usd_per_hour)
     select "clusterId", name, 'example.com', 'aws', '4.20.3', 'p', 'x', '{}', 'r', 'o', 't', 'PENDING', 'o', '{}', '{}', '{}', 8,
       now() + interval '8 hours', 1 ${from}`,
    given,
  )
  await client.query(
    `insert into jobs (id, cluster_id, type, max_attempts, requested_by) select "jobId", "clusterId", 'CREATE', 3, 'o' ${from}`,
    given,
  )
  await client.query(
    `insert into pgboss.job (id, name, data, singleton_key, policy, retry_limit, expire_seconds, deletion_seconds, keep_until)
     select uuid, 'cluster-jobs', json_build_object('jobId', "jobId"), "clusterId", 'key_strict_fifo', 20, 80000, 80000,
       now() + interval '1 year' ${from}`,
    given,
  )
  await client.query('commit')
  await client.query('analyze')
  await client.end()
}

async function fillBoss(url: string, round: number): Promise<void> {
  const boss = new PgBoss({ connectionString: url, migrate: false, supervise: false, schedule: false })
  await boss.start()
  await boss.createQueue(`raw-${round}`, { policy: 'key_strict_fifo' })
  await boss.insert(
    `raw-${round}`,
    Array.from({ length: CLUSTERS }, (_, n) => ({ data: { n }, singletonKey: `k${n}` })),
  )
  await boss.stop({ graceful: false })
  await query(url, 'analyze')
}

async function fillGraphile(url: string): Promise<void> {
  await query(
    url,
    `select graphile_worker.add_job('nothing', '{}'::json, queue_name => 'q' || n) from generate_series(1, ${CLUSTERS}) n`,
  )
  await query(url, 'analyze')
}
