// For operators: what there is to do, what keeps it, which jobs no worker got to an end, and who works.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import { api, keyed, newKey, take, type Schemas } from '../api'
import { Ask } from '../parts/dialog'
import { Table } from '../parts/list'
import { Shown } from '../parts/page'
import { Pill, wordOf } from '../parts/pill'
import { say } from '../parts/said'
import { Ago, At, Until } from '../time'
import { Intake } from './intake'
import { ReleaseDialog } from './operator-dialogs'

const LOOK_MS = 5000

type Queue = Schemas['QueueView']
type Blocked = Queue['blocked'][number]

const WHY: Record<Blocked['by'], string> = {
  lock: 'Another job works on the cluster',
  turn: 'An earlier job of the cluster comes first',
  paused: 'It is paused',
  quota: 'The last try met a limit of the cloud account',
  retry: 'The next try has its time',
  worker: 'No worker that is here is able',
  store: 'The artifact store does not work',
}
const counted = new Intl.NumberFormat('en-US')

export function QueueTab({ mayRetry }: { mayRetry: boolean }) {
  const queue = useQuery({
    queryKey: ['queue'],
    queryFn: () => take(api.GET('/api/v1/queue')),
    refetchInterval: LOOK_MS,
  })
  return (
    <Shown query={queue}>
      {({ queues, isWhole, jobs, clusters, blocked, failing, deadLetters }) => (
        <div className="stack">
          {failing.map(({ part, detail }) => (
            <div key={part} className="banner">
              <b>{part}</b> <p>{detail}</p>
            </div>
          ))}
          <div className="grid">
            <section className="card">
              <h2>To do</h2>
              {isWhole ? null : <p className="hint">Of each state, only the oldest thousands are looked at.</p>}
              {jobs.length === 0 ? <p className="muted">Nothing</p> : null}
              <dl className="facts">
                {jobs.map(({ type, status, count, oldestAt }) => (
                  <div key={type + status} className="fact">
                    <dt>
                      {wordOf(type)}, {wordOf(status).toLowerCase()}
                    </dt>
                    <dd>
                      {counted.format(count)}, the oldest <Ago at={oldestAt} />
                    </dd>
                  </div>
                ))}
              </dl>
            </section>
            <section className="card">
              <h2>Queues</h2>
              <dl className="facts">
                {queues.map(({ name, waiting, later, active, failed }) => (
                  <div key={name} className="fact">
                    <dt>{name}</dt>
                    <dd>
                      {counted.format(waiting)} wait{later > 0 ? ` (${counted.format(later)} for their time)` : ''},{' '}
                      {counted.format(active)} active
                      {failed > 0 ? `, ${counted.format(failed)} failed` : ''}
                    </dd>
                  </div>
                ))}
              </dl>
            </section>
            {clusters.length > 0 ? (
              <section className="card">
                <h2>Clusters with the most</h2>
                <dl className="facts">
                  {clusters.map(({ clusterId, clusterName, count, oldestAt }) => (
                    <div key={clusterId} className="fact">
                      <dt>
                        <Link href={`/clusters/${clusterId}`}>{clusterName}</Link>
                      </dt>
                      <dd>
                        {count}, the oldest <Ago at={oldestAt} />
                      </dd>
                    </div>
                  ))}
                </dl>
              </section>
            ) : null}
          </div>
          <Intake mayWrite={mayRetry} />
          {deadLetters.length > 0 ? <DeadLetters letters={deadLetters} mayRetry={mayRetry} /> : null}
          {blocked.map((each) => (
            <BlockedJobs key={each.by} of={each} mayRelease={mayRetry} />
          ))}
        </div>
      )}
    </Shown>
  )
}

function BlockedJobs({ of: { by, count, oldestAt, jobs }, mayRelease }: { of: Blocked; mayRelease: boolean }) {
  const [released, setReleased] = useState<Blocked['jobs'][number]>()
  return (
    <section className="stack" aria-label={WHY[by]}>
      <h2>
        {WHY[by]}: {counted.format(count)}, the oldest <Ago at={oldestAt} />
      </h2>
      <Table
        caption={WHY[by]}
        rows={jobs.map((job) => ({ ...job, id: job.jobId }))}
        columns={[
          { head: 'Job', cell: ({ jobId, type }) => <Link href={`/jobs/${jobId}`}>{wordOf(type)}</Link> },
          {
            head: 'Cluster',
            cell: ({ clusterId, clusterName }) => <Link href={`/clusters/${clusterId}`}>{clusterName}</Link>,
          },
          { head: 'Asked', cell: ({ createdAt }) => <Ago at={createdAt} /> },
          {
            head: 'For',
            cell: ({ byJobId, worker, retryAt, detail, ...job }) => (
              <>
                {byJobId === null ? null : <Link href={`/jobs/${byJobId}`}>the job …{byJobId.slice(-8)}</Link>}
                {worker === null ? null : <small className="mono">{worker}</small>}
                {retryAt === null || (by !== 'retry' && by !== 'quota') ? null : <Until at={retryAt} />}
                {detail === null ? null : <small>{detail}</small>}
                {by !== 'lock' ? null : (
                  <button
                    type="button"
                    disabled={!mayRelease}
                    onClick={() => setReleased({ ...job, byJobId, worker, retryAt, detail })}
                  >
                    Release the lock…
                  </button>
                )}
              </>
            ),
          },
        ]}
      />
      {released ? <ReleaseDialog of={released} onClose={() => setReleased(undefined)} /> : null}
    </section>
  )
}

function DeadLetters({ letters, mayRetry }: { letters: Queue['deadLetters']; mayRetry: boolean }) {
  const [isAsked, setAsked] = useState(false)
  return (
    <section className="stack" aria-label="Dead letters">
      <div className="row spread">
        <h2>No worker got these to an end</h2>
        <button type="button" disabled={!mayRetry} onClick={() => setAsked(true)}>
          Ask for them again…
        </button>
      </div>
      <Table
        caption="Dead letters"
        rows={letters.map((letter) => ({ ...letter, id: letter.jobId }))}
        columns={[
          { head: 'Job', cell: ({ jobId, type }) => <Link href={`/jobs/${jobId}`}>{wordOf(type)}</Link> },
          { head: 'State', cell: ({ status }) => <Pill state={status} /> },
          {
            head: 'Cluster',
            cell: ({ clusterId, clusterName }) => <Link href={`/clusters/${clusterId}`}>{clusterName}</Link>,
          },
          { head: 'Given up', cell: ({ diedAt }) => <At at={diedAt} />, shows: 'medium' },
          { head: 'Why', cell: ({ message }) => message, shows: 'wide' },
        ]}
      />
      {isAsked ? <RetryDialog letters={letters} onClose={() => setAsked(false)} /> : null}
    </section>
  )
}

/** What would happen is asked for first. */
function RetryDialog({ letters, onClose }: { letters: Queue['deadLetters']; onClose: () => void }) {
  const queries = useQueryClient()
  const [key] = useState(newKey)
  const path = '/api/v1/queue/dead-letters/retry'
  const preview = useQuery({
    queryKey: ['dead letters', key],
    queryFn: () => take(api.POST(path, { params: { query: { dryRun: 'true' } }, body: {} })),
    staleTime: Infinity,
  })
  const retry = useMutation({
    mutationFn: () => take(api.POST(path, { params: { header: keyed(key) }, body: {} })),
    onSuccess: ({ items }) => {
      say(`${items.filter(({ result }) => result === 'retried').length} asked for again`)
      void queries.invalidateQueries({ queryKey: ['queue'] })
      onClose()
    },
  })
  const nameOf = (jobId: string) => letters.find((letter) => letter.jobId === jobId)?.clusterName ?? jobId
  const good = preview.data?.items.filter(({ result }) => result === 'retried') ?? []
  const refused = preview.data?.items.filter(({ result }) => result === 'refused') ?? []
  return (
    <Ask
      title="Ask for them again"
      onClose={onClose}
      onSubmit={() => retry.mutate()}
      submit={`Ask for ${good.length} again`}
      isReady={good.length > 0}
      isBusy={retry.isPending}
      error={retry.error ?? preview.error}
    >
      <p>
        {good.length} will be done again
        {good.length > 0 ? `: ${good.map(({ jobId }) => nameOf(jobId)).join(', ')}` : ''}.
      </p>
      {refused.map(({ jobId, detail }) => (
        <p key={jobId} className="wrong">
          Not {nameOf(jobId)}: {detail}
        </p>
      ))}
      {preview.data && preview.data.left > 0 ? (
        <p className="hint">{preview.data.left} more can be asked for then.</p>
      ) : null}
    </Ask>
  )
}
