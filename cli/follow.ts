// A job from now until it has ended, however often the server or the network goes away meanwhile.
import { setTimeout } from 'node:timers/promises'
import { v1, type Api } from './api.ts'
import { Failure } from './failure.ts'

export type Attempt = {
  number: number
  stage: string
  progressPercent: number
  startedAt: string
  endedAt: string | null
}
export type Job = {
  id: string
  clusterId: string
  type: string
  status: string
  reason: string | null
  remedy: string | null
  message: string | null
  retryAt: string | null
  createdAt: string
  attempts: Attempt[]
}

const LOOK_MS = 1000
/** A server that is away for longer is not being restarted. */
const PATIENCE_MS = 15 * 60_000

export const isOver = ({ status }: { status: string }) => ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(status)

/** Gives the job at each change of it; the last one is over. `lost` is told when the server cannot be reached. */
export async function* followJob(
  api: Api,
  id: string,
  signal: AbortSignal,
  lost: (why: string) => void,
): AsyncGenerator<Job> {
  const patient = openPatience(lost)
  let before = ''
  for (;;) {
    const job = await patient<Job>(() => api.json('GET', `${v1}/jobs/${id}`, { signal }))
    const now = JSON.stringify(job)
    if (job !== undefined && now !== before) yield job
    if (job !== undefined && isOver(job)) return
    before = now
    await setTimeout(LOOK_MS, undefined, { signal })
  }
}

/** Asks; undefined when the server is away for now. Throws when it has been away for too long. */
export function openPatience(lost: (why: string) => void) {
  let lostAt: number | undefined
  return async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      const answer = await ask()
      lostAt = undefined
      return answer
    } catch (error) {
      if (!(error instanceof Failure) || error.exit !== 'unreachable') throw error
      // Not the time of day: a laptop that slept has not waited.
      lostAt ??= (lost(error.message), performance.now())
      if (performance.now() - lostAt > PATIENCE_MS) throw error
      return undefined
    }
  }
}
