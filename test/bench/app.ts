// The service's parts in this process, on a database of the bench.
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { App } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { migrateDatabase } from '../../src/db/migrate.ts'
import { openLog } from '../../src/observability/log.ts'
import { migrateQueue } from '../../src/queue/setup.ts'
import { openTestApp } from '../test-app.ts'
import type { Ground } from './ground.ts'

export async function openBenchApp(
  ground: Ground,
  url: string,
  environment: Record<string, string> = {},
): Promise<{ app: App; close: () => Promise<void> }> {
  await migrateDatabase(url, openLog('error'), migrateQueue)
  const config = readConfig({
    DATABASE_URL: url,
    OCPCTL_DATA_DIR: mkdtempSync(join(ground.dir, 'app-')),
    OCPCTL_SECRETS_KEY: ground.secretsKey,
    OCPCTL_PROFILES: join(ground.dir, 'profiles'),
    OCPCTL_LOG_LEVEL: 'error',
    ...environment,
  })
  return openTestApp(config, url)
}
