import { useQuery } from '@tanstack/react-query'
import { useSearchParams } from 'wouter'
import { api, take } from '../api'
import { useFilters } from '../parts/address'
import { Empty, Shown } from '../parts/page'
import { wordOf } from '../parts/pill'
import { Log } from '../log/log'
import { atLocal } from '../time'
import type { TabProps } from './cluster'

const NEWEST = 50

/** Of the newest job, unless the address names another one. */
export default function LogTab({ cluster }: TabProps) {
  const { id, job: newest } = cluster
  const [params] = useSearchParams()
  const [, change] = useFilters()
  const jobs = useQuery({
    queryKey: ['cluster', id, 'jobs', newest?.id, newest?.status],
    queryFn: () => take(api.GET('/api/v1/clusters/{id}/jobs', { params: { path: { id }, query: { limit: NEWEST } } })),
    placeholderData: (before) => before,
  })
  return (
    <Shown query={jobs}>
      {({ items }) => {
        const job = items.find((each) => each.id === params.get('job')) ?? items[0]
        if (!job) return <Empty title="No job has run yet" />
        return (
          <div className="stack">
            {items.length > 1 ? (
              <div className="row">
                <label htmlFor="job">Job</label>
                <select
                  id="job"
                  value={job.id}
                  onChange={(event) =>
                    change({ job: event.target.value === items[0]?.id ? undefined : event.target.value })
                  }
                >
                  {items.map((each) => (
                    <option key={each.id} value={each.id}>
                      {wordOf(each.type)}, {atLocal(each.createdAt)}, {wordOf(each.status).toLowerCase()}
                    </option>
                  ))}
                </select>
              </div>
            ) : null}
            <Log key={job.id} job={job} cluster={cluster} />
          </div>
        )
      }}
    </Shown>
  )
}
