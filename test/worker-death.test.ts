// A worker that dies leaves no installer, and its cluster is not lost.
import { execFileSync } from 'node:child_process'
import { afterEach, expect, it } from 'vitest'
import { eventually, exitOf, hear, openHarness, type Harness } from './harness.ts'

let h: Harness
afterEach(() => h.close())

it(
  'ends the installer when its worker is killed, and another worker destroys what it made and starts afresh',
  { timeout: 120_000 },
  async () => {
    h = await openHarness({ speed: 1000, leaseSeconds: 10 })
    h.setFaults([{ cluster: 'orphan', stage: 'bootstrap', attempt: 1, action: 'hang' }])
    const first = h.startProcess('work')
    const { cluster, job } = await h.requestCluster('orphan')
    const running = await eventually(() =>
      h.journal().find((line) => line.event === 'infrastructure' && line.cluster === 'orphan'),
    )
    await eventually(async () => (await h.call('GET', `/jobs/${job.id}`)).body.attempts.at(-1)?.stage === 'bootstrap')

    first.kill('SIGKILL')
    await exitOf(first)
    const killedAt = Date.now()
    await eventually(() => !isAlive(running.run))
    expect(Date.now() - killedAt).toBeLessThan(20_000)

    h.startProcess('work')
    await h.reach(cluster.id, 'READY')
    const { attempts } = (await h.call('GET', `/jobs/${job.id}`)).body
    expect(attempts.map((attempt: { outcome: string }) => attempt.outcome)).toEqual(['LOST', 'SUCCEEDED'])
    expect(attempts[0].infraId).not.toBe(attempts[1].infraId)
    // The ledger's first infraID was destroyed before the second was made.
    const order = h
      .journal()
      .filter((line) => line.event === 'start' && line.cluster === 'orphan')
      .map((line) => line.command)
    expect(order).toEqual([
      'create manifests',
      'create ignition-configs',
      'create cluster',
      'destroy cluster',
      'create manifests',
      'create ignition-configs',
      'create cluster',
    ])
    expect(h.resources().every((name) => name.startsWith(attempts[1].infraId))).toBe(true)
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
    expect(h.resources()).toEqual([])

    function isAlive(run: string): boolean {
      const pid = h.journal().find((line) => line.event === 'start' && line.run === run)?.pid
      try {
        return (
          execFileSync('ps', ['-o', 'stat=', '-p', String(pid)])
            .toString()
            .trim()[0] !== 'Z'
        )
      } catch {
        return false // no such process
      }
    }
  },
)

it(
  'goes on after a drain without counting the attempt, and hands the running install to the next worker',
  { timeout: 120_000 },
  async () => {
    h = await openHarness({ speed: 1000, leaseSeconds: 10 })
    h.setFaults([{ cluster: 'moved', stage: 'initialize', attempt: 1, action: 'hang' }])
    const first = h.startProcess('work', { OCPCTL_DRAIN_TIMEOUT: '0' })
    const { cluster, job } = await h.requestCluster('moved')
    await eventually(async () => (await h.call('GET', `/jobs/${job.id}`)).body.attempts.at(-1)?.stage === 'initialize')
    first.kill('SIGTERM')
    expect(await exitOf(first)).toBe(0)
    expect((await h.call('GET', `/jobs/${job.id}`)).body).toMatchObject({
      status: 'RETRYING',
      attempts: [{ outcome: 'INTERRUPTED' }],
    })
    h.startProcess('work')
    await h.reach(cluster.id, 'READY')
  },
)

it('stops its installers at once at a second SIGTERM, and tells how the drain goes', { timeout: 120_000 }, async () => {
  h = await openHarness({ speed: 1000, leaseSeconds: 10 })
  h.setFaults([{ cluster: 'hasty', stage: 'bootstrap', action: 'hang' }])
  const worker = h.startProcess('work', { OCPCTL_DRAIN_TIMEOUT: '3600', OCPCTL_LOG_LEVEL: 'info' })
  let said = ''
  hear(worker, (text) => (said += text))
  const { job } = await h.requestCluster('hasty')
  await eventually(async () => (await h.call('GET', `/jobs/${job.id}`)).body.attempts.at(-1)?.stage === 'bootstrap')
  worker.kill('SIGTERM')
  await eventually(() => said.includes('draining: 1 jobs still run'))
  expect((await h.call('GET', `/jobs/${job.id}`)).body.status).toBe('RUNNING')
  worker.kill('SIGTERM')
  expect(await exitOf(worker)).toBe(0)
  expect((await h.call('GET', `/jobs/${job.id}`)).body).toMatchObject({
    status: 'RETRYING',
    attempts: [{ outcome: 'INTERRUPTED' }],
  })
})
