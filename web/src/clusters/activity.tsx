// What happened to the cluster, newest first: the states that it was in, and the jobs with their attempts.
import { useQueries, useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { api, take, type JobDetail } from '../api'
import { Shown } from '../parts/page'
import { Pill, wordOf } from '../parts/pill'
import { fetchJob } from '../jobs'
import { shortName } from '../session'
import { At, span } from '../time'
import type { TabProps } from './cluster'
import { stageName } from './data'

const NEWEST_JOBS = 20
type Entry = { at: string; key: string; shown: ReactNode }

export default function Activity({ cluster }: TabProps) {
  const { id } = cluster
  const samples = useQuery({
    queryKey: ['cluster', id, 'samples'],
    queryFn: () => fetchSamples(id, cluster.createdAt),
  })
  const jobs = useQuery({
    queryKey: ['cluster', id, 'jobs'],
    queryFn: () =>
      take(api.GET('/api/v1/clusters/{id}/jobs', { params: { path: { id }, query: { limit: NEWEST_JOBS } } })),
  })
  const details = useQueries({
    queries: (jobs.data?.items ?? []).map((job) => ({
      queryKey: ['job', job.id],
      queryFn: () => fetchJob(job.id),
    })),
  })
  const entries: Entry[] = [
    ...statesIn(samples.data?.items ?? []),
    ...details.flatMap(({ data }) => (data ? entriesOf(data) : [])),
  ].sort((a, b) => b.at.localeCompare(a.at))
  return (
    <Shown query={jobs}>
      {() => (
        <ol className="timeline card">
          {entries.map(({ at, key, shown }) => (
            <li key={key}>
              <span className="muted">
                <At at={at} />
              </span>
              <div>{shown}</div>
            </li>
          ))}
        </ol>
      )}
    </Shown>
  )
}

export const fetchSamples = (clusterId: string, createdAt: string) => {
  const from = new Date(Date.parse(createdAt) - 1000).toISOString()
  return take(api.GET('/api/v1/usage/samples', { params: { query: { clusterId, from } } }))
}

function statesIn(samples: { at: string; status: string }[]): Entry[] {
  return samples
    .filter(({ status }, index) => status !== samples[index - 1]?.status)
    .map(({ at, status }) => ({
      at,
      key: `state ${at}`,
      shown: (
        <>
          It became <Pill state={status} />
        </>
      ),
    }))
}

function entriesOf(job: JobDetail): Entry[] {
  const link = <Link href={`/jobs/${job.id}`}>{wordOf(job.type)}</Link>
  const asked = {
    at: job.createdAt,
    key: `${job.id} asked`,
    shown: (
      <>
        {link} asked for by <b title={job.requestedBy}>{shortName(job.requestedBy)}</b>
      </>
    ),
  }
  const attempts = job.attempts.flatMap((attempt): Entry[] => [
    {
      at: attempt.startedAt,
      key: `${job.id} ${attempt.number} begun`,
      shown: (
        <>
          {link}, attempt {attempt.number} begun <span className="muted">by {attempt.worker}</span>
        </>
      ),
    },
    ...(attempt.endedAt === null
      ? []
      : [
          {
            at: attempt.endedAt,
            key: `${job.id} ${attempt.number} ended`,
            shown: (
              <>
                {link}, attempt {attempt.number} <Pill state={attempt.outcome ?? 'LOST'} /> after{' '}
                {span(Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt))}
                {attempt.outcome === 'SUCCEEDED' ? '' : ` at the stage "${stageName(attempt.stage)}"`}
                {attempt.reason === null ? null : (
                  <p className="hint">
                    {attempt.reason}: {attempt.message}
                  </p>
                )}
              </>
            ),
          },
        ]),
  ])
  return [asked, ...attempts]
}
