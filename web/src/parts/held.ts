// A list that does not move under its reader: rows change in place, and rows that come or go wait until they are wanted.
import { useState } from 'react'

type Row = { id: string }

/** `isOld`: the rows are those of the view before, until the new ones come. */
export function useHeld<T extends Row>(rows: readonly T[] | undefined, view: string, isOld: boolean) {
  const [held, setHeld] = useState<{ view: string; rows: readonly T[] }>()
  if (rows === undefined || isOld) return { rows, added: 0, gone: new Set<string>(), show: () => undefined }
  const isOther = held === undefined || held.view !== view || (held.rows.length === 0 && rows.length > 0)
  if (isOther) setHeld({ view, rows })
  const before = isOther ? rows : held.rows
  const now = new Map(rows.map((row) => [row.id, row]))
  const known = new Set(before.map(({ id }) => id))
  return {
    rows: before.map((row) => now.get(row.id) ?? row),
    added: rows.filter(({ id }) => !known.has(id)).length,
    gone: new Set(before.filter(({ id }) => !now.has(id)).map(({ id }) => id)),
    show: () => setHeld({ view, rows }),
  }
}
