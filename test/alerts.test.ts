// The alerts: what Prometheus says of them, what makes each one fire and what does not, and that all they name is there.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { metricList } from '../src/observability/metric-list.ts'
import { schedules } from '../src/schedules.ts'
import { ROOT } from './harness.ts'
import { findPromtool } from './promtool.ts'

type Rule = { alert: string; expr: string; annotations: { summary: string; runbook: string } }
const RULES = join(ROOT, 'deploy/alerts.yaml')
const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { name: string; rules: Rule[] }[] } // of our own making
const rules = groups.flatMap((group) => group.rules)
const dashboard = readFileSync(join(ROOT, 'deploy/dashboard.json'), 'utf8')

/** Series as promtool writes them: `start+step x times`, a value a minute. */
type Series = Record<string, string>
/** After four hours the first makes the alert fire, and the second does not. */
const cases: Record<string, [fires: Series, rests: Series]> = {
  OcpctlClustersPastEnd: [{ ocpctl_clusters_past_end: '2x240' }, { ocpctl_clusters_past_end: '0x230 3x10' }],
  OcpctlDestroyUnproved: [{ ocpctl_destroy_unproved: '1x240' }, { ocpctl_destroy_unproved: '0x130 1x110' }],
  OcpctlLeakMoney: [{ ocpctl_leak_usd_per_hour: '1.5x240' }, { ocpctl_leak_usd_per_hour: '0.9x240' }],
  OcpctlFindings: [{ 'ocpctl_findings{kind="leaked",platform="aws"}': '1x400' }, { 'ocpctl_findings{kind="leaked",platform="aws"}': '0x200 1x40' }], // prettier-ignore
  OcpctlInstallsFail: [
    { 'ocpctl_jobs_total{type="CREATE",outcome="FAILED",reason="QuotaExceeded"}': '0+1x240', 'ocpctl_jobs_total{type="CREATE",outcome="SUCCEEDED",reason=""}': '0+1x240' }, // prettier-ignore
    { 'ocpctl_jobs_total{type="CREATE",outcome="FAILED",reason="QuotaExceeded"}': '0+1x240', 'ocpctl_jobs_total{type="CREATE",outcome="SUCCEEDED",reason=""}': '0+9x240' }, // prettier-ignore
  ],
  OcpctlNoWorkers: [{ ocpctl_workers: '0x240' }, { ocpctl_workers: '0x239 1' }],
  OcpctlQueueStalled: [
    { ocpctl_queue_oldest_seconds: '0+60x240', 'ocpctl_worker_slots{state="free"}': '3x240' },
    { ocpctl_queue_oldest_seconds: '0+60x240', 'ocpctl_worker_slots{state="free"}': '0x240' },
  ],
  OcpctlQueueFull: [
    { ocpctl_queue_oldest_seconds: '0+60x240', 'ocpctl_worker_slots{state="free"}': '0x240' },
    { ocpctl_queue_oldest_seconds: '0+10x240', 'ocpctl_worker_slots{state="free"}': '0x240' },
  ],
  OcpctlLockUnrenewed: [{ ocpctl_lock_unrenewed_seconds: '0+60x240' }, { ocpctl_lock_unrenewed_seconds: '20x240' }],
  OcpctlLeasesLost: [{ ocpctl_lease_lost_total: '0x235 1x5' }, { ocpctl_lease_lost_total: '0x100 7x140' }],
  OcpctlScheduleStale: [
    { 'ocpctl_schedule_last_success_timestamp_seconds{schedule="tell"}': '0+60x220 13200x20' },
    { 'ocpctl_schedule_last_success_timestamp_seconds{schedule="tell"}': '0+60x240', 'ocpctl_schedule_last_success_timestamp_seconds{schedule="keep-usage"}': '0x240' }, // prettier-ignore
  ],
  OcpctlWebhooksBacklog: [
    { 'ocpctl_queue_entries{queue="mails",state="waiting"}': '2000x240' },
    { 'ocpctl_queue_entries{queue="mails",state="later"}': '2000x240' },
  ],
  OcpctlAuditUnsealed: [{ ocpctl_audit_unsealed: '20000x240' }, { ocpctl_audit_unsealed: '300x240' }],
  OcpctlAbsent: [{ up: '1x240' }, { 'ocpctl_build_info{version="1"}': '1x240' }],
  OcpctlDatabaseUnknown: [
    { 'ocpctl_build_info{version="1"}': '1x240', ocpctl_gauges_timestamp_seconds: '0+60x220' },
    { 'ocpctl_build_info{version="1"}': '1x240', ocpctl_gauges_timestamp_seconds: '0+60x240' },
  ],
  OcpctlMixedVersions: [
    { 'ocpctl_build_info{version="1"}': '1x240', 'ocpctl_build_info{version="2"}': '1x240' },
    { 'ocpctl_build_info{version="1"}': '1x240', 'ocpctl_build_info{version="2"}': '1x20' },
  ],
  OcpctlApiSlow: [
    { 'http_server_request_duration_seconds_bucket{le="1"}': '0+90x240', 'http_server_request_duration_seconds_bucket{le="2.5"}': '0+100x240', 'http_server_request_duration_seconds_bucket{le="+Inf"}': '0+100x240' }, // prettier-ignore
    { 'http_server_request_duration_seconds_bucket{le="1"}': '0+100x240', 'http_server_request_duration_seconds_bucket{le="2.5"}': '0+100x240', 'http_server_request_duration_seconds_bucket{le="+Inf"}': '0+100x240' }, // prettier-ignore
  ],
  OcpctlApiFails: [
    { 'http_server_request_duration_seconds_count{http_response_status_code="503"}': '0+10x240', 'http_server_request_duration_seconds_count{http_response_status_code="200"}': '0+90x240' }, // prettier-ignore
    { 'http_server_request_duration_seconds_count{http_response_status_code="503"}': '0+1x240', 'http_server_request_duration_seconds_count{http_response_status_code="200"}': '0+90x240' }, // prettier-ignore
  ],
  OcpctlDbPoolExhausted: [
    { 'ocpctl_db_waiting{pool="main"}': '4x240' },
    { 'ocpctl_db_waiting{pool="main"}': '4x238 0 4' },
  ],
}

it('each alert fires when it should and rests when it should, as promtool says', { timeout: 300_000 }, () => {
  expect(Object.keys(cases)).toEqual(rules.map(({ alert }) => alert))
  const tests = Object.entries(cases).flatMap(([alert, ways]) =>
    ways.map((series, way) => ({
      interval: '1m',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      promql_expr_test: [
        {
          expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
          // Six hours take longer than the rest.
          eval_time: alert === 'OcpctlFindings' && way === 0 ? '400m' : '240m',
          exp_samples: way === 0 ? [{ labels: '{}', value: 1 }] : [],
        },
      ],
    })),
  )
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-alerts-'))
  try {
    const file = join(dir, 'tests.yaml')
    writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: '5m', tests }))
    for (const args of [
      ['check', 'rules', '--lint-fatal', RULES],
      ['test', 'rules', file],
    ]) {
      const { status, stdout, stderr } = spawnSync(findPromtool(), args, { encoding: 'utf8' })
      expect(status, `${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

it('alerts and dashboard name what is exported, with labels that it has', () => {
  const known = Object.entries(metricList).flatMap(
    ([name, { type, labels }]) =>
    (type === 'histogram' ? ['_bucket', '_count', '_sum'] : ['']).map((end) => [`${name}${end}`, [...labels, ...(end === '_bucket' ? ['le'] : [])] as string[]] as const), // prettier-ignore
  )
  const labelsOf = new Map(known)
  const expressions = [...rules.map(({ expr }) => expr), ...[...dashboard.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, text]) => JSON.parse(text ?? '') as string)] // prettier-ignore
  expect(expressions.length).toBeGreaterThan(rules.length)
  for (const expression of expressions) {
    const names = [...expression.matchAll(/\b((?:ocpctl|http_server|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)]
    expect(names, expression).not.toEqual([])
    for (const [, name = '', matchers = ''] of names) {
      const labels = labelsOf.get(name)
      expect(labels, `${name} in ${expression}`).toBeDefined()
      for (const [, label] of matchers.matchAll(/(\w+)\s*=~?/g))
        expect(labels, `${name} in ${expression}`).toContain(label)
    }
    for (const [, list = ''] of expression.matchAll(/\bby \(([^)]*)\)/g))
      for (const label of list.split(/,\s*/)) expect(names.flatMap(([, name = '']) => labelsOf.get(name) ?? []), expression).toContain(label) // prettier-ignore
  }
})

it('every schedule is watched, for three of its periods at least', () => {
  const stale = rules.find(({ alert }) => alert === 'OcpctlScheduleStale')?.expr ?? ''
  const watched = [...stale.matchAll(/schedule=~"([^"]+)"\}\) > (\d+)/g)].flatMap(([, names = '', seconds]) =>
    names.split('|').map((name) => [name, Number(seconds)] as const),
  )
  expect(watched.map(([name]) => name).toSorted()).toEqual(Object.keys(schedules).toSorted())
  for (const [name, seconds] of watched) {
    const [minute = '', hour = ''] = (schedules as Record<string, { cron: string }>)[name]?.cron.split(' ') ?? []
    const every = /^\*\/(\d+)$/.exec(minute)
    const period = minute === '*' ? 60 : every ? Number(every[1]) * 60 : hour === '*' ? 3600 : 86_400
    expect(seconds, name).toBeGreaterThanOrEqual(3 * period)
  }
})

it('each alert has a runbook', () => {
  for (const { alert, annotations } of rules) expect(existsSync(join(ROOT, annotations.runbook)), alert).toBe(true)
})

it('runbooks name operations, schedules and pages that there are', () => {
  const home = join(ROOT, 'docs/runbooks')
  const { paths } = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as {
    paths: Record<string, object>
  } // ours
  const operations = Object.entries(paths).flatMap(([path, of]) =>
    Object.keys(of).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '*')}`),
  )
  const pages = readdirSync(home)
  const index = readFileSync(join(home, 'README.md'), 'utf8')
  for (const page of pages) {
    const text = readFileSync(join(home, page), 'utf8')
    if (page !== 'README.md') expect(index, page).toContain(`](${page})`)
    for (const [, link = ''] of text.matchAll(/\]\(([^)]+)\)/g)) expect(pages, page).toContain(link)
    for (const [, method = '', path = ''] of text.matchAll(/api ([A-Z]+) ['"]?(\/[^\s'"?`]*)/g)) {
      const [, schedule] = /^\/schedules\/([\w-]+)\/run$/.exec(path) ?? []
      if (schedule !== undefined) expect(Object.keys(schedules), page).toContain(schedule)
      const plain = path.replace(/^\/schedules\/[\w-]+/, '/schedules/*').replaceAll(/\b(JOB_)?ID\b/g, '*')
      expect(operations, page).toContain(`${method} /api/v1${plain}`)
    }
  }
})

it('the rules of the operator are the same', async () => {
  const rule = { apiVersion: 'monitoring.coreos.com/v1', kind: 'PrometheusRule', metadata: { name: 'ocpctl' }, spec: { groups } } // prettier-ignore
  await expect(stringify(rule, { lineWidth: 0 })).toMatchFileSnapshot(
    '../deploy/kubernetes/components/monitoring/prometheus-rule.yaml',
  )
})
