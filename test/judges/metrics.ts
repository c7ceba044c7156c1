// The metrics, read by Prometheus' own parsers for Python, and the spans that are sent, read by OpenTelemetry's own protocol
// classes for it.
import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { openLog } from '../../src/observability/log.ts'
import { metricList } from '../../src/observability/metric-list.ts'
import { openMetrics } from '../../src/observability/metrics.ts'
import { openTraces } from '../../src/observability/traces.ts'
import { ask, installPython, openVerdict, type Judge } from './judge.ts'

const PARSE = `
import sys
from prometheus_client.openmetrics import parser as open_parser
from prometheus_client import parser as text_parser
for path, parser in ((sys.argv[1], text_parser), (sys.argv[2], open_parser)):
    families = list(parser.text_string_to_metric_families(open(path).read()))
    print(len(families), sum(1 for f in families for s in f.samples if s.exemplar), [f.name for f in families if f.type == 'unknown'])
`

const metrics: Judge = {
  name: 'prometheus-client 0.26.0 for Python, the metrics in both formats',
  async judge(dir) {
    const bin = await installPython(dir, 'prometheus-client==0.26.0')
    const all = openMetrics()
    for (const [name, { type, labels }] of Object.entries(metricList)) {
      const given = Object.fromEntries(labels.map((label) => [label, `"\\\n${label}`])) as never // any labels will do
      if (type === 'histogram') all.observe(name as never, given, 3, 'f'.repeat(32))
      else all.collect(() => ({ [name]: [{ labels: given, value: 1 }] }))
    }
    const files = (['text', 'openmetrics'] as const).map((format) => {
      writeFileSync(join(dir, format), all.render(format))
      return join(dir, format)
    })
    const { code, text } = await ask(join(bin, 'python'), ['-c', PARSE, ...files])
    const verdict = openVerdict()
    const [ofText, ofOpen] = text.trim().split('\n')
    const families = Object.keys(metricList).length
    const histograms = Object.values(metricList).filter(({ type }) => type === 'histogram').length
    verdict.hold('both formats are parsed', code === 0, text)
    verdict.hold('each metric is there in text, with its type', ofText === `${families} 0 []`, ofText)
    verdict.hold('each is there in OpenMetrics, and each histogram has its exemplar', ofOpen === `${families} ${histograms} []`, ofOpen) // prettier-ignore
    return verdict
  },
}

const DECODE = `
import sys
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = ExportTraceServiceRequest()
request.ParseFromString(open(sys.argv[1], 'rb').read())
span = request.resource_spans[0].scope_spans[0].spans[0]
print(len(request.resource_spans[0].scope_spans[0].spans), span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name)
`

const traces: Judge = {
  name: 'opentelemetry-proto 1.45.2 for Python, the spans as they are sent',
  async judge(dir) {
    const bin = await installPython(dir, 'opentelemetry-proto==1.45.2')
    const bodies: Buffer[] = []
    const server = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        const body = Buffer.concat(parts)
        bodies.push(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body)
        response.end()
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    const opened = await openTraces(`http://127.0.0.1:${port}/v1/traces`, 'judge', openLog('silent'))
    const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true }
    opened.start('CREATE', { parent, spanId: 'c'.repeat(16), attributes: { a: 1 } }).end()
    await opened.close()
    server.close()
    writeFileSync(join(dir, 'body'), bodies[0] ?? '')
    const { text } = await ask(join(bin, 'python'), ['-c', DECODE, join(dir, 'body')])
    const verdict = openVerdict()
    const wanted = `1 ${parent.traceId} ${'c'.repeat(16)} ${parent.spanId} CREATE`
    verdict.hold('the span is read as it was meant', text.trim() === wanted, text)
    return verdict
  },
}

export const observability: Judge[] = [metrics, traces]
