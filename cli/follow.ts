// A job from now until it has ended, however often the server or the network goes away meanwhile.
import { setTimeout } from 'node:timers/promises'
import { v1, type Api } from './api.ts'
import { Failure } from './failure.ts'
import { readStream } from './stream.ts'

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
  /** undefined: an older server does not tell. */
  outlook?: Outlook
}
type Outlook = {
  queuePlace: number | null
  expected: { count: number } | null
  slowerThanPercent: number | null
  expectedEndAt: string | null
  stages: { stage: string; p50Minutes: number | null }[]
}

const LOOK_MS = 1000
/** How long an open stream is believed that says nothing. */
const QUIET_MS = 10_000
const RELISTEN_MS = 2000
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
  let words: Words | undefined
  let before = ''
  try {
    for (;;) {
      const job = await patient<Job>(() => api.json('GET', `${v1}/jobs/${id}`, { signal }))
      if (job !== undefined) {
        const now = JSON.stringify(job)
        if (now !== before) yield job
        before = now
        if (isOver(job)) return
        words ??= hearOf(api, job.clusterId)
      }
      await (words?.next(signal) ?? setTimeout(LOOK_MS, undefined, { signal }))
    }
  } finally {
    words?.stop()
  }
}

type Words = { next: (signal: AbortSignal) => Promise<void>; stop: () => void }

/** An event is only a reason to look: what the job is, the job says. Without events it is looked at every second. */
function hearOf(api: Api, cluster: string): Words {
  const stopped = new AbortController()
  let isOpen = false
  let isHeard = false
  let wake = () => undefined as void
  const hear = () => {
    isHeard = true
    wake()
  }
  const listen = async () => {
    while (!stopped.signal.aborted) {
      await readStream(
        api,
        `${v1}/events/stream`,
        { query: { cluster, type: 'job' }, signal: stopped.signal },
        () => (isOpen = true),
        hear,
      ).catch(
        () => undefined, // the job itself is asked, and says what is wrong
      )
      isOpen = false
      await setTimeout(RELISTEN_MS, undefined, { signal: stopped.signal, ref: false }).catch(() => undefined)
    }
  }
  void listen()
  return {
    stop: () => stopped.abort(),
    async next(signal) {
      if (!isHeard) {
        const heard = new AbortController()
        wake = () => heard.abort()
        const either = AbortSignal.any([signal, heard.signal])
        await setTimeout(isOpen ? QUIET_MS : LOOK_MS, undefined, { signal: either }).catch(() => undefined)
        signal.throwIfAborted()
      }
      isHeard = false
    },
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
