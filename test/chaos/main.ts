// npm run chaos -- [--minutes 15] [--seed N] [--json FILE] [--bound SECONDS] [--source DIR] [--keep] [--only KIND,KIND]
//
// Runs the service against an adversary and counts broken promises; exits 1 unless there are none.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { isFaultKind } from './fault.ts'
import type { Report } from './report.ts'
import { ROOT, runChaos } from './run.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    seed: { type: 'string' },
    json: { type: 'string' },
    bound: { type: 'string', default: '300' },
    /** Another tree of the service. */
    source: { type: 'string', default: ROOT },
    keep: { type: 'boolean', default: false },
    /** These kinds of faults alone. */
    only: { type: 'string' },
  },
})
const minutes = Number(values.minutes)
const seed = Number(values.seed ?? Date.now() % 1_000_000)
if (!(minutes > 0 && minutes <= 24 * 60) || !Number.isInteger(seed)) {
  process.stderr.write('--minutes takes a number above 0, --seed a whole number\n')
  process.exit(2)
}
const only = values.only?.split(',')
if (only?.some((name) => !isFaultKind(name))) {
  process.stderr.write('--only takes names of faults, with commas between\n')
  process.exit(2)
}
const say = (line: string) => process.stdout.write(`${line}\n`)
const abort = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => abort.abort(new Error(`stopped by ${signal}`)))

say(`chaos for ${minutes} minutes with seed ${seed}`)
try {
  const report = await runChaos({
    seed,
    adversityMs: minutes * 60_000,
    boundMs: Number(values.bound) * 1000,
    alive: 18,
    faultsPerMinute: 30,
    only: only?.filter(isFaultKind),
    asksClouds: true,
    slowFaults: minutes >= 3,
    secondInstallation: true,
    source: values.source,
    keep: values.keep,
    say,
    signal: abort.signal,
  })
  if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
  print(report)
  process.exitCode = Object.values(report.counts).some((count) => count > 0) ? 1 : 0
} catch (error) {
  process.stderr.write(
    `the run broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  process.exitCode = 1
}

function print(report: Report): void {
  const list = (entries: Record<string, unknown>) =>
    Object.entries(entries)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', ')
  const ms = (value: number | null) => (value === null ? '-' : `${(value / 1000).toFixed(1)} s`)
  say('')
  say(`faults      ${report.faults.length}: ${list(report.faultsByKind)}`)
  say(`clusters    ${list(report.clusters)}; ${report.others} of the other installation`)
  if (report.lostMarks > 0) say(`lost        ${report.lostMarks} of our own commits that PostgreSQL had acknowledged`)
  say(
    `requests    ${report.requests.sent} sent, ${report.requests.repeated} of them again, ${report.requests.replayed} answers replayed`,
  )
  say(`            ${list(report.requests.answered)}`)
  say(`installers  ${list(report.installerRuns)}`)
  say(`attempts    ${list(report.attempts)}`)
  say(`settled     ${report.isSettled ? `after ${report.seconds.settling.toFixed(1)} s` : 'NOT within the bound'}`)
  for (const [name, { count, p50, worst }] of Object.entries(report.measures))
    say(`${name.padEnd(24)} p50 ${ms(p50)}, worst ${ms(worst)} (${count})`)
  for (const { seconds, name, end, trouble } of report.unexpectedEnds)
    say(`unexpected  ${name} ended with ${end} at ${seconds} s${trouble === undefined ? '' : ` during ${trouble}`}`)
  say('')
  for (const [name, count] of Object.entries(report.counts)) say(`${String(count).padStart(5)}  ${name}`)
  const SHOWN = 20
  for (const [name, breaches] of Object.entries(report.breaches)) {
    for (const breach of breaches.slice(0, SHOWN)) say(`${name}: ${breach}`)
    if (breaches.length > SHOWN) say(`${name}: and ${breaches.length - SHOWN} more`)
  }
}
