// Filters live in the address, so that a link gives a colleague the same view.
import { useCallback } from 'react'
import { useSearchParams } from 'wouter'

/** Changing anything but the cursor begins at the first page again. */
export function useFilters(): [URLSearchParams, (changes: Record<string, string | undefined>) => void] {
  const [params, setParams] = useSearchParams()
  const change = useCallback(
    (changes: Record<string, string | undefined>) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before)
          if (!('cursor' in changes)) next.delete('cursor')
          for (const [name, value] of Object.entries(changes))
            if (value === undefined || value === '') next.delete(name)
            else next.set(name, value)
          return next
        },
        { replace: !('cursor' in changes) },
      ),
    [setParams],
  )
  return [params, change]
}
