// npm run bench [-- --only PART] [--baseline CHECKOUT] [--json FILE]
//
// What things cost, as ratios against a floor that is taken in the same run on the same machine.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { measureCommandLine } from './cli.ts'
import { measureClouds } from './clouds.ts'
import { measureEvents } from './events.ts'
import { openGround, type Ground } from './ground.ts'
import { openReport, type Report } from './report.ts'
import { measureHours } from './hours.ts'
import { measureLogs } from './logs.ts'
import { measureOperations } from './operations.ts'
import { measureMetrics } from './metrics.ts'
import { measureOperators } from './operators.ts'
import { measurePickup } from './pickup.ts'
import { measureMemory, measureStart, measureWorker } from './process.ts'
import { measurePreviews } from './previews.ts'
import { measurePure } from './pure.ts'
import { measureReads } from './reads.ts'
import { measureSnapshots } from './snapshots.ts'
import { measureSubmit } from './submit.ts'
import { measureTimeAndMoney } from './time-and-money.ts'

const { values } = parseArgs({
  options: { only: { type: 'string' }, baseline: { type: 'string' }, json: { type: 'string' } },
})
const parts: Record<string, (ground: Ground, report: Report) => Promise<void>> = {
  submit: (ground, report) => measureSubmit(ground, report, values.baseline),
  operations: measureOperations,
  pickup: measurePickup,
  logs: measureLogs,
  events: measureEvents,
  snapshots: measureSnapshots,
  reads: (ground, report) => measureReads(ground, report, values.baseline),
  previews: measurePreviews,
  metrics: measureMetrics,
  operators: measureOperators,
  money: measureTimeAndMoney,
  hours: measureHours,
  memory: (ground, report) => measureMemory(ground, report, values.baseline),
  worker: measureWorker,
  start: measureStart,
  clouds: measureClouds,
  cli: measureCommandLine,
  pure: measurePure,
}
const report = openReport()
const ground = await openGround()
try {
  for (const [name, measure] of Object.entries(parts))
    if (values.only === undefined || values.only === name) await measure(ground, report)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report.results, null, 2)}\n`)
} finally {
  await ground.close()
}
