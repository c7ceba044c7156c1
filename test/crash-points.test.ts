// A worker dies after each durable step of create, scale, sleep, waking and destroy. The steps are listed by the code,
// so a new one is covered by itself.
import { spawn, type ChildProcess } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createPlan } from '../src/worker/create.ts'
import { destroyPlan } from '../src/worker/destroy.ts'
import { hibernatePlan } from '../src/worker/hibernate.ts'
import { resumePlan } from '../src/worker/resume.ts'
import { scalePlan } from '../src/worker/scale.ts'
import { eventually, exitOf, isThorough, openHarness, ROOT, type Harness } from './harness.ts'

const WORKERS = 4
const createPoints = createPlan.points
const destroyPoints = destroyPlan.points
/** Points that only a second attempt comes to, with where the first must die for it. */
const secondOnly: Record<string, string> = {
  'create:adopted': 'create:bootstrapped',
  'create:earlier-destroyed': 'create:infrastructure-begun',
}
const nameOf = (step: string) => step.replace(':', '-').slice(0, 21).replace(/-$/, '')
const plan = Object.fromEntries(
  [...createPoints, ...destroyPoints].map((step) => {
    const first = secondOnly[step]
    return [
      nameOf(step),
      first === undefined
        ? [{ attempt: 1, step }]
        : [
            { attempt: 1, step: first },
            { attempt: 2, step },
          ],
    ]
  }),
)
const names = Object.keys(plan)
// The clusters whose workers die in their destroy are scaled before.
const scaled = Object.fromEntries(scalePlan.points.map((step, index) => [nameOf(destroyPoints[index] ?? ''), step]))
for (const [name, step] of Object.entries(scaled)) plan[name]?.push({ attempt: 1, step })
// With THOROUGH=1 the others sleep and wake before, which takes a minute more.
const awake = names.filter((name) => !(name in scaled))
const turned = Object.fromEntries(
  (isThorough ? [...hibernatePlan.points, ...resumePlan.points] : []).map((step, index) => [awake[index] ?? '', step]),
)
for (const [name, step] of Object.entries(turned)) plan[name]?.push({ attempt: 1, step })
/** For a worker of this one there is no room when it wakes, so that another one is made in its place. */
const roomless = Object.keys(turned).find((name) => turned[name] === 'resume:replaced')
// A job that kills each worker that runs it.
const DEADLY = 'deadly'
const deadlyPlan = { [DEADLY]: [1, 2, 3].map((attempt) => ({ attempt, step: 'create:infrastructure-begun' })) }

let h: Harness
let deaths = 0
let closing = false
const workers = new Set<ChildProcess>()

function keepWorker(): void {
  const child = spawn(process.execPath, ['test/worker-process.ts', JSON.stringify({ ...plan, ...deadlyPlan })], {
    cwd: ROOT,
    env: { ...h.environment, OCPCTL_WORKER_CONCURRENCY: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  workers.add(child)
  child.once('exit', (_, signal) => {
    workers.delete(child)
    if (closing) return
    if (signal === 'SIGKILL') deaths++
    keepWorker()
  })
}

beforeAll(async () => {
  h = await openHarness({ speed: 3000, leaseSeconds: 10 })
  if (roomless !== undefined) h.setFaults([{ cluster: roomless, action: 'no-capacity', machine: 'worker-us-east-1a*' }])
  for (let index = 0; index < WORKERS; index++) keepWorker()
})
afterAll(async () => {
  closing = true
  for (const child of workers) child.kill('SIGKILL')
  await Promise.all([...workers].map(exitOf))
  await h.close()
})

it(
  'ends right after a death at each step of a create, of another number of workers, and of a destroy',
  { timeout: 600_000 },
  async () => {
    expect(new Set(names).size).toBe(createPoints.length + destroyPoints.length)
    const deadly = await h.requestCluster(DEADLY)
    const asked = await Promise.all(
      names.map((name) =>
        h.requestCluster(name, name in scaled || name === roomless ? { profile: 'aws-standard' } : {}),
      ),
    )
    await Promise.all(asked.map(({ cluster }) => h.reach(cluster.id, 'READY')))

    const idOf = (name: string | undefined) => asked[names.indexOf(name ?? '')]?.cluster.id
    const attempts = async (type: string) =>
      Object.fromEntries(
        (
          await h.rows<{ name: string; outcomes: string[]; infras: string[] }>(
            `select c.name, array_agg(a.outcome order by a.number) as outcomes, array_agg(a.infra_id order by a.number) as infras
           from clusters c join jobs j on j.cluster_id = c.id join job_attempts a on a.job_id = j.id where j.type = '${type}' group by c.name`,
          )
        ).map((row) => [row.name, row]),
      )
    const scalings = asked.filter((_, index) => (names[index] ?? '') in scaled)
    expect(scalings).toHaveLength(scalePlan.points.length)
    for (const { cluster } of scalings)
    expect(await h.call('POST', `/clusters/${cluster.id}/scale-workers`, { key: cluster.id, body: { replicas: 4 } })).toMatchObject({ status: 202 }) // prettier-ignore
    await Promise.all(scalings.map(({ cluster }) => h.reach(cluster.id, 'READY')))
    const resized = await attempts('SCALE_WORKERS')
    for (const [name, step] of Object.entries(scaled))
      expect(resized[name]?.outcomes, step).toEqual(step === 'scale:settled' ? ['SUCCEEDED'] : ['LOST', 'SUCCEEDED'])
    const turnings = asked.filter((_, index) => (names[index] ?? '') in turned)
    expect(turnings).toHaveLength(Object.keys(turned).length)
    for (const [verb, status] of [
      ['hibernate', 'HIBERNATED'],
      ['resume', 'READY'],
    ] as const) {
      for (const { cluster } of turnings)
      expect(await h.call('POST', `/clusters/${cluster.id}/${verb}`, { key: `${verb}-${cluster.id}`, body: verb === 'resume' && cluster.id === idOf(roomless) ? { replaceWorkers: true } : {} })).toMatchObject({ status: 202 }) // prettier-ignore
      await Promise.all(turnings.map(({ cluster }) => h.reach(cluster.id, status)))
    }
    for (const [name, step] of Object.entries(turned)) {
      const verb = step.split(':')[0]
      const outcomes = (await attempts(verb === 'resume' ? 'RESUME' : 'HIBERNATE'))[name]?.outcomes
      expect(outcomes, step).toEqual(step.endsWith(':settled') ? ['SUCCEEDED'] : ['LOST', 'SUCCEEDED'])
    }
    const created = await attempts('CREATE')
    for (const step of createPoints) {
      const expected =
        step === 'create:settled'
          ? ['SUCCEEDED']
          : secondOnly[step]
            ? ['LOST', 'LOST', 'SUCCEEDED']
            : ['LOST', 'SUCCEEDED']
      expect(created[nameOf(step)]?.outcomes, step).toEqual(expected)
    }
    await h.reach(deadly.cluster.id, 'FAILED')
    expect((await h.call('GET', `/jobs/${deadly.job.id}`)).body).toMatchObject({
      status: 'FAILED',
      reason: 'WORKER_LOST',
      attempts: [{ outcome: 'LOST' }, { outcome: 'LOST' }, { outcome: 'LOST' }, { outcome: 'FAILED' }],
    })
    asked.push(deadly)

    // What lives is what the ledger names; a bootstrapped install was finished rather than begun again.
    const living = await h.rows<{ infra_id: string }>(
      'select infra_id from infra_ledger where empty_at is null order by 1',
    )
    expect(
      [...new Set(h.resources().map((file) => file.split('/')[0] ?? ''))].toSorted((a, b) => (a < b ? -1 : 1)),
    ).toEqual(living.map((row) => row.infra_id))
    const begun = await h.rows<{ n: number }>(
      `select count(*)::int as n from infra_ledger l join clusters c on c.id = l.cluster_id where c.name in ('${nameOf('create:bootstrapped')}', '${nameOf('create:adopted')}', '${nameOf('create:end-stored')}')`,
    )
    expect(begun).toEqual([{ n: 3 }])

    await Promise.all(asked.map(({ cluster }) => h.destroy(cluster.id)))
    await Promise.all(asked.map(({ cluster }) => h.reach(cluster.id, 'DESTROYED')))
    const destroyed = await attempts('DESTROY')
    for (const step of destroyPoints)
      expect(destroyed[nameOf(step)]?.outcomes, step).toEqual(
        step === 'destroy:settled' ? ['SUCCEEDED'] : ['LOST', 'SUCCEEDED'],
      )

    await eventually(
      () => deaths === names.length + scalings.length + turnings.length + Object.keys(secondOnly).length + 3,
    )
    expect(h.resources()).toEqual([])
    expect(await h.rows('select * from job_locks')).toEqual([])
    expect(await h.rows('select * from infra_ledger where empty_at is null')).toEqual([])
    const dirs = h
      .journal()
      .filter((line) => line.event === 'start' && line.command === 'create cluster')
      .map((line) => line.dir)
    expect(new Set(dirs).size).toBe(dirs.length)
  },
)
