// npm run bench [-- --json FILE]
//
// What things cost, as ratios against a floor taken in the same run on the same machine: a transaction with one insert.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes, randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { sql } from 'drizzle-orm'
import { Client } from 'pg'
import { createToken } from '../src/auth/api-tokens.ts'
import { openEntry } from '../src/clusters/ledger.ts'
import { readConfig } from '../src/config.ts'
import { startEmbeddedPostgres } from '../src/db/embedded.ts'
import { migrateDatabase } from '../src/db/migrate.ts'
import { rbacMappings } from '../src/auth/tables.ts'
import { createHttp } from '../src/http/app.ts'
import { newId } from '../src/ids.ts'
import { diagnose } from '../src/diagnosis/diagnosis.ts'
import { claimJob } from '../src/jobs/claim.ts'
import { settleJob } from '../src/jobs/settle.ts'
import { renewLock } from '../src/jobs/lock.ts'
import { migrateQueue } from '../src/queue/setup.ts'
import { openLog } from '../src/observability/log.ts'
import { decide } from '../src/policy/policy.ts'
import { loadCatalog, profileNamed } from '../src/profiles/catalog.ts'
import { openTestApp, ROOT } from './harness.ts'

const { values } = parseArgs({ options: { json: { type: 'string' } } })
const results: Record<string, number> = {}
const note = (name: string, value: number, unit: string) => {
  results[name] = Math.round(value * 1000) / 1000
  process.stdout.write(`${name.padEnd(58)} ${value.toFixed(value < 10 ? 2 : 0).padStart(9)} ${unit}\n`)
}

const dir = mkdtempSync(join(tmpdir(), 'ocpctl-bench-'))
chmodSync(dir, 0o755) // as root, the embedded PostgreSQL runs as another account
const postgres = await startEmbeddedPostgres(dir, { shared_buffers: '256MB' })
const config = readConfig({
  DATABASE_URL: postgres.url,
  OCPCTL_DATA_DIR: dir,
  OCPCTL_SECRETS_KEY: randomBytes(32).toString('base64'),
  OCPCTL_PROFILES: join(ROOT, 'profiles'),
  OCPCTL_RATE_LIMIT_PER_MINUTE: '0',
  OCPCTL_RATE_LIMIT_ADDRESS_PER_MINUTE: '0',
  OCPCTL_LOG_LEVEL: 'error',
})
await migrateDatabase(postgres.url, openLog('error'), migrateQueue)
const { app, close } = await openTestApp(config, postgres.url)
const http = createHttp(app)

// Every statement that this process sends, whoever sends it.
let statements = 0
// oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
const send = Client.prototype.query
Client.prototype.query = function (this: Client, ...args: unknown[]) {
  statements++
  return Reflect.apply(send, this, args)
} as typeof send

try {
  const token = await app.db.transaction(async (tx) => {
    const { id, secret } = await createToken(
      tx,
      { kind: 'system', name: 'setup' },
      { name: 'bench', scopes: ['read', 'write'] },
    )
    const binding = {
      principalType: 'token',
      principal: id,
      team: '*',
      role: 'platform_admin',
      createdBy: 'bench',
    } as const
    await tx.insert(rbacMappings).values({ id: newId('rbm'), ...binding })
    return secret
  })
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await http.request(`/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path} gave ${response.status}: ${await response.text()}`)
    await response.arrayBuffer()
  }
  let made = 0
  const submit = () => call('POST', '/clusters', { name: `b${made++}`, platform: 'aws', profile: 'aws-minimal-test' })
  const insert = () =>
    app.db
      .transaction((tx) => tx.execute(sql`insert into bench_floor (body) values ('x') returning id`))
      .then(() => undefined)
  await app.db.execute(sql`create table bench_floor (id bigserial primary key, body text not null)`)

  for (const [concurrency, rounds] of [
    [1, 300],
    [8, 1200],
  ] as const) {
    await rate(insert, concurrency, 200)
    await rate(submit, concurrency, 50)
    const floor = await rate(insert, concurrency, rounds)
    const submits = await rate(submit, concurrency, rounds)
    note(`floor: one insert in a transaction, ${concurrency} at a time`, floor, '/s')
    note(`submit a cluster, ${concurrency} at a time`, submits, '/s')
    note(`submit / floor, ${concurrency} at a time`, submits / floor, 'x')
  }
  statements = 0
  await submit()
  note('statements of a submit, BEGIN and COMMIT included', statements, '')
  statements = 0
  await call('GET', '/clusters?limit=50')
  note('statements of a list', statements, '')

  const [last] = (
    await app.db.execute<{ id: string; queueId: string }>(sql`
      select j.id, q.id::text as "queueId" from jobs j join pgboss.job q on q.data ->> 'jobId' = j.id order by j.id desc limit 1`)
  ).rows
  if (!last) throw new Error('nothing was submitted')
  await app.db.execute(sql`update pgboss.job set state = 'active', started_on = now() where id = ${last.queueId}::uuid`)
  const delivery = { jobId: last.id, queueId: last.queueId, retryCount: 0, retryLimit: 20 }
  const claim = await claimJob(app, delivery, 'bench')
  if (!claim) throw new Error('the job was not claimed')
  const { lock, cluster, attempt } = claim
  const renew = () => renewLock(app.leaseDb, app.queue, lock, delivery, 30).then(() => undefined)
  statements = 0
  await renew()
  note('statements of a renewal', statements, '')
  note('renew / floor, 1 at a time', (await rate(renew, 1, 300)) / (await rate(insert, 1, 300)), 'x')
  const infraID = `${cluster.name}-abcde`
  const metadata = { clusterName: cluster.name, clusterID: randomUUID(), infraID }
  const facts = { clusterId: cluster.id, attemptId: attempt.id, metadata, snapshotId: 'none' }
  await app.db.transaction((tx) => openEntry(tx, facts))
  statements = 0
  await settleJob(app, claim, { kind: 'succeeded', changes: { readyAt: new Date() } }, facts)
  note('statements of a settle', statements, '')

  const list = () => call('GET', '/clusters?limit=50')
  const few = await rate(list, 1, 200)
  await app.db.execute(sql`
    insert into clusters (id, name, base_domain, platform, version, profile, profile_hash, profile_snapshot, region, owner, team,
      status, requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, destroyed_at, usd_per_hour)
    select 'clu_0000' || lpad(n::text, 22, '0'), 'old-' || n, base_domain, platform, version, profile, profile_hash, profile_snapshot,
      region, owner, 'team-' || n % 100, 'DESTROYED', requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, now(), usd_per_hour
    from (select * from clusters limit 1) c, generate_series(1, 200000) n`)
  await app.db.execute(sql`analyze clusters`)
  const many = await rate(list, 1, 200)
  note('list a page among 1 600 clusters', few, '/s')
  note('list a page among 200 000 more / before', many / few, 'x')
  const team = await rate(() => call('GET', '/clusters?limit=50&team=team-7'), 1, 100)
  note('list a page of one team among 200 000 / of all', team / many, 'x')
  const submitsAmongMany = await rate(submit, 1, 300)
  note('submit among 200 000 / floor, 1 at a time', submitsAmongMany / (await rate(insert, 1, 300)), 'x')

  const catalog = loadCatalog(join(ROOT, 'profiles'))
  const profile = profileNamed(catalog, 'aws-standard')
  const usage = { clusters: 1, vcpu: 24, installs: 1, usdThisMonth: 100, profileUsdThisMonth: 0 }
  const holdings = { team: 't', quota: { clusters: 10, usdPerMonth: 1000 }, usage, now: new Date() }
  const decisions = await rate(
    async () =>
      void decide({ name: 'x', platform: 'aws', profile: 'aws-standard', tags: { a: 'b' } }, profile, holdings),
    1,
    20_000,
  )
  note('a policy decision', 1000 / decisions, 'ms')
  const thousand = join(dir, 'profiles')
  mkdirSync(thousand)
  const standard = readFileSync(join(ROOT, 'profiles/aws-standard.yaml'), 'utf8')
  for (let index = 0; index < 1000; index++)
    writeFileSync(join(thousand, `p${index}.yaml`), standard.replace('name: aws-standard', `name: p${index}`))
  const loadedAt = performance.now()
  if (loadCatalog(thousand).list().length !== 1000) throw new Error('not all profiles were read')
  note('load 1 000 profiles', performance.now() - loadedAt, 'ms')
  const line =
    'time="2026-01-01T00:00:00Z" level=debug msg="Still waiting for the cluster to initialize: Working towards 4.20.3: 640 of 901 done (71% complete)"\n'
  const log = line.repeat(100_000) + 'time="2026-01-01T00:00:00Z" level=error msg="VcpuLimitExceeded: limit of 32"\n'
  const startedAt = performance.now()
  if (diagnose({ log, exitCode: 4 }).reason !== 'VcpuLimitExceeded') throw new Error('the diagnosis is wrong')
  note('diagnose a log of 14 MB', performance.now() - startedAt, 'ms')
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
} finally {
  await close()
  await postgres.stop()
  rmSync(dir, { recursive: true, force: true })
}

/** Calls a second, with so many at a time. */
async function rate(run: () => Promise<unknown>, concurrency: number, rounds: number): Promise<number> {
  const from = performance.now()
  let left = rounds
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await run()
    }),
  )
  return rounds / ((performance.now() - from) / 1000)
}
