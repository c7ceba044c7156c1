// A process may be started while PostgreSQL is still starting. It waits a while instead of ending.
import { setTimeout } from 'node:timers/promises'
import { ConfigError } from '../config.ts'
import { isDatabaseGone, messageOf } from '../errors.ts'
import type { Log } from '../observability/log.ts'
import { uptimeMs } from '../uptime.ts'

const WAIT_MS = 60_000
const RETRY_MS = 1000
const TELL_EVERY_MS = 15_000

/**
 * Tries for a minute, until it succeeds, as long as only the database is missing. A try that fails has closed what it
 * had opened. Throws any other error at once, ConfigError when the time is over, and the signal's reason when it
 * aborts.
 */
export async function whenDatabaseAnswers<T>(
  log: Log,
  signal: AbortSignal,
  open: () => Promise<T>,
  waitMs = WAIT_MS,
): Promise<T> {
  const from = uptimeMs()
  for (let toldAt = -Infinity; ;)
    try {
      return await open()
    } catch (error) {
      if (!isDatabaseGone(error)) throw error
      const passed = uptimeMs() - from
      if (passed >= waitMs)
        throw new ConfigError(`${messageOf(error)} (waited for ${Math.round(passed / 1000)} s)`, { cause: error })
      if (passed - toldAt >= TELL_EVERY_MS) {
        toldAt = passed
        log.warn(`${messageOf(error)}; waiting for up to ${Math.round((waitMs - passed) / 1000)} s more`)
      }
      await setTimeout(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
}
