// Runs one piece of what the clock does, and kills itself with -9 at a point of it: `node test/die-in.ts PIECE before`
// when its first transaction is about to commit, `after` when it has committed.
import { warnOfEnds } from '../src/clusters/warnings.ts'
import { readConfig } from '../src/config.ts'
import { startOperations } from '../src/cron/operations.ts'
import { startTelling } from '../src/cron/telling.ts'
import { moveLogs } from '../src/jobs/stored-log.ts'
import { publishNotices } from '../src/notices/publish.ts'
import type { Db } from '../src/db/client.ts'
import { rollUpDays, sampleUsage } from '../src/usage/series.ts'
import { openTestApp } from './test-app.ts'

const [piece = '', point = ''] = process.argv.slice(2)
const config = readConfig(process.env)
const { app } = await openTestApp(config, config.databaseUrl ?? '')
const die = (): never => {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('unreachable')
}
const transaction: Db['transaction'] = (change, options) =>
  app.db
    .transaction(async (tx) => {
      const result = await change(tx)
      // What was only sent reaches the server with the next read.
      await tx.$client.query('select 1')
      return point === 'before' ? die() : result
    }, options)
    .then((result) => (point === 'after' ? die() : result))
const dying = { ...app, db: Object.assign(Object.create(app.db) as Db, { transaction }) }
const pieces: Record<string, () => Promise<unknown>> = {
  warn: () => warnOfEnds(dying),
  publish: () => publishNotices(dying),
  deliver: () => startTelling(dying),
  operate: () => startOperations(dying),
  sample: () => sampleUsage(dying),
  'roll-up': () => rollUpDays(dying),
  'move-log': () => moveLogs(dying),
}
const run = pieces[piece]
if (!run) throw new Error(`there is no piece ${piece}`)
await run()
if (!['deliver', 'operate'].includes(piece)) process.exit(0)
