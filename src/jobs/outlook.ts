// What may be expected of a job, by how earlier ones of its kind went here.
import { stages, type Stage } from '../installer/stages.ts'
import { lengthsOf, type Basis, type History, type Installs, type Kind, type Retries } from './history.ts'
import type { JobRow } from './tables.ts'

export type Expected = { basis: Basis; count: number; p50Minutes: number; p90Minutes: number }
export type StageOutlook = {
  stage: Stage
  /** Of this run; null: it has not come so far. */
  beganAt: Date | null
  minutes: number | null
  /** Of the earlier ones; null: none of them tells. */
  p50Minutes: number | null
  p90Minutes: number | null
}
export type Outlook = {
  /** null: it does not wait for a worker. */
  queuePlace: number | null
  /** How long it has run, or ran. */
  minutes: number | null
  expected: Expected | null
  /** The share of the earlier ones that were done sooner. null: there are too few, or it has not begun. */
  slowerThanPercent: number | null
  expectedEndAt: Date | null
  stages: StageOutlook[]
  /** What came of other tries after the reason why this one failed. */
  retries: (Retries & { reason: string }) | null
}

/** A share of fewer says nothing. */
const FEWEST = 5
const MINUTE_MS = 60_000
const tenths = (minutes: number) => Math.round(minutes * 10) / 10
/** Some stages take seconds. */
const hundredths = (minutes: number) => Math.round(minutes * 100) / 100

export async function outlookOf(history: History, kind: Kind, job: JobRow, now = new Date()): Promise<Outlook> {
  const { id, type, status, reason } = job
  const hasFailed = reason !== null && (status === 'FAILED' || status === 'RETRYING')
  const [place, installs, retries] = await Promise.all([
    status === 'PENDING' ? history.placeOf(id) : undefined,
    type === 'CREATE' ? history.installsLike(kind) : undefined,
    hasFailed ? history.retriesAfter(type, reason) : undefined,
  ])
  const minutes = job.startedAt && ((job.endedAt ?? now).getTime() - job.startedAt.getTime()) / MINUTE_MS
  const isComparable = installs && installs.minutes.length >= FEWEST && status !== 'FAILED' && status !== 'CANCELLED'
  return {
    queuePlace: place ?? null,
    minutes: minutes && tenths(minutes),
    expected: installs ? expectedOf(installs) : null,
    slowerThanPercent: isComparable && minutes !== null ? slowerThan(installs.minutes, minutes) : null,
    expectedEndAt: installs && status === 'RUNNING' ? endOf(installs, job, now) : null,
    stages: type === 'CREATE' ? stagesOf(installs, job, now) : [],
    retries: hasFailed && retries ? { reason, ...retries } : null,
  }
}

const expectedOf = ({ basis, minutes }: Installs): Expected => ({
  basis,
  count: minutes.length,
  p50Minutes: tenths(quantile(minutes, 0.5)),
  p90Minutes: tenths(quantile(minutes, 0.9)),
})

const usualStagesOf = (installs: Installs) =>
  [...installs.stages].map(([stage, minutes]) => ({
    stage,
    p50Minutes: hundredths(quantile(minutes, 0.5)),
    p90Minutes: hundredths(quantile(minutes, 0.9)),
  }))

/** By so many (`samples`) of the last ones that are like it. */
export type Duration = Omit<Expected, 'count'> & { samples: number; stages: ReturnType<typeof usualStagesOf> }

/** How long an installation takes, from the start of the work to READY. undefined: there was none like it. */
export async function durationOf(history: History, kind: Kind): Promise<Duration | undefined> {
  const installs = await history.installsLike(kind)
  if (!installs) return undefined
  const { count: samples, ...expected } = expectedOf(installs)
  return { ...expected, samples, stages: usualStagesOf(installs) }
}

const slowerThan = (all: number[], minutes: number) =>
  Math.round((100 * all.filter((each) => each < minutes).length) / all.length)

/** Between the two values that are next to it. `ascending` is not empty. */
function quantile(ascending: number[], share: number): number {
  const at = share * (ascending.length - 1)
  const low = ascending[Math.floor(at)] ?? 0
  const high = ascending[Math.ceil(at)] ?? low
  return low + (high - low) * (at - Math.floor(at))
}

function stagesOf(installs: Installs | undefined, job: JobRow, now: Date): StageOutlook[] {
  const { run } = job.params
  const lengths = new Map(lengthsOf(run?.stages ?? {}))
  const usual = new Map(installs && usualStagesOf(installs).map((each) => [each.stage, each]))
  return stages.flatMap((stage): StageOutlook[] => {
    const { p50Minutes = null, p90Minutes = null } = usual.get(stage) ?? {}
    const seconds = run?.stages[stage]
    if (run === undefined || seconds === undefined)
      return p50Minutes === null ? [] : [{ stage, beganAt: null, minutes: null, p50Minutes, p90Minutes }]
    const beganAt = new Date(Date.parse(run.startedAt) + seconds * 1000)
    // The last one goes on, or ended with the job. Of one that is to be tried again nobody knows it.
    const end = job.endedAt ?? (job.status === 'RUNNING' ? now : undefined)
    const length = lengths.get(stage) ?? (end && (end.getTime() - beganAt.getTime()) / 1000)
    const minutes = length === undefined ? null : tenths(Math.max(0, length) / 60)
    return [{ stage, beganAt, minutes, p50Minutes, p90Minutes }]
  })
}

/** By the stages that are left, where earlier ones tell of them, and by the whole otherwise. null: it is late already. */
function endOf(installs: Installs, job: JobRow, now: Date): Date | null {
  const left = minutesLeft(stagesOf(installs, job, now)) ?? quantile(installs.minutes, 0.5) - ranMinutes(job, now)
  return left > 0 ? new Date(now.getTime() + left * MINUTE_MS) : null
}

const ranMinutes = ({ startedAt }: JobRow, now: Date) =>
  startedAt ? (now.getTime() - startedAt.getTime()) / MINUTE_MS : 0

function minutesLeft(all: StageOutlook[]): number | undefined {
  const current = all.findLastIndex(({ beganAt }) => beganAt !== null)
  const at = all[current]
  if (at?.minutes == null || at.p50Minutes === null) return undefined
  const rest = all.slice(current + 1).reduce((sum, { p50Minutes }) => sum + (p50Minutes ?? 0), 0)
  return Math.max(0, at.p50Minutes - at.minutes) + rest
}
