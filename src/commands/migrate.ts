// `migrate`: brings the database to this version.
import type { Config } from '../config.ts'
import { migrateDatabase } from '../db/migrate.ts'
import { whenDatabaseAnswers } from '../db/starting.ts'
import { openLog } from '../observability/log.ts'
import { migrateQueue } from '../queue/setup.ts'
import { openGround } from '../wiring.ts'

export async function runMigrate(config: Config): Promise<void> {
  const ground = await openGround(config)
  const log = openLog(config.logLevel)
  try {
    await whenDatabaseAnswers(log, new AbortController().signal, () => migrateDatabase(ground.url, log, migrateQueue))
    process.stdout.write('the database is at this version\n')
  } finally {
    await ground.stop()
  }
}
