#!/usr/bin/env bash
# prom-client 15.1.3: one registry that answers scrapes in OpenMetrics and in Prometheus text, by setContentType, as negotiation wants it.
#
# Expected: a counter is written as requests_total in both formats, as at first.
# Seen: writing OpenMetrics takes "_total" off the name of the counter itself. From then on it is "requests" in Prometheus text: another
# series, so every rate and alert on requests_total goes blank after the first scrape that accepts OpenMetrics.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --silent --no-audit --no-fund node@24.21.0 prom-client@15.1.3 >/dev/null
cat >run.js <<'JS'
import { Counter, Registry } from 'prom-client'

const registry = new Registry()
new Counter({ name: 'requests_total', help: 'x', registers: [registry] }).inc()
const sample = async (type) => {
  registry.setContentType(type)
  return (await registry.metrics()).split('\n').find((line) => /^requests/.test(line))
}
const { PROMETHEUS_CONTENT_TYPE: text, OPENMETRICS_CONTENT_TYPE: open } = Registry
console.log([await sample(text), await sample(open), await sample(text)].join(', then '))
JS
said=$(node_modules/.bin/node run.js)
echo "$said"
[[ $said == 'requests_total 1, then requests_total 1, then requests 1' ]]
