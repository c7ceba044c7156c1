// Waits for what a job does. It never ends before the job has, and leaving it changes nothing.
import { setTimeout } from 'node:timers/promises'
import { v1, type Api } from './api.ts'
import { Failure } from './failure.ts'
import { followJob, isOver, openPatience, type Job } from './follow.ts'
import { colour, printObject, say, type Form } from './output.ts'
import { findCluster } from './resolve.ts'
import { whileFollowing } from './terminal.ts'
import { readSpan, shortSpan } from './times.ts'

export const goals = ['ready', 'destroyed', 'job'] as const
export type Goal = (typeof goals)[number]
type Cluster = {
  id: string
  name: string
  status: string
  statusReason: string | null
  destroyAt: string
  job: Job | null
}

const LOOK_MS = 2000
const MINUTE_MS = 60_000

/** `wait`: a span, or true for as long as it takes. Throws Failure when the job does not end as it should. */
export async function waitForJob(api: Api, id: string, wait: string | true, good = 'SUCCEEDED'): Promise<Job> {
  const later = deadline(wait, `ocpctl wait ${id} --for job`)
  const done = whileFollowing(`It goes on without you. Come back with: ocpctl wait ${id} --for job`, () =>
    cancel(api, id),
  )
  try {
    const job = await later.unlessLate(() => watch(api, id, later.signal))
    if (job.status !== good) throw failed(job)
    return job
  } finally {
    done()
    later.stop()
  }
}

export async function waitForCluster(
  api: Api,
  idOrName: string,
  goal: 'ready' | 'destroyed',
  wait: string | true,
): Promise<Cluster> {
  const id = await findCluster(api, idOrName)
  const again = `ocpctl wait ${id} --for ${goal}`
  const later = deadline(wait, again)
  const done = whileFollowing(`It goes on without you. Come back with: ${again}`)
  try {
    return await later.unlessLate(() => reach(api, id, goal, later.signal))
  } finally {
    done()
    later.stop()
  }
}

type Many = { id: string; verb: string; status: string; total: number; done: number; refused: number; failed: number }

/** Waits for an operation over many clusters and prints it. Throws Failure when something was not done. */
export async function showOperation(api: Api, id: string, wait: string | true, form: Form): Promise<void> {
  const again = `ocpctl wait ${id}`
  const later = deadline(wait, again)
  const done = whileFollowing(`It goes on without you. Come back with: ${again}`)
  try {
    const operation = await later.unlessLate(() => reachEnd(api, id, later.signal))
    await printObject(form, operation)
    const { total, refused, failed: broken } = operation
    if (refused + broken > 0)
      throw new Failure(
        'failed',
        `${refused + broken} of ${total} were not done: \`ocpctl operation items ${id} --outcome REFUSED,FAILED\` says why`,
      )
  } finally {
    done()
    later.stop()
  }
}

async function reachEnd(api: Api, id: string, signal: AbortSignal): Promise<Many> {
  const patient = openPatience(tellOfLoss)
  let told = ''
  for (;;) {
    const operation = await patient<Many>(() => api.json('GET', `${v1}/operations/${id}`, { signal }))
    if (operation) {
      const { verb, status, total, done, refused, failed: broken } = operation
      if (status === 'ENDED') return operation
      const line = `${verb}: ${done + refused + broken} of ${total}${refused + broken > 0 ? `, ${refused + broken} not done` : ''}`
      if (line !== told) say(`${new Date().toISOString()} ${line}`)
      told = line
    }
    await setTimeout(LOOK_MS, undefined, { signal })
  }
}

async function reach(api: Api, id: string, goal: 'ready' | 'destroyed', signal: AbortSignal): Promise<Cluster> {
  const patient = openPatience(tellOfLoss)
  let told = ''
  for (;;) {
    const cluster = await patient<Cluster>(() => api.json('GET', `${v1}/clusters/${id}`, { signal }))
    if (cluster !== undefined) {
      const { job, status } = cluster
      // The state may be there a moment before the job has ended.
      if (job !== null && !isOver(job)) {
        await watch(api, job.id, signal)
        continue
      }
      if (status === (goal === 'ready' ? 'READY' : 'DESTROYED')) return cluster
      const isHopeless = goal === 'ready' ? /^(FAILED|DESTROY)/.test(status) : status === 'DESTROY_FAILED'
      if (isHopeless)
        throw new Failure(
          'failed',
          `${cluster.name} is ${status}${cluster.statusReason === null ? '' : ` (${cluster.statusReason})`}, and will not be ${goal}: \`ocpctl get ${id}\` says why`,
        )
      if (told !== status)
        say(
          `${cluster.name} is ${status}, and no job is under way${goal === 'destroyed' ? `; it ends at ${cluster.destroyAt}` : ''}`,
        )
      told = status
    }
    await setTimeout(LOOK_MS, undefined, { signal })
  }
}

async function watch(api: Api, id: string, signal: AbortSignal): Promise<Job> {
  const show = process.stderr.isTTY ? openStages() : openLines()
  let last: Job | undefined
  for await (const job of followJob(api, id, signal, tellOfLoss)) show((last = job))
  if (last === undefined) throw new Error('a followed job is given at least once')
  return last
}

const tellOfLoss = (why: string) => say(`${why}; trying again`)

const failed = (job: Job) =>
  new Failure(
    'failed',
    [
      `the job ${job.id} is ${job.status}`,
      job.reason,
      job.message,
      job.remedy && `what to do: ${job.remedy}`,
      `all of it: ocpctl logs ${job.id}`,
    ]
      .filter(Boolean)
      .join('; '),
  )

async function cancel(api: Api, id: string): Promise<void> {
  await api.send('POST', `${v1}/jobs/${id}/cancel`, { key: `cancel-${id}` })
}

function deadline(wait: string | true, again: string) {
  const ms = wait === true ? undefined : readSpan(wait)
  const late = new AbortController()
  const timer = ms === undefined ? undefined : globalThis.setTimeout(() => late.abort(), ms)
  return {
    signal: late.signal,
    stop: () => clearTimeout(timer),
    async unlessLate<T>(work: () => Promise<T>): Promise<T> {
      try {
        return await work()
      } catch (error) {
        if (!late.signal.aborted) throw error
        throw new Failure('timeout', `it has not ended within ${String(wait)} and goes on; wait again with: ${again}`)
      }
    },
  }
}

/** One line for a change. */
function openLines(): (job: Job) => void {
  let before = ''
  return (job) => {
    const line = lineOf(job)
    if (line !== before) say(`${new Date().toISOString()} ${line}`)
    before = line
  }
}

function lineOf({ type, status, attempts, reason, retryAt }: Job): string {
  const attempt = attempts.at(-1)
  const parts = [
    `${type} ${status}`,
    attempt && !isOver({ status }) ? `${attempt.stage} ${attempt.progressPercent}%` : undefined,
    attempt && attempt.number > 1 ? `attempt ${attempt.number}` : undefined,
    status === 'RETRYING' && retryAt !== null ? `again at ${retryAt}` : undefined,
    reason ?? undefined,
  ]
  return parts.filter((part) => part !== undefined).join(', ')
}

/** The stages that were and the one that is, drawn again at each change. */
function openStages(): (job: Job) => void {
  const seen: { key: string; stage: string; from: number }[] = []
  let drawn = 0
  return (job) => {
    const attempt = job.attempts.at(-1)
    const key = `${attempt?.number}/${attempt?.stage}`
    if (attempt && seen.at(-1)?.key !== key) seen.push({ key, stage: attempt.stage, from: Date.now() })
    const stages = seen.map(({ stage, from }, index) => {
      const until = seen[index + 1]?.from
      const isNow = until === undefined && !isOver(job)
      const took = shortSpan((until ?? Date.now()) - from)
      const usual = job.outlook?.stages.find((each) => each.stage === stage)?.p50Minutes
      const beside = usual == null ? '' : colour('dim', `  usually ${shortSpan(usual * MINUTE_MS)}`, process.stderr)
      return `${isNow ? '●' : '✓'} ${stage.padEnd(18)} ${took.padEnd(6)}${beside}`.trimEnd()
    })
    const lines = [
      ...stages,
      [colour('bold', lineOf(job), process.stderr), ...(isOver(job) ? [] : outlookOf(job))].join(', '),
    ]
    process.stderr.write(`${drawn > 0 ? `\u001b[${drawn}A\u001b[J` : ''}${lines.join('\n')}\n`)
    drawn = lines.length
  }
}

/** What one may expect, by how earlier ones went. */
function outlookOf({ attempts, outlook }: Job): string[] {
  const attempt = attempts.at(-1)
  const { queuePlace = null, expected = null, expectedEndAt = null, slowerThanPercent: slower = null } = outlook ?? {}
  const endMs = expectedEndAt === null ? undefined : Date.parse(expectedEndAt) - Date.now()
  const leftMs = expected ? endMs : attempt && etaOf(attempt)
  return [
    queuePlace === null ? '' : `number ${queuePlace} in the queue`,
    leftMs === undefined ? '' : `about ${shortSpan(Math.max(0, leftMs))} left`,
    slower === null || slower < 50 || !expected ? '' : `slower than ${slower} % of ${expected.count}`,
  ].filter((each) => each !== '')
}

/** By how far it has come in the time that it took. undefined: it is too early to say. */
function etaOf({ progressPercent, startedAt }: Attempt): number | undefined {
  if (progressPercent < 5 || progressPercent >= 100) return undefined
  return ((Date.now() - Date.parse(startedAt)) * (100 - progressPercent)) / progressPercent
}
type Attempt = Job['attempts'][number]
