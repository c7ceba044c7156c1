// Each state that a cluster can have is reached and left, and each legal change of it is made by the service itself.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { transitions, type Transition } from '../src/clusters/lifecycle.ts'
import { newId } from '../src/ids.ts'
import { clusterStatuses } from '../src/vocabulary.ts'
import { openHarness, type Harness } from './harness.ts'

/** Made by a recovery after a loss, which has tests of its own. */
const OF_LOSS: readonly Transition[] = ['recallDestroy', 'reopenDestroy']

let h: Harness
beforeAll(async () => {
  h = await openHarness({ concurrency: 8 })
})
afterAll(() => h.close())

it('each state is reached and left, by every change that is legal', { timeout: 180_000 }, async () => {
  h.setFaults([
    { cluster: 'fails-*', attempt: [1, 2, 3], stage: 'network', action: 'fail' },
    { cluster: 'hangs', stage: 'api', action: 'hang' },
    { cluster: 'stays', command: 'destroy cluster', action: 'leave', type: 'instance', times: 3 },
  ])
  const request = async (name: string) => (await h.requestCluster(name, { profile: 'aws-standard' })).cluster.id
  const post = (path: string, body?: object) => h.call('POST', path, { key: newId('evt'), ...(body && { body }) })
  /** Returns the job. */
  const ask = async (id: string, verb: string, body: object = {}): Promise<string> => {
    const answer = await post(`/clusters/${id}/${verb}`, body)
    expect(answer, verb).toMatchObject({ status: 202 })
    return answer.body.job.id
  }
  const cancel = async (job: string) => expect(await post(`/jobs/${job}/cancel`)).toMatchObject({ status: 202 })
  const jobOf = async (id: string) => (await h.call('GET', `/clusters/${id}`)).body.job.id

  const worker = await h.startWorker()
  const names = ['ready', 'scaling', 'turns', 'asleep', 'waking', 'turned', 'fails-1', 'fails-2', 'stays']
  const [ready = '', scaling = '', turns = '', asleep = '', waking = '', turned = '', fails1 = '', fails2 = '', stays = ''] = await Promise.all(names.map(request)) // prettier-ignore
  await Promise.all([ready, scaling, turns, asleep, waking, turned, stays].map((id) => h.reach(id, 'READY')))
  await Promise.all([fails1, fails2].map((id) => h.reach(id, 'FAILED')))
  await ask(turns, 'scale-workers', { replicas: 4 })
  for (const id of [asleep, waking, turned]) await ask(id, 'hibernate')
  expect(await post(`/jobs/${await jobOf(fails1)}/retry`)).toMatchObject({ status: 202 })
  await h.destroy(stays)
  await Promise.all([asleep, waking, turned].map((id) => h.reach(id, 'HIBERNATED')))
  await Promise.all([turns, fails1].map((id) => h.reach(id, 'READY')))
  await h.reach(stays, 'DESTROY_FAILED')
  await ask(asleep, 'resume')
  await h.reach(asleep, 'READY')
  await ask(asleep, 'hibernate')
  await h.reach(asleep, 'HIBERNATED')
  const hangs = await request('hangs')
  await h.reach(hangs, 'CREATING')
  await h.destroy(hangs)
  await h.reach(hangs, 'DESTROYED')
  await worker.drain(60_000)

  // Nobody works now, so what moves stays on its way.
  await ask(scaling, 'scale-workers', { replicas: 4 })
  await cancel(await ask(turns, 'scale-workers', { replicas: 5 }))
  await ask(turns, 'hibernate')
  await ask(waking, 'resume')
  await cancel(await ask(turned, 'resume'))
  await cancel(await ask(turned, 'resume'))
  await cancel(await ask(turned, 'hibernate'))
  await cancel(await ask(turned, 'hibernate'))
  await ask(turned, 'resume')
  const [waits, cancelled] = [await request('waits'), await request('cancelled')]
  await cancel(await jobOf(cancelled))
  const all = [ready, scaling, turns, asleep, waking, turned, fails1, fails2, stays, waits, cancelled]
  for (const id of all) await h.destroy(id)
  await h.startWorker()
  await Promise.all(all.map((id) => h.reach(id, 'DESTROYED')))
  expect(h.resources()).toEqual([])

  const rows = await h.rows<{ action: string; from: string; to: string }>(
    `select distinct action, detail ->> 'from' as from, detail ->> 'to' as to from audit_events where action like 'cluster.%' and detail ? 'from'`,
  )
  const made = new Set(rows.map(({ action, from }) => `${action.slice('cluster.'.length)} ${from}`))
  const wanted = (Object.keys(transitions) as Transition[])
    .filter((name) => !OF_LOSS.includes(name))
    .flatMap((name) => transitions[name].from.map((from) => `${name} ${from}`))
  // A create whose worker was lost begins again as it is; other tests kill workers.
  expect(wanted.filter((each) => !made.has(each))).toEqual(
    ['startCreate CREATING', 'failCreate CREATING'].filter((each) => !made.has(each)),
  )
  expect([...new Set(rows.map(({ to }) => to))].toSorted()).toEqual(clusterStatuses.toSorted())
  expect([...new Set(rows.map(({ from }) => from))].toSorted()).toEqual(clusterStatuses.filter((each) => each !== 'DESTROYED').toSorted()) // prettier-ignore
})
