// The shortcuts, in one table: what works and what the sheet shows are the same.
import { useEffect, useRef, useState } from 'react'

export const isMac = /Mac|iP(hone|ad)/.test(navigator.userAgent)
export const MOD = isMac ? '⌘' : 'Ctrl'

export const GO: Record<string, { to: string; label: string }> = {
  c: { to: '/clusters', label: 'Clusters' },
  r: { to: '/request', label: 'Request a cluster' },
  j: { to: '/jobs', label: 'Jobs' },
  f: { to: '/findings', label: 'Findings' },
  u: { to: '/usage', label: 'Usage' },
  p: { to: '/profiles', label: 'Profiles' },
  a: { to: '/audit', label: 'Audit' },
  t: { to: '/tokens', label: 'My tokens' },
}

export const SHEET: readonly { keys: string; does: string }[] = [
  { keys: `${MOD} K`, does: 'Find a command, a page or a cluster' },
  { keys: '/', does: 'Search in this list' },
  { keys: '?', does: 'This sheet' },
  ...Object.entries(GO).map(([key, { label }]) => ({ keys: `g ${key}`, does: `Go to: ${label}` })),
  { keys: 'j  k', does: 'Next row, row before' },
  { keys: 'Enter', does: 'Open the row' },
  { keys: 'x', does: 'Select the row' },
  { keys: 'e', does: 'Extend the cluster of the row' },
  { keys: 'd', does: 'Destroy the cluster of the row; it asks first' },
]

/** Off while somebody types, and while a dialog is open. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as Element // of a key, an element of the page
  return (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    target.closest('input:not([type=checkbox]), textarea, select, [contenteditable], [popover]') !== null ||
    document.querySelector('dialog[open]') !== null
  )
}

/** Moves through the rows of a page. The handlers get the index of the row. */
export function useRowKeys(rows: number, handlers: Record<string, (index: number) => void>): number {
  const [focused, setFocused] = useState(-1)
  const now = useRef({ rows, handlers, focused })
  useEffect(() => {
    now.current = { rows, handlers, focused }
  })
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTyping(event)) return
      const { rows, handlers, focused } = now.current
      const to = { j: Math.min(rows - 1, focused + 1), k: Math.max(0, focused - 1) }[event.key]
      if (to !== undefined) {
        setFocused(to)
        document.querySelectorAll('[data-row]')[to]?.scrollIntoView({ block: 'nearest' })
        return
      }
      // A focused link or button has its own Enter.
      if (event.key === 'Enter' && (event.target as Element).closest('a, button')) return
      if (focused >= 0 && focused < rows) handlers[event.key]?.(focused)
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])
  return Math.min(focused, rows - 1)
}
