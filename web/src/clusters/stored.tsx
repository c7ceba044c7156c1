import { useQuery } from '@tanstack/react-query'
import { useSearchParams } from 'wouter'
import { api, take } from '../api'
import { bytes } from '../money'
import { useFilters } from '../parts/address'
import { Icon } from '../parts/icon'
import { Empty, Shown } from '../parts/page'
import { Pager } from '../parts/pager'
import { At } from '../time'
import type { TabProps } from './cluster'
import { stageName } from './data'

export default function Stored({ cluster: { id } }: TabProps) {
  const [params] = useSearchParams()
  const [, change] = useFilters()
  const cursor = params.get('cursor') ?? undefined
  const artifacts = useQuery({
    queryKey: ['cluster', id, 'artifacts', cursor],
    queryFn: () =>
      take(
        api.GET('/api/v1/clusters/{id}/artifacts', {
          params: { path: { id }, query: { limit: 50, ...(cursor === undefined ? {} : { cursor }) } },
        }),
      ),
  })
  return (
    <Shown query={artifacts}>
      {({ items, nextCursor }) =>
        items.length === 0 ? (
          <Empty title="Nothing is stored of it">
            <p>
              Snapshots of the installer's state, and logs, are stored at each stage, and kept until it is proved gone.
            </p>
          </Empty>
        ) : (
          <>
            <div className="table-box">
              <table className="table">
                <caption className="visually-hidden">Stored state, newest first</caption>
                <thead>
                  <tr>
                    <th>Kind</th>
                    <th>Stage</th>
                    <th>Stored</th>
                    <th className="num">Size</th>
                    <th className="c-owner">SHA-256 of what is stored</th>
                    <th>
                      <span className="visually-hidden">Download</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((each) => (
                    <tr key={each.id}>
                      <td>{each.kind}</td>
                      <td>{stageName(each.stage)}</td>
                      <td>
                        <At at={each.createdAt} />
                      </td>
                      <td className="num">{bytes(each.sizeBytes)}</td>
                      <td className="c-owner mono">{each.sha256.slice(0, 16)}…</td>
                      <td>
                        <a
                          className="button quiet square"
                          href={`/api/v1/clusters/${id}/artifacts/${each.id}/content`}
                          download
                          aria-label={`Download ${each.kind} of ${each.stage}`}
                        >
                          <Icon name="download" />
                        </a>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            <Pager shown={items.length} next={nextCursor} cursor={cursor} go={(next) => change({ cursor: next })} />
          </>
        )
      }
    </Shown>
  )
}
