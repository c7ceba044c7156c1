// What became of an operation over many clusters. It goes on without this page.
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useParams } from 'wouter'
import { api, take, type Schemas } from '../api'
import { useRefresh } from '../live'
import { count } from '../money'
import { effects, titleOf, type Operation } from '../operations'
import { useFilters } from '../parts/address'
import { Icon } from '../parts/icon'
import { List } from '../parts/list'
import { Page, Shown } from '../parts/page'
import { Pill, wordOf } from '../parts/pill'
import { say } from '../parts/said'
import { saveAs } from '../parts/save'
import { FilterSelect } from '../parts/select'
import { shortName } from '../session'
import { Ago, span } from '../time'

type Item = Schemas['OperationItem'] & { id: string }
const OUTCOMES = ['PENDING', 'DONE', 'REFUSED', 'FAILED'] as const
const MOST_AT_ONCE = 200

type Wanted = { limit: number; cursor?: string; outcome?: (typeof OUTCOMES)[number][] }
const fetchItems = (id: string, query: Wanted) =>
  take(api.GET('/api/v1/operations/{id}/items', { params: { path: { id }, query } }))

export default function OperationPage() {
  const { id = '' } = useParams()
  const refresh = useRefresh()
  const operation = useQuery({
    queryKey: ['operation', id],
    queryFn: () => take(api.GET('/api/v1/operations/{id}', { params: { path: { id } } })),
    // No event tells of it.
    refetchInterval: ({ state }) => (state.data?.status === 'ENDED' || refresh(true) === false ? false : 1000),
  })
  return <Shown query={operation}>{(data) => <Found operation={data} />}</Shown>
}

function Found({ operation }: { operation: Operation }) {
  const { id, verb, status, total, pending, done, refused, failed, startedAt, endedAt } = operation
  const [params] = useFilters()
  const outcome = OUTCOMES.find((each) => each === params.get('outcome'))
  const save = useMutation({
    mutationFn: async () => {
      const items: Schemas['OperationItem'][] = []
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page = await fetchItems(id, { limit: MOST_AT_ONCE, ...(cursor === undefined ? {} : { cursor }) })
        items.push(...page.items)
        cursor = page.nextCursor
      }
      saveAs(`${id}.json`, JSON.stringify({ ...operation, items }, null, 2))
    },
    onError: (error) => say(error.message, { isBad: true }),
  })
  return (
    <Page
      title={titleOf(verb, total)}
      lead={
        <span className="row">
          <Pill state={status} />
          <span>
            asked <Ago at={operation.createdAt} /> by{' '}
            <span title={operation.requestedBy}>{shortName(operation.requestedBy)}</span>
          </span>
          {startedAt !== null && endedAt !== null ? (
            <span>took {span(Date.parse(endedAt) - Date.parse(startedAt))}</span>
          ) : null}
        </span>
      }
      actions={
        <button type="button" disabled={status !== 'ENDED' || save.isPending} onClick={() => save.mutate()}>
          <Icon name="download" /> Save the result
        </button>
      }
    >
      <div className="stack">
        <progress className="progress" max={Math.max(1, total)} value={total - pending} aria-label="Progress" />
        <p role="status">
          {count(done)} of {count(total)} done
          {refused > 0 ? `, ${count(refused)} refused` : ''}
          {failed > 0 ? `, ${count(failed)} failed` : ''}
          {pending > 0 ? `. It goes on when you leave this page.` : ''}
        </p>
        <div className="filters">
          <FilterSelect name="outcome" label="Outcome" any="Any outcome" options={OUTCOMES} />
        </div>
        <List<Item>
          caption="Its clusters, newest first"
          queryKey={['operation', id, 'items', outcome, status === 'ENDED']}
          fetch={async (page) => {
            const { items, nextCursor } = await fetchItems(id, { ...page, ...(outcome ? { outcome: [outcome] } : {}) })
            return { items: items.map((item) => ({ ...item, id: item.clusterId })), nextCursor }
          }}
          isMoving={(item) => item.outcome === 'PENDING'}
          empty="No cluster is like this"
          columns={[
            {
              head: 'Cluster',
              cell: ({ clusterId, name }) => (
                <Link href={`/clusters/${clusterId}`} className="strong">
                  {name}
                </Link>
              ),
            },
            { head: 'Outcome', cell: (item) => <Pill state={item.outcome} /> },
            {
              head: 'What',
              cell: ({ effect, code, detail }) => (
                <>
                  {effect === null ? (code === null ? '' : wordOf(code)) : effects[effect]}
                  {detail === null ? null : <small>{detail}</small>}
                </>
              ),
            },
            {
              head: 'Job',
              cell: ({ jobId }) => (jobId === null ? '' : <Link href={`/jobs/${jobId}`}>…{jobId.slice(-8)}</Link>),
              shows: 'medium',
            },
          ]}
        />
      </div>
    </Page>
  )
}
