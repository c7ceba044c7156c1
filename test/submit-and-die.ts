// Asks for a cluster of the name that is its argument, and kills itself between the commit and the word of it.
import { readConfig } from '../src/config.ts'
import { openDatabase } from '../src/db/client.ts'
import { prepareRequest, requestCluster } from '../src/clusters/submit.ts'
import { openTestApp } from './test-app.ts'

const config = readConfig(process.env)
const url = config.databaseUrl ?? ''
const { app } = await openTestApp(config, url)
const { db } = openDatabase(url, {
  ...config.pool,
  log: app.log,
  name: 'dies',
  tell: () => void process.kill(process.pid, 'SIGKILL'),
})
const by = { kind: 'system', name: 'setup' } as const
const request = { name: process.argv[2] ?? '', platform: 'aws', profile: 'aws-minimal-test' } as const
await db.transaction(async (tx) => requestCluster(app, tx, by, request, await prepareRequest(app, tx, by, request)))
