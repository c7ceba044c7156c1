// The table of metrics is written from their list: `npx vitest run test/metrics-document.test.ts -u` writes it anew.
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { metricList, type Definition } from '../src/observability/metric-list.ts'
import { openMetrics } from '../src/observability/metrics.ts'
import { openProcessReadings } from '../src/observability/process-metrics.ts'
import { ROOT } from './harness.ts'

const all = Object.entries(metricList) as [string, Definition][]

function tableOf(of: Definition['of']): string {
  const head = ['metric', 'type', 'labels', 'meaning']
  const rows = all
    .filter(([, definition]) => definition.of === of)
    .map(([name, { type, labels, help, buckets }]) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(', '),
      help.replaceAll('|', String.raw`\|`) + (buckets ? ` Buckets: ${buckets.join(', ')}.` : ''),
    ])
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

const document = `# Metrics, traces and logs

## Where they are

- \`OCPCTL_METRICS_PORT\` opens a listener for scrapes in any process, at \`OCPCTL_METRICS_HOST\` (otherwise \`HOST\`): \`GET /metrics\`, and \`GET
  /healthz\` for probes. \`0\` takes a free port, which the log tells. It asks for no token and reads nothing from the database, so it
  answers when little else does. It tells the names of teams and what they spend: let only the monitoring reach it.
- \`GET /metrics\` of the API gives the same for a token of a \`platform_admin\` or an \`auditor\`. A worker has the listener alone.

Whoever accepts \`application/openmetrics-text; version=1.0.0\` gets OpenMetrics, with trace ids as exemplars; all others get Prometheus
text 0.0.4. No label has more than 250 values; what comes after them is added up as \`other\`.

## Of the database

Every 15 seconds one process, any of them, reckons these and writes them into the table \`gauges\`; each process serves what is written.
So every process tells the same: take \`max\` over them, not \`sum\`. Where nobody has reckoned for two minutes, they are missing.
Destroyed clusters are in none of them; \`ocpctl_cluster_transitions_total\` counts how many become so.

${tableOf('database')}

## Of a process

Each counts what it did itself since it was started: take \`sum\` of \`rate\` over them. What a transaction did counts once it has committed.

${tableOf('process')}

## Traces

\`OTEL_EXPORTER_OTLP_ENDPOINT\` says where spans are sent, by OTLP over HTTP as protobuf, to \`/v1/traces\` under it. What the OpenTelemetry
SDK reads beside it counts too (\`OTEL_EXPORTER_OTLP_HEADERS\`, \`OTEL_SERVICE_NAME\`, \`OTEL_RESOURCE_ATTRIBUTES\`). The SDK is loaded only then.

- A request is a span, a child of its \`traceparent\` where it has one. Probes and scrapes are none.
- A job is a span from its request to its end, a child of the request that asked for it, which stands in \`jobs.traceparent\`. Where no
  request did (the clock, an operation over many clusters), its trace has the job's UUID as its id.
- An attempt is a child of its job, a stage a child of its attempt. The ids of jobs' spans are made from their own ids, so another worker
  goes on in the same trace where one died. An attempt whose worker died has no span of its own, nor has the stage in which it died.

## Logs

\`all\`, \`serve\` and \`work\` write one line of JSON an event to stdout, or lines for people where stdout is a terminal. Commands write theirs to
stderr. \`OCPCTL_LOG_LEVEL\` says from which level on.

| field                  | meaning                                                                              |
| ---------------------- | ------------------------------------------------------------------------------------ |
| \`level\`, \`time\`, \`msg\` | \`debug\`, \`info\`, \`warn\` or \`error\`; RFC 3339; what happened                          |
| \`requestId\`            | the \`x-request-id\` of the request, or one that was made for it; audit events have it |
| \`clusterId\`, \`jobId\`   | what it is about                                                                     |
| \`traceId\`              | of the job or the request, whether or not spans are sent                             |
| \`err\`                  | type, message and stack of an error                                                  |

A request is one line when it was answered: a change at \`info\`, an answer of 500 or more at \`warn\`, a read or a refusal at \`debug\`, a
probe or a scrape not at all. What looks like a secret is masked in each line.
`

it('the document is of the list', async () => {
  await expect(document).toMatchFileSnapshot(join(ROOT, 'docs/metrics.md'))
})

it('names are as Prometheus wants them', () => {
  for (const [name, { type, buckets, labels, help }] of all) {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
    expect([name, buckets !== undefined]).toEqual([name, type === 'histogram'])
    expect(buckets?.toSorted((a, b) => a - b)).toEqual(buckets)
    expect(labels.filter((label) => !/^[a-z_]+$/.test(label) || label === 'le')).toEqual([])
    expect(help).toMatch(/^[A-Z].*\.$/)
  }
})

it('what a process reads of itself is in the list, each with its labels', () => {
  const read = openProcessReadings()()
  expect(Object.keys(read).filter((name) => !(name in metricList))).toEqual([])
  const metrics = openMetrics()
  metrics.collect(() => read)
  const text = metrics.render('text')
  for (const [name, readings] of Object.entries(read))
    if (readings.length > 0) expect(text).toMatch(new RegExp(`^${name}(\\{.*\\})? \\d`, 'm'))
})
