// The actions of the page that is open, for the palette. A page names its own while it is there.
import { useEffect, useSyncExternalStore } from 'react'

export type Command = { label: string; hint?: string; run: () => void }

let groups: readonly (readonly Command[])[] = []
const watchers = new Set<() => void>()
const set = (next: typeof groups) => {
  groups = next
  for (const heard of watchers) heard()
}

/** The list must be the same one as long as it means the same. */
export function useCommands(commands: readonly Command[]): void {
  useEffect(() => {
    set([...groups, commands])
    return () => set(groups.filter((group) => group !== commands))
  }, [commands])
}

export const usePageCommands = (): readonly (readonly Command[])[] =>
  useSyncExternalStore(
    (heard) => {
      watchers.add(heard)
      return () => watchers.delete(heard)
    },
    () => groups,
  )
