import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from 'wouter'
import { api, keyed, newKey, take, type ClusterDetail, type JobDetail } from '../api'
import { useRights } from '../clusters/actions'
import { keepCluster, stageName, useCluster } from '../clusters/data'
import { isJobOver, useJob } from '../jobs'
import { Log } from '../log/log'
import { Table } from '../parts/list'
import { Page, Shown } from '../parts/page'
import { Pill, wordOf } from '../parts/pill'
import { say } from '../parts/said'
import { shortName } from '../session'
import { Ago, At, span } from '../time'

export default function JobPage() {
  const { id = '' } = useParams()
  const job = useJob(id)
  return <Shown query={job}>{(data) => <WithCluster job={data} />}</Shown>
}

function WithCluster({ job }: { job: JobDetail }) {
  const cluster = useCluster(job.clusterId)
  return <Shown query={cluster}>{(data) => <Found job={job} cluster={data} />}</Shown>
}

function Found({ job, cluster }: { job: JobDetail; cluster: ClusterDetail }) {
  const queries = useQueryClient()
  const mayNot = useRights(cluster.id, true)
  const act = useMutation({
    mutationFn: async (verb: 'retry' | 'cancel') => {
      const params = { path: { id: job.id }, header: keyed(newKey()) }
      if (verb === 'cancel') await take(api.POST('/api/v1/jobs/{id}/cancel', { params }))
      else await take(api.POST('/api/v1/jobs/{id}/retry', { params }))
    },
    onSuccess: (_, verb) => {
      say(verb === 'cancel' ? 'The job is being cancelled' : 'A new job does it again')
      keepCluster(queries, cluster)
      void queries.invalidateQueries({ queryKey: ['job', job.id] })
    },
    onError: (error) => say(error.message, { isBad: true }),
  })
  const isOver = isJobOver(job)
  const verb = isOver ? 'retry' : 'cancel'
  const reason = isOver
    ? job.status === 'FAILED'
      ? mayNot('retry')
      : 'Only a failed job is tried again'
    : job.cancelRequestedAt === null
      ? mayNot('cancel')
      : 'It is being cancelled'
  return (
    <Page
      title={`${wordOf(job.type)} of ${cluster.name}`}
      lead={
        <span className="row">
          <Pill state={job.status} />
          <span>
            asked <Ago at={job.createdAt} /> by <span title={job.requestedBy}>{shortName(job.requestedBy)}</span>
          </span>
          <Link href={`/clusters/${cluster.id}`}>To the cluster</Link>
        </span>
      }
      actions={
        <button
          type="button"
          disabled={reason !== undefined || act.isPending}
          title={reason}
          onClick={() => act.mutate(verb)}
        >
          {isOver ? 'Try again' : 'Cancel'}
        </button>
      }
    >
      {job.reason === null ? null : (
        <div className="banner">
          <b>{job.reason}</b>
          <p>{job.message}</p>
          {job.remedy === null ? null : (
            <p>
              <b>What helps:</b> {job.remedy}
            </p>
          )}
        </div>
      )}
      <div className="stack">
        {job.attempts.length > 0 ? (
          <Table
            caption="Attempts"
            rows={job.attempts.map((attempt) => ({ ...attempt, id: String(attempt.number) }))}
            columns={[
              { head: 'Attempt', cell: ({ number }) => number },
              { head: 'Outcome', cell: ({ outcome }) => <Pill state={outcome ?? 'RUNNING'} /> },
              { head: 'Stage', cell: ({ stage, progressPercent }) => `${stageName(stage)}, ${progressPercent} %` },
              { head: 'Begun', cell: ({ startedAt }) => <At at={startedAt} />, shows: 'medium' },
              {
                head: 'Took',
                cell: ({ startedAt, endedAt }) =>
                  endedAt === null ? '' : span(Date.parse(endedAt) - Date.parse(startedAt)),
                shows: 'medium',
              },
              { head: 'Exit code', cell: ({ exitCode }) => exitCode, shows: 'wide' },
              { head: 'Worker', cell: ({ worker }) => <span className="mono">{worker}</span>, shows: 'wide' },
            ]}
          />
        ) : null}
        <Log job={job} cluster={cluster} />
      </div>
    </Page>
  )
}
