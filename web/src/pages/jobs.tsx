import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from 'wouter'
import { api, keyed, take, type Job, type Schemas } from '../api'
import { isJobOver } from '../jobs'
import { useFilters } from '../parts/address'
import { List, Table } from '../parts/list'
import { Page, Shown } from '../parts/page'
import { Pill, wordOf } from '../parts/pill'
import { say } from '../parts/said'
import { FilterSelect, Tabs } from '../parts/select'
import { OperationList } from './operations'
import { hasRole, isWriting, shortName, useCaller } from '../session'
import { Ago, At, span, useNow } from '../time'
import { QueueTab } from './queue'
import { WorkersTab } from './workers'

const TYPES = ['CREATE', 'DESTROY', 'SCALE_WORKERS', 'HIBERNATE', 'RESUME', 'JANITOR_DESTROY', 'ORPHAN_SWEEP'] as const
const STATUSES = ['PENDING', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const

const TABS = { jobs: 'Jobs', operations: 'Over many', queue: 'Queue', workers: 'Workers', schedules: 'Schedules' }

export default function Jobs() {
  const [params] = useFilters()
  const caller = useCaller().data
  const isOperator = hasRole(caller, 'platform_admin')
  const tabs = isOperator ? TABS : { jobs: TABS.jobs, operations: TABS.operations }
  const wanted = params.get('tab') ?? ''
  const tab = Object.hasOwn(tabs, wanted) ? wanted : 'jobs'
  return (
    <Page title="Jobs and queue" actions={<Tabs label="Parts" tabs={tabs} fallback="jobs" />}>
      {tab === 'jobs' ? <JobList /> : null}
      {tab === 'operations' ? <OperationList /> : null}
      {tab === 'queue' ? <QueueTab mayRetry={isWriting(caller)} /> : null}
      {tab === 'workers' ? <WorkersTab mayDrain={isWriting(caller)} /> : null}
      {tab === 'schedules' ? <Schedules mayRun={isWriting(caller)} /> : null}
    </Page>
  )
}

function JobList() {
  const [params] = useFilters()
  const type = TYPES.find((each) => each === params.get('type'))
  const status = STATUSES.find((each) => each === params.get('status'))
  return (
    <>
      <div className="filters">
        <FilterSelect name="status" label="State" any="Any state" options={STATUSES} />
        <FilterSelect name="type" label="Type" any="Any type" options={TYPES} />
      </div>
      <List<Job>
        caption="Jobs, newest first"
        queryKey={['jobs', type, status]}
        fetch={(page) =>
          take(
            api.GET('/api/v1/jobs', {
              params: { query: { ...page, ...(type ? { type } : {}), ...(status ? { status: [status] } : {}) } },
            }),
          )
        }
        isMoving={(job) => !isJobOver(job)}
        empty="No job is like this"
        columns={[
          {
            head: 'Job',
            cell: (job) => (
              <>
                <Link href={`/jobs/${job.id}`} className="strong">
                  {wordOf(job.type)}
                </Link>
                <small className="mono">{job.id.slice(-8)}</small>
              </>
            ),
          },
          { head: 'State', cell: (job) => <JobState job={job} /> },
          {
            head: 'Cluster',
            cell: (job) => <Link href={`/clusters/${job.clusterId}`}>…{job.clusterId.slice(-8)}</Link>,
            shows: 'medium',
          },
          { head: 'Asked', cell: (job) => <Ago at={job.createdAt} /> },
          {
            head: 'By',
            cell: (job) => <span title={job.requestedBy}>{shortName(job.requestedBy)}</span>,
            shows: 'wide',
          },
          { head: 'Took', cell: (job) => <Took job={job} />, shows: 'medium' },
        ]}
      />
    </>
  )
}

export function JobState({ job }: { job: Job }) {
  return (
    <>
      <Pill state={job.status} />
      {job.reason === null ? null : <small>{job.reason}</small>}
      {job.retryAt === null ? null : (
        <small>
          again <At at={job.retryAt} />
        </small>
      )}
    </>
  )
}

function Took({ job }: { job: Job }) {
  const now = useNow()
  if (job.startedAt === null) return <span className="muted">waits</span>
  return span((job.endedAt === null ? now : Date.parse(job.endedAt)) - Date.parse(job.startedAt))
}

type Schedule = Schemas['Schedule'] & { id: string }

function Schedules({ mayRun }: { mayRun: boolean }) {
  const queries = useQueryClient()
  const schedules = useQuery({
    queryKey: ['schedules'],
    queryFn: () => take(api.GET('/api/v1/schedules')),
    refetchInterval: 10_000,
  })
  const run = useMutation({
    mutationFn: (name: string) =>
      take(api.POST('/api/v1/schedules/{name}/run', { params: { path: { name: name as never }, header: keyed() } })),
    onSuccess: (_, name) => {
      say(`${name} runs`)
      void queries.invalidateQueries({ queryKey: ['schedules'] })
    },
    onError: (error) => say(error.message, { isBad: true }),
  })
  return (
    <Shown query={schedules}>
      {({ items }) => (
        <Table<Schedule>
          caption="Schedules"
          rows={items.map((item) => ({ ...item, id: item.name }))}
          columns={[
            {
              head: 'Schedule',
              cell: ({ name, does }) => (
                <>
                  <b>{name}</b>
                  <small>{does}</small>
                </>
              ),
            },
            { head: 'Cron (UTC)', cell: ({ cron }) => <code>{cron}</code>, shows: 'wide' },
            {
              head: 'Last run',
              cell: ({ lastRun, isRunning }) =>
                isRunning ? (
                  <Pill state="RUNNING" />
                ) : lastRun ? (
                  <>
                    <Pill state={lastRun.outcome.toUpperCase()} />
                    <small>
                      <Ago at={lastRun.endedAt} />, {lastRun.seconds.toFixed(1)} s
                      {lastRun.did === null ? '' : `: ${lastRun.did}`}
                    </small>
                  </>
                ) : (
                  <span className="muted">never</span>
                ),
            },
            { head: 'Next', cell: ({ nextRunAt }) => <At at={nextRunAt} />, shows: 'medium' },
            {
              head: 'Run',
              isHeadHidden: true,
              cell: ({ name }) => (
                <button
                  type="button"
                  disabled={!mayRun || run.isPending}
                  onClick={() => run.mutate(name)}
                  aria-label={`Run ${name} now`}
                >
                  Run now
                </button>
              ),
            },
          ]}
        />
      )}
    </Shown>
  )
}
