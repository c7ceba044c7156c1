// Following: whatever is killed meanwhile, no line is lost or shown twice, and no wait ends before its job has.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer as createProbe, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createHttp } from '../src/http/app.ts'
import { createServer } from '../src/http/server.ts'
import { claimJob, type Claim } from '../src/jobs/claim.ts'
import { openJobLogs } from '../src/jobs/log.ts'
import { openHome, serve, type Home } from './cli.ts'
import { eventually, exitOf, openHarness, type Harness } from './harness.ts'

/** Those as a process, with -9; and those in which all its sockets are destroyed, which is the same to who follows. */
const KILLED = 3
const TORN = 17
const KILLS = KILLED + TORN
const LINES_EACH = 50

let h: Harness
let home: Home
let port: string
let server: ChildProcess
beforeAll(async () => {
  h = await openHarness()
  port = await freePort()
  await start()
  home = openHome({ OCPCTL_URL: `http://127.0.0.1:${port}`, OCPCTL_TOKEN: h.admin })
})
afterAll(async () => {
  home.remove()
  await h.close()
})

async function start(): Promise<void> {
  server = (await serve(h, { PORT: port })).child
}
async function kill(): Promise<void> {
  server.kill('SIGKILL')
  await exitOf(server)
}

/** The same server in this process. */
async function listen(): Promise<Server> {
  const listening = createServer(createHttp(h.app)).listen(Number(port), '127.0.0.1')
  await once(listening, 'listening')
  return listening
}

async function freePort(): Promise<string> {
  const probe = createProbe().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port: free } = probe.address() as AddressInfo // listens on TCP
  probe.close()
  await once(probe, 'close')
  return String(free)
}

/** A job in the hands of the test, which is its worker. */
async function claim(name: string): Promise<Claim> {
  const { job } = await h.requestCluster(name)
  const [entry] = await h.rows<{ id: string }>(
    `update pgboss.job set state = 'active', started_on = now() where data ->> 'jobId' = '${job.id}' returning id::text`,
  )
  const queued = { jobId: job.id, queueId: entry?.id ?? '', retryCount: 0, retryLimit: 20 }
  const claimed = await claimJob(h.app, queued, 'test')
  if (!claimed) throw new Error('not claimed')
  return claimed
}

describe('logs', () => {
  it(`loses no line and shows none twice while the server is killed ${KILLS} times`, { timeout: 300_000 }, async () => {
    const claimed = await claim('killed')
    const log = await openJobLogs(h.app).open(claimed.lock)
    const following = home.start(['logs', '-f', claimed.job.id, '-o', 'jsonl'])
    const shown = () => following.stdout().split('\n').length - 1
    let written = 0
    const write = async () => {
      for (let n = 0; n < LINES_EACH; n++) log.write('info', `line ${++written}`)
      await log.flush()
    }
    const survive = async (end: () => Promise<unknown>, begin: () => Promise<unknown>) => {
      const before = shown()
      await write()
      // In the middle of what it sends.
      await eventually(() => shown() > before)
      await end()
      await write()
      await begin()
    }
    for (let n = 0; n < KILLED; n++) await survive(kill, start)
    await kill()
    let inside = await listen()
    const tear = () => {
      inside.close()
      inside.closeAllConnections()
      return once(inside, 'close')
    }
    for (let n = 0; n < TORN; n++) await survive(tear, async () => (inside = await listen()))
    await tear()
    await start()
    await eventually(() => shown() >= written)
    await log.close()
    await h.rows(`update jobs set status = 'CANCELLED', ended_at = now() where id = '${claimed.job.id}'`)
    const { code, stdout } = await following.ended
    const kept: unknown[] = []
    for (let after = 0; ;) {
      const { body } = await h.call('GET', `/jobs/${claimed.job.id}/log?after=${after}`)
      kept.push(...body.items)
      if (body.nextAfter === null) break
      after = body.nextAfter
    }
    expect(kept).toHaveLength(2 * KILLS * LINES_EACH)
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(kept)
    expect(code).toBe(0)
  })

  it('shows the last lines, those of a level, and those after a number', async () => {
    const claimed = await claim('chosen')
    const log = await openJobLogs(h.app).open(claimed.lock)
    for (const level of ['debug', 'info', 'error'] as const)
      for (let n = 1; n <= 3; n++) log.write(level, `${level} ${n}`)
    await log.close()
    const messages = async (...args: string[]) => {
      const { stdout } = await home.run(['logs', 'chosen', '-o', 'jsonl', ...args])
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).message]))
    }
    expect(await messages()).toHaveLength(9)
    expect(await messages('--tail', '2')).toEqual(['error 2', 'error 3'])
    expect(await messages('--level', 'info', '--tail', '4')).toEqual(['info 3', 'error 1', 'error 2', 'error 3'])
    expect(await messages('--after', '8')).toEqual(['error 3'])
    const { items } = await home.json('logs', 'chosen')
    expect(items).toEqual((await h.call('GET', `/jobs/${claimed.job.id}/log`)).body.items)
    expect((await home.run(['logs', 'chosen'])).stdout.split('\n').at(-2)).toMatch(/^\d\d:\d\d:\d\d error {3}error 3$/)
  })

  it('ends at once when one may no longer see it', async () => {
    const claimed = await claim('refused')
    const token = await h.tokenFor([{ team: '*', role: 'auditor' }])
    const following = home.start(['logs', '-f', claimed.job.id, '-o', 'jsonl'], {
      environment: { OCPCTL_TOKEN: token },
    })
    const log = await openJobLogs(h.app).open(claimed.lock)
    log.write('info', 'seen')
    await log.close()
    await eventually(() => following.stdout().includes('seen'))
    const { id } = (await h.call('GET', '/api/v1/whoami', { token })).body.principal
    await h.call('DELETE', `/api/v1/api-tokens/${id}`)
    const { code, stderr } = await following.ended
    expect([code, JSON.parse(stderr).code]).toEqual([4, 'UNAUTHENTICATED'])
  })
})

describe('wait', () => {
  it('goes on over restarts of the server, and ends with the job', { timeout: 180_000 }, async () => {
    const claimed = await claim('restarted')
    const waiting = home.start(['wait', claimed.job.id, '--for', 'job', '-o', 'json'])
    await eventually(() => waiting.stderr().includes('CREATE RUNNING'))
    await kill()
    await eventually(() => waiting.stderr().includes('cannot be reached'))
    await h.rows(`update jobs set status = 'SUCCEEDED', ended_at = now() where id = '${claimed.job.id}'`)
    expect(waiting.child.exitCode).toBe(null)
    await start()
    const { code, stdout } = await waiting.ended
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { id: claimed.job.id, status: 'SUCCEEDED' }])
  })

  it('does not end with the state of the cluster while its job goes on', async () => {
    const claimed = await claim('early')
    await h.rows(`update clusters set status = 'READY', ready_at = now() where id = '${claimed.lock.clusterId}'`)
    const waiting = home.start(['wait', 'early', '--for', 'ready'])
    await eventually(() => waiting.stderr().includes('CREATE RUNNING'))
    expect(waiting.child.exitCode).toBe(null)
    await h.rows(`update jobs set status = 'SUCCEEDED', ended_at = now() where id = '${claimed.job.id}'`)
    expect((await waiting.ended).code).toBe(0)
  })

  it('is left with Ctrl-C: the operation goes on, and it says how to come back', async () => {
    const claimed = await claim('left')
    for (const [args, again] of [
      [['wait', 'left', '--for', 'job'], `ocpctl wait ${claimed.job.id} --for job`],
      [
        ['wait', 'left', '--for', 'destroyed'],
        `ocpctl wait ${claimed.job.id} --for job|ocpctl wait ${claimed.lock.clusterId} --for destroyed`,
      ],
      [['logs', '-f', 'left'], `ocpctl logs -f ${claimed.job.id}`],
    ] as const) {
      const waiting = home.start([...args], { environment: {} })
      const log = args[0] === 'logs' ? await openJobLogs(h.app).open(claimed.lock) : undefined
      log?.write('info', 'a line')
      await log?.close()
      await eventually(() => waiting.stderr().includes('CREATE RUNNING') || waiting.stdout().includes('a line'))
      waiting.child.kill('SIGINT')
      const { code, stderr } = await waiting.ended
      expect(code).toBe(130)
      expect(again.split('|').some((each) => stderr.includes(each))).toBe(true)
    }
    expect((await h.call('GET', `/jobs/${claimed.job.id}`)).body).toMatchObject({
      status: 'RUNNING',
      cancelRequestedAt: null,
    })
  })

  it('asks at a second Ctrl-C on a terminal whether to cancel', async () => {
    const claimed = await claim('cancelled')
    // The second one has to come soon, and this machine may be busy.
    for (let isAsked = false; !isAsked;) {
      const terminal = home.onTerminal(['wait', claimed.job.id, '--for', 'job'])
      await eventually(() => terminal.stdout().includes('claimed'))
      terminal.child.stdin?.write('\u0003')
      await eventually(() => terminal.stdout().includes('Ctrl-C once more'))
      expect(terminal.stdout()).toContain(`ocpctl wait ${claimed.job.id} --for job`)
      terminal.child.stdin?.write('\u0003')
      await eventually(() => terminal.stdout().includes('[y/N]') || terminal.child.exitCode !== null)
      isAsked = terminal.child.exitCode === null
      if (isAsked) terminal.child.stdin?.write('y\r')
      expect((await terminal.ended).code).toBe(130)
    }
    const { body } = await h.call('GET', `/jobs/${claimed.job.id}`)
    expect(body.cancelRequestedAt).not.toBe(null)
  })

  it('is done when what was to be cancelled is', async () => {
    const { job } = await h.requestCluster('waiting')
    const { code, stdout } = await home.run(['job', 'cancel', job.id, '--wait', '-o', 'json'])
    expect([code, JSON.parse(stdout).status]).toEqual([0, 'CANCELLED'])
  })
})
