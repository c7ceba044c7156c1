// What every page has: a title that the tab and the ear get too, and the states before there is something to show.
import { useEffect, type ReactNode } from 'react'
import { Link } from 'wouter'
import { messageOf, Problem } from '../api'
import { Icon } from './icon'
import { announce } from './said'

export function Page({
  title,
  actions,
  lead,
  children,
}: {
  title: string
  actions?: ReactNode
  lead?: ReactNode
  children: ReactNode
}) {
  useTitle(title)
  return (
    <>
      <header className="page-head">
        <div>
          <h1>{title}</h1>
          {lead ? <p className="lead">{lead}</p> : null}
        </div>
        {actions ? <div className="row">{actions}</div> : null}
      </header>
      {children}
    </>
  )
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ocpctl`
    announce(title)
  }, [title])
}

export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const isGone = error instanceof Problem && error.status === 404
  return (
    <div className="empty" role="alert">
      <h2>{isGone ? 'There is nothing here that you may see' : 'This cannot be shown just now'}</h2>
      <p>{messageOf(error)}</p>
      {isGone ? (
        <Link href="/clusters" className="button">
          To the clusters
        </Link>
      ) : retry ? (
        <button type="button" onClick={retry}>
          Try again
        </button>
      ) : null}
    </div>
  )
}

export const Loading = () => (
  <div className="loading" role="status">
    <span className="visually-hidden">Loading</span>
    <i />
    <i />
    <i />
  </div>
)

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name="clusters" />
      <h2>{title}</h2>
      {children}
    </div>
  )
}

/** Shows what a query has, or why it has nothing. */
export function Shown<T>({
  query,
  children,
}: {
  query: { data: T | undefined; error: unknown; refetch: () => unknown }
  children: (data: T) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <Failed error={query.error} retry={() => void query.refetch()} />
  return <Loading />
}
