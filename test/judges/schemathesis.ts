// Requests made from docs/openapi.json by others, sent to a running service. Each phase must run: one that can make no
// values, or finds nothing to follow, says nothing.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openGround, startServer, TOKEN } from '../bench/ground.ts'
import { ROOT } from '../harness.ts'
import { ask, installPython, openVerdict, type Judge } from './judge.ts'

const PHASES = ['Examples', 'Coverage', 'Fuzzing', 'Stateful']

// A request that is right as far as the document tells may still be refused: 422 says so of what the profile, the quota
// or an earlier use of the key does not allow. 400 is allowed where one field decides about another, which a list of
// parameters cannot say (a dry run alone takes no key), and where a value is looked up or read: a key of ssh, a principal, an address.
const CONFIG = `
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429, "5xx"]

[[operations]]
include-operation-id = ["getUsage", "listUsageSamples", "whoami", "requestCluster", "adoptCluster", "createBinding", "createWebhook", "changeWebhook"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 422, 429, "5xx"]
`

// Clusters that policy allows, each with a key of its own, so that what follows from a cluster is met.
const HOOKS = `
import uuid
import schemathesis

@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or case.meta.generation.mode.name != "POSITIVE":
        return
    if "idempotency-key" in (case.headers or {}):
        case.headers["idempotency-key"] = str(uuid.uuid4())
    if case.method == "POST" and case.path == "/api/v1/clusters" and isinstance(case.body, dict):
        case.body = {"name": case.body["name"], "platform": "aws", "profile": "aws-minimal-test"}
`

/** The stream of events has no end, and each look at it would last until somebody loses patience. */
const ENDLESS = ['--exclude-operation-id', 'streamEvents']

export const schemathesis: Judge = {
  name: 'schemathesis 4.32.5, the document and a running service',
  async judge(dir) {
    const bin = await installPython(dir, 'schemathesis==4.32.5')
    writeFileSync(join(dir, 'schemathesis.toml'), CONFIG)
    writeFileSync(join(dir, 'hooks.py'), HOOKS)
    const ground = await openGround()
    const server = await startServer(ground, await ground.createDatabase('judged'), ROOT, 'all', { OCPCTL_SIM_SPEED: '1000000' }) // prettier-ignore
    try {
      const report = join(dir, 'junit.xml')
      const told = await ask(
        join(bin, 'st'),
        ['--config-file', join(dir, 'schemathesis.toml'), 'run', join(ROOT, 'docs/openapi.json'), '--url', server.url, '--header', `Authorization: Bearer ${TOKEN}`, '--seed', '1', '--max-examples', '20', '--continue-on-failure', '--no-color', ...ENDLESS, '--workers', '2', '--report', 'junit', '--report-junit-path', report], // prettier-ignore
        { cwd: dir, env: { ...process.env, PYTHONPATH: dir, SCHEMATHESIS_HOOKS: 'hooks' } },
      )
      const verdict = openVerdict()
      const summary = told.text.slice(told.text.lastIndexOf('= SUMMARY ='))
      for (const phase of PHASES) verdict.hold(`${phase} runs and finds nothing`, summary.includes(`✅ ${phase}`))
      const cases = /(\d+) generated/.exec(summary)?.[1] ?? '0'
      verdict.hold('many requests are made', Number(cases) > 1500, cases)
      const made = await server.call('GET', '/api/v1/clusters?limit=200')
      const { items } = JSON.parse(made) as { items: unknown[] } // as the document says
      verdict.hold('clusters are made by them', items.length > 0)
      if (told.code !== 0) verdict.misses.push(told.text.slice(told.text.search(/=+ (ERRORS|FAILURES) =/)))
      verdict.hold('the report is written', readFileSync(report, 'utf8').includes('<testsuites'))
      return verdict
    } finally {
      await server.stop()
      await ground.close()
    }
  },
}
