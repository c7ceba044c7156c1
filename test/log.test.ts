// What a service says: a line of JSON an event on stdout, which names what it is about; to a person lines for people.
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newId } from '../src/ids.ts'
import { traceOfJob } from '../src/observability/trace-context.ts'
import { eventually, exitOf, openHarness, ROOT, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())

type Line = Record<string, unknown> & { level: string; msg: string }

/** The lines of its stdout so far, each of which is JSON. */
function linesOf(child: ReturnType<Harness['startProcess']>): () => Line[] {
  let out = ''
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
  return () =>
    out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line) // of pino
}

it('one line an event, with the ids of request, cluster, job and trace', { timeout: 120_000 }, async () => {
  const server = h.startProcess('serve', { OCPCTL_LOG_LEVEL: 'debug' })
  const worker = h.startProcess('work', { OCPCTL_LOG_LEVEL: 'info' })
  let err = ''
  for (const { stderr } of [server, worker]) stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const [ofServer, ofWorker] = [linesOf(server), linesOf(worker)]
  const url = await eventually(() => ofServer().find(({ msg }) => msg === 'the API is ready')?.['url'] as string)
  const traceId = '7'.repeat(32)
  const headers = {
    authorization: `Bearer ${h.admin}`,
    'content-type': 'application/json',
    'idempotency-key': newId('evt'),
    'x-request-id': 'asked-by-me',
    traceparent: `00-${traceId}-${'8'.repeat(16)}-01`,
  }
  const body = JSON.stringify({ name: 'told', platform: 'aws', profile: 'aws-minimal-test' })
  const answer = await fetch(`${url}/api/v1/clusters`, { method: 'POST', headers, body })
  const { cluster, job } = (await answer.json()) as { cluster: { id: string }; job: { id: string } } // as it answers
  await h.reach(cluster.id, 'READY')
  await fetch(`${url}/api/v1/clusters/${cluster.id}`, { headers })
  await fetch(`${url}/links/secret`)
  await fetch(`${url}/healthz`)
  await fetch(`${url}/metrics`, { headers })

  const answered = () => ofServer().filter(({ msg }) => msg === 'a request was answered')
  await eventually(() => answered().length >= 3)
  expect(answered()).toMatchObject([
    { level: 'info', requestId: 'asked-by-me', traceId, method: 'POST', path: '/api/v1/clusters', status: 202 },
    { level: 'debug', requestId: 'asked-by-me', clusterId: cluster.id, method: 'GET', status: 200 },
    { level: 'debug', method: 'GET', path: '/links/…' },
  ])
  const about = { jobId: job.id, clusterId: cluster.id, traceId }
  await eventually(() => ofWorker().some(({ msg }) => msg === 'CREATE ended'))
  for (const msg of ['CREATE starts', 'CREATE ended'])
    expect(ofWorker().find((line) => line.msg === msg)).toMatchObject({ level: 'info', time: expect.any(String), ...about }) // prettier-ignore
  expect(traceOfJob({ id: job.id, traceparent: headers.traceparent }).traceId).toBe(traceId)
  expect(err).toBe('')
  for (const child of [server, worker]) child.kill('SIGTERM')
  for (const child of [server, worker]) expect(await exitOf(child)).toBe(0)
})

it('on a terminal a line for people, with secrets masked as ever', async () => {
  const child = spawn('script', ['-qec', `"${process.execPath}" src/main.ts serve`, '/dev/null'], {
    cwd: ROOT,
    env: { ...h.environment, OCPCTL_LOG_LEVEL: 'info' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  await eventually(() => out.includes('the API is ready'))
  // oxlint-disable-next-line no-control-regex -- the colours
  const plain = out.replaceAll(/\u001b\[[\d;]*m/g, '')
  expect(plain).toMatch(/^\[\d\d:\d\d:\d\d\] INFO: the API is ready \{"url":"http:\/\/127\.0\.0\.1:\d+"\}\r?$/m)
  child.stdin.write('\u0003') // Ctrl-C
  await exitOf(child)
})
