// What happened to the cluster, newest first.
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { api, take } from '../api'
import { useFilters } from '../parts/address'
import { Shown } from '../parts/page'
import { Pager } from '../parts/pager'
import { Pill } from '../parts/pill'
import { shortName } from '../session'
import { At } from '../time'
import type { TabProps } from './cluster'

const PAGE = 50

export default function Activity({ cluster: { id } }: TabProps) {
  const [params, change] = useFilters()
  const cursor = params.get('cursor') ?? undefined
  const timeline = useQuery({
    queryKey: ['cluster', id, 'timeline', cursor],
    queryFn: () => {
      const query = { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) }
      return take(api.GET('/api/v1/clusters/{id}/timeline', { params: { path: { id }, query } }))
    },
    placeholderData: (before) => before,
  })
  return (
    <Shown query={timeline}>
      {({ items, nextCursor }) => (
        <>
          <ol className="timeline card">
            {items.map((each) => (
              <li key={each.id}>
                <span className="muted">
                  <At at={each.at} />
                </span>
                <div className={each.isFailure ? 'wrong' : undefined}>
                  {each.status === null ? (
                    <span>{each.says}</span>
                  ) : (
                    <>
                      It became <Pill state={each.status} />
                    </>
                  )}
                  {each.by === null ? null : (
                    <>
                      {' '}
                      by <b title={each.by}>{shortName(each.by)}</b>
                    </>
                  )}
                  {each.jobId === null || each.kind === 'state' ? null : (
                    <>
                      {' '}
                      <Link href={`/jobs/${each.jobId}`} aria-label={`The job of: ${each.says}`}>
                        job
                      </Link>
                    </>
                  )}
                </div>
              </li>
            ))}
          </ol>
          <Pager shown={items.length} next={nextCursor} cursor={cursor} go={(next) => change({ cursor: next })} />
        </>
      )}
    </Shown>
  )
}
