// Several clusters at once: those that are ticked, or all that the filters find. The server does it, as one operation.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { messageOf, type Cluster } from '../api'
import { count, usd } from '../money'
import { previewOf, type Target, type Verb } from '../operations'
import { filterOf, type ClusterQuery } from './data'

const BulkDialog = lazy(() => import('./bulk-dialog'))

const VERBS: [Verb, string][] = [
  ['extend', 'Extend…'],
  ['retry', 'Try again…'],
  ['cancel', 'Cancel jobs…'],
  ['destroy', 'Destroy…'],
]

type Props = {
  clusters: Cluster[]
  /** What the page is one page of; undefined: this page is all there is. */
  more: ClusterQuery | undefined
  isWholePage: boolean
  clear: () => void
}

export function BulkBar({ clusters, more, isWholePage, clear }: Props) {
  const queries = useQueryClient()
  const [asked, setAsked] = useState<{ verb: Verb; target: Target }>()
  const [meant, setMeant] = useState('')
  const filter = isWholePage && more ? filterOf(more) : undefined
  const isAll = filter !== undefined && meant === JSON.stringify(filter)
  const matching = useQuery({
    queryKey: ['matching', filter],
    queryFn: () => previewOf({ verb: 'destroy', ...(filter ? { filter } : {}) }),
    enabled: filter !== undefined,
  })
  const close = () => {
    setAsked(undefined)
    void queries.invalidateQueries({ queryKey: ['clusters'] })
  }
  if (clusters.length === 0 && !asked) return null
  const perHour = clusters.reduce((sum, { usdPerHour }) => sum + usdPerHour, 0)
  const target: Target = isAll ? { filter } : { ids: clusters.map(({ id }) => id) }
  return (
    <>
      <div className="bulk" role="region" aria-label="Selected clusters">
        <b>{isAll ? `All ${count(matching.data?.matched ?? 0)} that match` : `${clusters.length} selected`}</b>
        {isAll ? null : <span className="muted">{usd(perHour)}/h</span>}
        {filter && !isAll && matching.data ? (
          <button type="button" onClick={() => setMeant(JSON.stringify(filter))}>
            Select all {count(matching.data.matched)} that match
          </button>
        ) : null}
        {filter && matching.error ? <span className="muted">{messageOf(matching.error)}</span> : null}
        {VERBS.map(([verb, label]) => (
          <button
            key={verb}
            type="button"
            className={verb === 'destroy' ? 'danger' : undefined}
            onClick={() => setAsked({ verb, target })}
          >
            {label}
          </button>
        ))}
        <button type="button" className="quiet" onClick={clear}>
          Clear
        </button>
      </div>
      {asked ? (
        <Suspense>
          <BulkDialog {...asked} onClose={close} />
        </Suspense>
      ) : null}
    </>
  )
}
