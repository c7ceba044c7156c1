// A list of the API as a table: pages by the cursor in the address, and what is said when there is nothing.
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useRefresh } from '../live'
import { useFilters } from './address'
import { useHeld } from './held'
import { Empty, Shown } from './page'
import { Pager } from './pager'

export type Column<T> = {
  head: string
  cell: (row: T) => ReactNode
  /** Wide tables lose their columns in this order: wide first, then medium. */
  shows?: 'wide' | 'medium'
  isNumber?: boolean
  /** Only for those who hear it. */
  isHeadHidden?: boolean
}
type Row = { id: string }
type Props<T extends Row> = {
  caption: string
  /** Names the question, with all that it depends on. */
  queryKey: readonly unknown[]
  fetch: (page: { limit: number; cursor?: string }) => Promise<{ items: T[]; nextCursor: string | null }>
  columns: Column<T>[]
  empty: string
  isMoving?: (row: T) => boolean
}

const PAGE = 50

export function List<T extends Row>({ caption, queryKey, fetch, columns, empty, isMoving }: Props<T>) {
  const [params, change] = useFilters()
  const refresh = useRefresh()
  const cursor = params.get('cursor') ?? undefined
  const query = useQuery({
    queryKey: [...queryKey, cursor],
    queryFn: () => fetch({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) }),
    refetchInterval: ({ state }) => refresh(state.data?.items.some((row) => isMoving?.(row)) ?? false),
    placeholderData: (before) => before,
  })
  const held = useHeld(query.data?.items, JSON.stringify([queryKey, cursor]), query.isPlaceholderData)
  return (
    <Shown query={query}>
      {({ nextCursor }) => {
        const rows = held.rows ?? []
        if (rows.length === 0) return <Empty title={empty} />
        return (
          <>
            {held.added > 0 ? (
              <button type="button" className="news" onClick={held.show}>
                {held.added} new: show
              </button>
            ) : null}
            <Table caption={caption} rows={rows} columns={columns} gone={held.gone} />
            <Pager shown={rows.length} next={nextCursor} cursor={cursor} go={(next) => change({ cursor: next })} />
          </>
        )
      }}
    </Shown>
  )
}

export function Table<T extends Row>({
  caption,
  rows,
  columns,
  gone,
}: {
  caption: string
  rows: readonly T[]
  columns: Column<T>[]
  gone?: ReadonlySet<string>
}) {
  const classOf = ({ shows, isNumber }: Column<T>) =>
    [shows ? `show-${shows}` : '', isNumber ? 'num' : ''].filter(Boolean).join(' ') || undefined
  return (
    <div className="table-box">
      <table className="table">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.head} className={classOf(column)}>
                {column.isHeadHidden ? <span className="visually-hidden">{column.head}</span> : column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id} data-row data-gone={gone?.has(row.id)}>
              {columns.map((column) => (
                <td key={column.head} className={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
