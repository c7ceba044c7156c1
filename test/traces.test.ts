// One trace a job, from the request that asked for it to its end, whoever works on it.
import { spawn, spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId, uuidOf } from '../src/ids.ts'
import { readTraceparent, spanIdOf, traceOfJob, traceparentOf } from '../src/observability/trace-context.ts'
import { eventually, exitOf, openHarness, ROOT, type Harness } from './harness.ts'
import { openOtlpReceiver, type ReceivedSpan } from './otlp-receiver.ts'

describe('traceparent', () => {
  const trace = 'a'.repeat(32)
  const span = 'b'.repeat(16)
  it.each([
    [`00-${trace}-${span}-01`, { traceId: trace, spanId: span, isSampled: true }],
    [`00-${trace}-${span}-00`, { traceId: trace, spanId: span, isSampled: false }],
    [`cc-${trace}-${span}-03-later`, { traceId: trace, spanId: span, isSampled: true }],
    [`00-${trace}-${span}-01-more`, undefined],
    [`ff-${trace}-${span}-01`, undefined],
    [`00-${'0'.repeat(32)}-${span}-01`, undefined],
    [`00-${trace}-${'0'.repeat(16)}-01`, undefined],
    [`00-${trace.toUpperCase()}-${span}-01`, undefined],
    [`00-${trace}-${span}`, undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (text, context) => {
    expect(readTraceparent(text)).toEqual(context)
    if (context && text?.startsWith('00')) expect(traceparentOf(context)).toBe(text)
  })

  it('of a job that no request brought one is the job’s id', () => {
    const id = newId('job')
    const { traceId, spanId } = traceOfJob({ id, traceparent: null })
    expect([traceId, spanId]).toEqual([uuidOf(id).replaceAll('-', ''), spanIdOf(id)])
    expect(traceOfJob({ id, traceparent: `00-${trace}-${span}-01` })).toMatchObject({ traceId: trace, spanId })
  })
})

describe('with an endpoint', () => {
  let h: Harness
  let receiver: Awaited<ReturnType<typeof openOtlpReceiver>>
  beforeAll(async () => {
    receiver = await openOtlpReceiver()
    h = await openHarness({ speed: 3000, leaseSeconds: 10, environment: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  })
  afterAll(async () => {
    await h.close()
    receiver.close()
  })
  const work = (deaths: object) =>
    spawn(process.execPath, ['test/worker-process.ts', JSON.stringify(deaths)], {
      cwd: ROOT,
      env: h.environment,
      stdio: ['ignore', 'ignore', 'inherit'],
    })

  it('a create is one trace over the death of its worker, a destroy one of its own', { timeout: 120_000 }, async () => {
    const asked = { traceId: '1'.repeat(31) + '2', spanId: '3'.repeat(16), isSampled: true }
    const { body } = await h.call('POST', '/clusters', {
      key: newId('evt'),
      body: { name: 'traced', platform: 'aws', profile: 'aws-minimal-test' },
      headers: { traceparent: traceparentOf(asked), 'x-request-id': 'the-request' },
    })
    const jobId: string = body.job.id
    const dead = work({ traced: [{ attempt: 1, step: 'create:infrastructure-begun' }] })
    expect(await exitOf(dead)).toBe('SIGKILL')
    const alive = work({})
    await h.reach(body.cluster.id, 'READY')
    const { job: destroy } = await h.destroy(body.cluster.id)
    await h.reach(body.cluster.id, 'DESTROYED')
    await h.app.traces.close() // sends what this process has
    const spans = await eventually(() => {
      const names = receiver.spans.map(({ name }) => name)
      return names.includes('DESTROY') && names.includes('DESTROY attempt') && receiver.spans
    })
    alive.kill('SIGKILL')
    await exitOf(alive)

    const ofTrace = (traceId: string) => spans.filter((span) => span.traceId === traceId)
    const one = (of: ReceivedSpan[], name: string) => {
      const found = of.filter((span) => span.name === name)
      expect([name, found.length]).toEqual([name, 1])
      return found[0] as ReceivedSpan // it is there
    }
    const create = ofTrace(asked.traceId)
    const request = one(create, 'POST /api/v1/clusters')
    expect(request).toMatchObject({ parentSpanId: asked.spanId, kind: 2, isError: false })
    expect(request.attributes).toMatchObject({ 'http.response.status_code': 202, 'ocpctl.request.id': 'the-request' })
    const whole = one(create, 'CREATE')
    expect(whole).toMatchObject({ parentSpanId: request.spanId, spanId: spanIdOf(jobId), isError: false })
    expect(whole.attributes).toMatchObject({
      'cicd.pipeline.name': 'CREATE',
      'cicd.pipeline.run.id': jobId,
      'cicd.pipeline.result': 'success',
      'ocpctl.cluster.id': body.cluster.id,
    })
    expect(whole.resource).toMatchObject({ 'service.name': 'ocpctl' })
    // The first attempt died with its worker. The second one is in the same trace.
    const second = one(create, 'CREATE attempt')
    expect(second.parentSpanId).toBe(whole.spanId)
    expect(second.attributes).toMatchObject({ 'ocpctl.attempt': 2, 'ocpctl.attempt.outcome': 'succeeded' })
    const stages = create.filter(({ parentSpanId }) => parentSpanId === second.spanId)
    expect(stages.map(({ name }) => name)).toEqual(expect.arrayContaining(['bootstrap', 'initialize']))
    for (const inner of [second, ...stages]) {
      expect(inner.startMs).toBeGreaterThanOrEqual(whole.startMs)
      expect(inner.endMs).toBeGreaterThanOrEqual(inner.startMs)
      expect(inner.endMs).toBeLessThanOrEqual(whole.endMs + 1000) // of other clocks, when processes are on other machines
    }
    const [row] = await h.rows<{ traceparent: string }>(`select traceparent from jobs where id = '${jobId}'`)
    expect(readTraceparent(row?.traceparent)).toMatchObject({ traceId: asked.traceId, spanId: request.spanId })

    const [ended] = spans.filter(({ name }) => name === 'DESTROY')
    expect(ended?.attributes['cicd.pipeline.run.id']).toBe(destroy.id)
    const other = ofTrace(ended?.traceId ?? '')
    expect(ended?.traceId).not.toBe(asked.traceId)
    expect(ended?.parentSpanId).toBe(one(other, 'POST /api/v1/clusters/{id}/destroy').spanId)
    expect(spans.every(({ name }) => !name.includes('/healthz'))).toBe(true)
  })
})

it('without an endpoint the SDK of OpenTelemetry is not loaded', () => {
  const script = `
    import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) { if (name.includes('opentelemetry') && !context.parentURL?.includes('/pg-boss/')) console.log(name); return next(name, context) } })
    await import('./src/wiring.ts')
    await import('./src/commands/service.ts')
    const { openTraces } = await import('./src/observability/traces.ts')
    await openTraces(undefined, 'all')
    console.log('now with one')
    await openTraces('http://127.0.0.1:9/v1/traces', 'all', console)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT, encoding: 'utf8' }) // prettier-ignore
  const [before = '', after = ''] = stdout.split('now with one\n')
  expect([before, stderr]).toEqual(['', ''])
  expect(after).toContain('@opentelemetry/sdk-trace')
})
