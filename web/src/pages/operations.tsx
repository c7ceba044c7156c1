import { Link } from 'wouter'
import { api, take } from '../api'
import { count } from '../money'
import { titleOf, type Operation } from '../operations'
import { List } from '../parts/list'
import { Pill } from '../parts/pill'
import { shortName } from '../session'
import { Ago } from '../time'

export const OperationList = () => (
  <List<Operation>
    caption="Operations over many clusters, newest first"
    queryKey={['operations']}
    fetch={(page) => take(api.GET('/api/v1/operations', { params: { query: page } }))}
    isMoving={({ status }) => status !== 'ENDED'}
    empty="Nothing was asked of many clusters yet"
    columns={[
      {
        head: 'Operation',
        cell: ({ id, verb, total }) => (
          <Link href={`/operations/${id}`} className="strong">
            {titleOf(verb, total)}
          </Link>
        ),
      },
      { head: 'State', cell: ({ status }) => <Pill state={status} /> },
      { head: 'Done', cell: ({ done }) => count(done), isNumber: true },
      { head: 'Not done', cell: ({ refused, failed }) => count(refused + failed), isNumber: true, shows: 'medium' },
      { head: 'Asked', cell: ({ createdAt }) => <Ago at={createdAt} /> },
      {
        head: 'By',
        cell: ({ requestedBy }) => <span title={requestedBy}>{shortName(requestedBy)}</span>,
        shows: 'wide',
      },
    ]}
  />
)
