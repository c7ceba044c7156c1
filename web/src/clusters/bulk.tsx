// Several clusters at once: each is asked for by itself, and the result says of each what came of it.
import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import type { Cluster } from '../api'
import { usd } from '../money'

const BulkDialog = lazy(() => import('./bulk-dialog'))

export type BulkVerb = 'extend' | 'destroy'

export function BulkBar({ clusters, clear }: { clusters: Cluster[]; clear: () => void }) {
  const queries = useQueryClient()
  const [asked, setAsked] = useState<{ verb: BulkVerb; clusters: Cluster[] }>()
  const close = () => {
    setAsked(undefined)
    clear()
    void queries.invalidateQueries({ queryKey: ['clusters'] })
  }
  if (clusters.length === 0 && !asked) return null
  const perHour = clusters.reduce((sum, { usdPerHour }) => sum + usdPerHour, 0)
  return (
    <>
      <div className="bulk" role="region" aria-label="Selected clusters">
        <b>{clusters.length} selected</b>
        <span className="muted">{usd(perHour)}/h</span>
        <button type="button" onClick={() => setAsked({ verb: 'extend', clusters })}>
          Extend…
        </button>
        <button type="button" className="danger" onClick={() => setAsked({ verb: 'destroy', clusters })}>
          Destroy…
        </button>
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
