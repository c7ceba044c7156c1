// How earlier operations of this installation went, for those who wait for a new one. The database is asked once in a
// while for all requests of this process, and reads no more than the newest operations, however many there were.
import { LRUCache } from 'lru-cache'
import type { ClusterRow } from '../clusters/tables.ts'
import type { Db } from '../db/client.ts'
import { nameOf } from '../db/together.ts'
import { stages, type Stage } from '../installer/stages.ts'
import type { JobType } from '../vocabulary.ts'
import type { Run } from './tables.ts'

/** What makes two installations alike. */
export type Kind = Pick<ClusterRow, 'platform' | 'profile' | 'region' | 'version'>

/** What the compared installations have in common: all of a kind, the profile, or only the platform. */
export const bases = ['version', 'profile', 'platform'] as const
export type Basis = (typeof bases)[number]

/** Minutes in ascending order: from the start of the work to READY, and of each stage. */
export type Installs = { basis: Basis; minutes: number[]; stages: ReadonlyMap<Stage, number[]> }
export type Retries = { retried: number; succeeded: number }

export type History = Readonly<{
  /** undefined: there was none of its profile nor of its platform. */
  installsLike: (kind: Kind) => Promise<Installs | undefined>
  /** What came of the next try after a failure of this reason. */
  retriesAfter: (type: JobType, reason: string) => Promise<Retries | undefined>
  /** Counted from 1, and not beyond MOST_PLACES + 1. undefined: it waits for something else than a worker. */
  placeOf: (jobId: string) => Promise<number | undefined>
  /** The place of a job that is opened now. */
  nextPlace: () => Promise<number>
}>

/** With fewer of a kind, those that are less alike count too. */
const ENOUGH = 5
export const MOST_PLACES = 1000
const REMEMBERED_MS = 60_000
/** Where there is little, each one counts, and little is read. */
const THIN_REMEMBERED_MS = 5000
const PLACES_REMEMBERED_MS = 2000
const KINDS = 1000

type Past = { minutes: number; stages: Run['stages'] | null }
type Asked = { basis: Basis; text: string; values: unknown[] }

export function openHistory(db: Db): History {
  const read = async <T>({ text, values }: Omit<Asked, 'basis'>): Promise<T[]> => {
    const { rows } = await db.$client.query({ name: nameOf(text), text, values })
    return rows as T[] // each text names its columns
  }
  const installs = new LRUCache<string, Installs, Asked>({
    max: KINDS,
    ttl: REMEMBERED_MS,
    fetchMethod: async (_key, _stale, { context, options }) => {
      const past = await read<Past>(context)
      if (past.length < ENOUGH) options.ttl = THIN_REMEMBERED_MS
      return sorted(context.basis, past)
    },
  })
  const retries = new LRUCache<string, Map<string, Retries>>({
    max: 1,
    ttl: REMEMBERED_MS,
    fetchMethod: async () => {
      const rows = await read<Retries & { key: string }>({ text: NEXT_TRIES, values: [] })
      return new Map(rows.map(({ key, ...counts }) => [key, counts]))
    },
  })
  const places = new LRUCache<string, Map<string, number>>({
    max: 1,
    ttl: PLACES_REMEMBERED_MS,
    fetchMethod: async () => {
      const rows = await read<{ id: string }>({ text: WAITING, values: [] })
      return new Map(rows.map(({ id }, index) => [id, index + 1]))
    },
  })
  const waiting = async () => (await places.fetch('all')) ?? new Map<string, number>()

  return {
    async installsLike({ profile, region, version, platform }) {
      let best: Installs | undefined
      for (const context of [
        { basis: 'version', text: OF_KIND, values: [profile, region, version] },
        { basis: 'profile', text: OF_PROFILE, values: [profile] },
        { basis: 'platform', text: OF_PLATFORM, values: [platform] },
      ] as const) {
        const { basis, text, values } = context
        const found = await installs.fetch([basis, ...values].join(' '), {
          context: { basis, text, values: [...values] },
        })
        const count = found?.minutes.length ?? 0
        if (count > (best?.minutes.length ?? 0)) best = found
        if (count >= ENOUGH) break
      }
      return best
    },
    retriesAfter: async (type, reason) => (await retries.fetch('all'))?.get(`${isDestroy(type)} ${reason}`),
    async placeOf(jobId) {
      const known = await waiting()
      const place = known.get(jobId)
      if (place !== undefined || known.size < MOST_PLACES) return place
      const [last = ''] = [...known.keys()].slice(-1)
      return jobId > last ? MOST_PLACES + 1 : undefined
    },
    nextPlace: async () => (await waiting()).size + 1,
  }
}

const isDestroy = (type: JobType) => type === 'DESTROY' || type === 'JANITOR_DESTROY'
const ascending = (values: number[]) => values.toSorted((a, b) => a - b)

function sorted(basis: Basis, past: Past[]): Installs {
  const all = new Map<Stage, number[]>()
  for (const { stages: began } of past)
    for (const [stage, seconds] of lengthsOf(began ?? {})) {
      const lengths = all.get(stage) ?? []
      all.set(stage, lengths)
      lengths.push(seconds / 60)
    }
  return {
    basis,
    minutes: ascending(past.map(({ minutes }) => minutes)),
    stages: new Map(stages.flatMap((stage) => (all.has(stage) ? [[stage, ascending(all.get(stage) ?? [])]] : []))),
  }
}

/** Seconds of each stage that another one followed. */
export function lengthsOf(began: Run['stages']): [Stage, number][] {
  const inOrder = (Object.entries(began) as [Stage, number][]).toSorted(([, a], [, b]) => a - b) // its keys are stages
  return inOrder.flatMap(([stage, at], index): [Stage, number][] => {
    const next = inOrder[index + 1]
    return next ? [[stage, next[1] - at]] : []
  })
}

/** `of`: the newest clusters, each with its id and readyAt. */
const lasted = (of: string) => `
  select extract(epoch from c.ready_at - j.started_at)::float8 / 60 as minutes, j.params -> 'run' -> 'stages' as stages
  from ${of} c cross join lateral (
    select started_at, params from jobs
    where cluster_id = c.id and type = 'CREATE' and status = 'SUCCEEDED' and started_at <= c.ready_at order by id limit 1
  ) j`
// Each of them goes along the index clusters_ready.
const OF_KIND = lasted(`(
  select id, ready_at from (
    select id, ready_at, version from clusters
    where profile = $1 and region = $2 and ready_at is not null order by ready_at desc limit 1000) as newest
  where version = $3 limit 200)`)
/** The pairs of profile and region that there are, one step along the index for each, and the newest clusters of each. */
const newestOfEach = (first: string, next: string, platform: string, limit: number) =>
  lasted(`(
  with recursive kinds as (
    (select profile, region from clusters where ready_at is not null ${first} order by profile, region limit 1)
    union all
    select next.* from kinds k cross join lateral (
      select profile, region from clusters where ready_at is not null and ${next} order by profile, region limit 1) as next
  )
  select newest.* from kinds k cross join lateral (
    select id, ready_at from clusters
    where profile = k.profile and region = k.region and ready_at is not null ${platform} order by ready_at desc limit ${limit}
  ) as newest)`)
const OF_PROFILE = newestOfEach('and profile = $1', 'profile = $1 and region > k.region', '', 50)
const OF_PLATFORM = newestOfEach('', '(profile, region) > (k.profile, k.region)', 'and platform = $1', 20)

/** Along the primary key of the attempts. */
const NEXT_TRIES = `
  select destroys::text || ' ' || reason as key, count(next)::int as retried,
    (count(*) filter (where next = 'SUCCEEDED'))::int as succeeded
  from (
    select a.outcome, a.reason, d.destroys,
      lead(a.outcome) over (partition by j.cluster_id, d.destroys order by a.id) as next
    from (
      select id, job_id, outcome, reason from job_attempts
      where outcome in ('SUCCEEDED', 'FAILED', 'LOST') order by id desc limit 5000) a
    join jobs j on j.id = a.job_id
    cross join lateral (select j.type in ('DESTROY', 'JANITOR_DESTROY') as destroys) d
  ) tries
  where outcome <> 'SUCCEEDED' and reason is not null group by 1`

/**
 * What could begin now if a worker had room: of a cluster that is worked on, nothing can. Written so that only the index
 * jobs_status has its order; the planner would else read the whole primary key for it.
 */
const WAITING = `
  select id from jobs j
  where status between 'PENDING' and 'PENDING' and not exists (select from job_locks l where l.cluster_id = j.cluster_id)
  order by status, id limit ${MOST_PLACES}`
