import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState, type FormEvent } from 'react'
import { Link, useLocation } from 'wouter'
import type { Cluster } from '../api'
import { useFilters } from '../parts/address'
import { useHeld } from '../parts/held'
import { Icon } from '../parts/icon'
import { Empty, Page, Shown } from '../parts/page'
import { useCommands } from '../parts/commands'
import { useRowKeys } from '../parts/keys'
import { Pager } from '../parts/pager'
import { hasRole, isWriting, nameOf, shortName, useCaller } from '../session'
import { useProfiles } from '../profiles'
import { BulkBar } from './bulk'
import { FILTERS, useClusters, useSpent, VIEWS, type ClusterQuery, type View } from './data'
import { ClusterRow, type RowDialog } from './row'

const Dialogs = lazy(() => import('./dialogs'))

function readQuery(params: URLSearchParams): ClusterQuery {
  const view = params.get('view') ?? 'living'
  const query: ClusterQuery = { view: Object.hasOwn(VIEWS, view) ? (view as View) : 'living' }
  for (const name of [...FILTERS, 'cursor'] as const) {
    const value = params.get(name)
    if (value) query[name] = value
  }
  return query
}

export default function Clusters() {
  const [params, change] = useFilters()
  const query = readQuery(params)
  const [, go] = useLocation()
  const caller = useCaller().data
  const found = useClusters(query)
  const held = useHeld(found.data?.items, params.toString(), found.isPlaceholderData)
  const spent = useSpent(found.data?.items ?? [])
  const [dialog, setDialog] = useState<RowDialog>()
  const selection = useSelection(held.rows ?? [])
  const mayAsk = isWriting(caller) && hasRole(caller, 'requester', 'team_admin', 'platform_admin')
  const rows = held.rows ?? []
  const at = (index: number) => rows[index]
  const focused = useRowKeys(rows.length, {
    Enter: (index) => go(`/clusters/${at(index)?.id}`),
    x: (index) => selection.toggle(index, false),
    e: (index) => open('extend', at(index)),
    d: (index) => open('destroy', at(index)),
  })
  const open = (name: RowDialog['name'], cluster: Cluster | undefined) => {
    if (cluster?.actions.includes(name)) setDialog({ name, cluster })
  }
  useCommands(
    useMemo(
      () => [
        ...(mayAsk ? [{ label: 'Request a cluster', run: () => go('/request') }] : []),
        ...Object.entries(VIEWS).map(([view, { label }]) => ({
          label: `Show clusters: ${label}`,
          run: () => change({ view: view === 'living' ? undefined : view }),
        })),
        { label: 'Show my clusters', run: () => change({ owner: caller && nameOf(caller) }) },
      ],
      [mayAsk, caller, go, change],
    ),
  )

  return (
    <Page
      title="Clusters"
      actions={
        mayAsk ? (
          <Link href="/request" className="button primary">
            <Icon name="plus" /> Request a cluster
          </Link>
        ) : null
      }
    >
      <Filters query={query} change={change} mine={caller && nameOf(caller)} />
      {held.added + held.gone.size > 0 ? (
        <button type="button" className="news" onClick={held.show}>
          {[held.added > 0 ? `${held.added} new` : '', held.gone.size > 0 ? `${held.gone.size} no longer here` : '']
            .filter(Boolean)
            .join(', ')}
          : show
        </button>
      ) : null}
      <Shown query={found}>
        {(page) =>
          rows.length === 0 ? (
            <Nothing isFiltered={params.size > 0} mayAsk={mayAsk} />
          ) : (
            <>
              <div className="table-box">
                <table className="table clusters">
                  <caption className="visually-hidden">Clusters, newest first</caption>
                  <thead>
                    <tr>
                      <th className="c-select">
                        <input
                          type="checkbox"
                          aria-label="Select all on this page"
                          checked={selection.ids.size === rows.length}
                          onChange={selection.toggleAll}
                        />
                      </th>
                      <th>Cluster</th>
                      <th>State</th>
                      <th className="c-region">Region</th>
                      <th className="c-version">Version</th>
                      <th className="c-profile">Profile</th>
                      <th className="c-owner">Owner</th>
                      <th>Ends</th>
                      <th className="c-cost num">Cost</th>
                      <th>
                        <span className="visually-hidden">Actions</span>
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {rows.map((cluster, index) => (
                      <ClusterRow
                        key={cluster.id}
                        cluster={cluster}
                        spent={spent.data?.get(cluster.id)}
                        isSelected={selection.ids.has(cluster.id)}
                        isFocused={focused === index}
                        isGone={held.gone.has(cluster.id)}
                        onSelect={(isRange) => selection.toggle(index, isRange)}
                      />
                    ))}
                  </tbody>
                </table>
              </div>
              <Pager
                shown={rows.length}
                next={page.nextCursor}
                cursor={query.cursor}
                go={(cursor) => change({ cursor })}
              />
            </>
          )
        }
      </Shown>
      <BulkBar
        clusters={rows.filter(({ id }) => selection.ids.has(id))}
        more={query.cursor === undefined && (found.data?.nextCursor ?? null) === null ? undefined : query}
        isWholePage={selection.ids.size === rows.length}
        clear={selection.clear}
      />
      {dialog ? (
        <Suspense>
          <Dialogs {...dialog} onClose={() => setDialog(undefined)} />
        </Suspense>
      ) : null}
    </Page>
  )
}

function Nothing({ isFiltered, mayAsk }: { isFiltered: boolean; mayAsk: boolean }) {
  if (isFiltered)
    return (
      <Empty title="No cluster is like this">
        <p>Take a filter away, or look at all of them.</p>
        <Link href="/clusters" className="button">
          Clear the filters
        </Link>
      </Empty>
    )
  return (
    <Empty title="No clusters yet">
      <p>A cluster is ready in about forty minutes, and is gone by itself when its time is over.</p>
      {mayAsk ? (
        <Link href="/request" className="button primary">
          Request a cluster
        </Link>
      ) : null}
    </Empty>
  )
}

const LABELS: Record<string, string> = { q: 'Name', cursor: 'Page' }

function Filters({
  query,
  change,
  mine,
}: {
  query: ClusterQuery
  change: (changes: Record<string, string | undefined>) => void
  mine: string | undefined
}) {
  const input = useRef<HTMLInputElement>(null)
  const profiles = useProfiles().data
  const [text, setText] = useState(query.q ?? '')
  useEffect(() => {
    if (text === (query.q ?? '')) return
    const timer = setTimeout(() => change({ q: text }), 250)
    return () => clearTimeout(timer)
    // What was typed goes to the address, and never back into the field while somebody types.
  }, [text, query.q, change])
  const search = (event: FormEvent) => {
    event.preventDefault()
    change({ q: text })
  }
  const applied = FILTERS.filter((name) => name !== 'q' && query[name] !== undefined)
  return (
    <div className="filters">
      <div className="tabs views" role="group" aria-label="States">
        {Object.entries(VIEWS).map(([view, { label }]) => (
          <button
            key={view}
            type="button"
            aria-pressed={query.view === view}
            onClick={() => change({ view: view === 'living' ? undefined : view })}
          >
            {label}
          </button>
        ))}
      </div>
      <form className="search" role="search" onSubmit={search}>
        <Icon name="search" />
        <input
          ref={input}
          type="search"
          data-search
          aria-label="Name of a cluster"
          placeholder="Name"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <kbd aria-hidden="true">/</kbd>
      </form>
      <select
        aria-label="Platform"
        value={query.platform ?? ''}
        onChange={(event) => change({ platform: event.target.value })}
      >
        <option value="">Any platform</option>
        {['aws', 'azure', 'gcp', 'ibmcloud'].map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select
        aria-label="Profile"
        value={query.profile ?? ''}
        onChange={(event) => change({ profile: event.target.value })}
      >
        <option value="">Any profile</option>
        {(profiles?.items ?? []).map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <button
        type="button"
        className="chip"
        aria-pressed={query.owner === mine}
        onClick={() => change({ owner: query.owner === mine ? undefined : mine })}
      >
        Mine
      </button>
      {applied
        .filter((name) => !['platform', 'profile'].includes(name) && !(name === 'owner' && query.owner === mine))
        .map((name) => (
          <button key={name} type="button" className="chip" aria-pressed onClick={() => change({ [name]: undefined })}>
            {LABELS[name] ?? name}: {name === 'owner' ? shortName(query.owner ?? '') : query[name]}
            <Icon name="close" />
          </button>
        ))}
    </div>
  )
}

/** Of what is shown: with shift a range, as in a file manager. */
function useSelection(rows: readonly Cluster[]) {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set())
  const last = useRef<number>(undefined)
  const toggle = useCallback(
    (index: number, isRange: boolean) => {
      const row = rows[index]
      if (!row) return
      const from = isRange ? (last.current ?? index) : index
      setIds((before) => {
        const next = new Set(before)
        const wanted = !before.has(row.id)
        for (const { id } of rows.slice(Math.min(from, index), Math.max(from, index) + 1))
          if (wanted) next.add(id)
          else next.delete(id)
        return next
      })
      last.current = index
    },
    [rows],
  )
  const shown = new Set(rows.filter(({ id }) => ids.has(id)).map(({ id }) => id))
  return {
    ids: shown,
    toggle,
    toggleAll: () => setIds(shown.size === rows.length ? new Set() : new Set(rows.map(({ id }) => id))),
    clear: () => setIds(new Set()),
  }
}
