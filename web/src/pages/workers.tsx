// For operators: who works, at what, and who is to take no new jobs.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import { api, take, type Schemas } from '../api'
import { stageName } from '../clusters/data'
import { Table } from '../parts/list'
import { Empty, Shown } from '../parts/page'
import { Pill, wordOf } from '../parts/pill'
import { Ago, At, Until } from '../time'
import { DrainDialog } from './operator-dialogs'

const LOOK_MS = 5000

export function WorkersTab({ mayDrain }: { mayDrain: boolean }) {
  const [drained, setDrained] = useState<Schemas['Worker']>()
  const workers = useQuery({
    queryKey: ['workers'],
    queryFn: () => take(api.GET('/api/v1/workers')),
    refetchInterval: LOOK_MS,
  })
  return (
    <Shown query={workers}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty title="No worker was here within the last day" />
        ) : (
          <>
            <Table
              caption="Workers"
              rows={items}
              columns={[
                {
                  head: 'Worker',
                  cell: ({ host, pid }) => (
                    <>
                      <b>{host}</b>
                      <small className="mono">{pid}</small>
                    </>
                  ),
                },
                {
                  head: 'Seen',
                  cell: ({ isAlive, seenAt, drain }) => (
                    <>
                      <Pill state={isAlive ? 'ALIVE' : 'GONE'} />
                      {drain === null ? null : <small>{drain.isDone ? 'drained' : 'takes no new jobs'}</small>}
                      <small>
                        <Ago at={seenAt} />
                      </small>
                    </>
                  ),
                },
                { head: 'Busy', cell: ({ busy, slots }) => `${busy} of ${slots ?? '?'}`, isNumber: true },
                {
                  head: 'Does',
                  cell: ({ jobs }) =>
                    jobs.length === 0 ? (
                      <span className="muted">nothing</span>
                    ) : (
                      jobs.map(({ jobId, type, clusterName, stage, progressPercent, expectedEndAt }) => (
                        <p key={jobId}>
                          <Link href={`/jobs/${jobId}`}>
                            {wordOf(type)} of {clusterName}
                          </Link>
                          <small>
                            {stageName(stage)}, {progressPercent} %
                            {expectedEndAt === null ? null : (
                              <>
                                , done <Until at={expectedEndAt} />
                              </>
                            )}
                          </small>
                        </p>
                      ))
                    ),
                },
                { head: 'Begun', cell: ({ startedAt }) => <At at={startedAt} />, shows: 'medium' },
                { head: 'Version', cell: ({ version }) => version ?? 'older', shows: 'wide' },
                {
                  head: 'Its database since',
                  cell: ({ databaseStartedAt }) => (databaseStartedAt === null ? '' : <At at={databaseStartedAt} />),
                  shows: 'wide',
                },
                {
                  head: 'Drain',
                  isHeadHidden: true,
                  cell: (worker) =>
                    worker.isAlive ? (
                      <button type="button" disabled={!mayDrain} onClick={() => setDrained(worker)}>
                        {worker.drain === null ? 'Drain…' : 'Let it work…'}
                      </button>
                    ) : null,
                },
              ]}
            />
            {drained ? <DrainDialog worker={drained} onClose={() => setDrained(undefined)} /> : null}
          </>
        )
      }
    </Shown>
  )
}
