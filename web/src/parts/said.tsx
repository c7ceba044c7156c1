// Short words to the reader: in a corner for the eye, and in a live region for the ear.
import { useSyncExternalStore } from 'react'
import { Icon } from './icon'

type Said = { id: number; text: string; isBad: boolean }
const SHOWN_MS = 6000
let said: Said[] = []
let nextId = 1
let announced = ''
const watchers = new Set<() => void>()
const tell = () => {
  for (const heard of watchers) heard()
}
const watch = (heard: () => void) => {
  watchers.add(heard)
  return () => watchers.delete(heard)
}

export function say(text: string, { isBad = false } = {}): void {
  const id = nextId++
  said = [...said, { id, text, isBad }].slice(-3)
  tell()
  setTimeout(() => dismiss(id), isBad ? SHOWN_MS * 2 : SHOWN_MS)
}

/** For those who hear the page. */
export function announce(text: string): void {
  announced = text
  tell()
}

function dismiss(id: number): void {
  said = said.filter((each) => each.id !== id)
  tell()
}

export function SaidRegion() {
  const shown = useSyncExternalStore(watch, () => said)
  const heard = useSyncExternalStore(watch, () => announced)
  return (
    <>
      <div className="visually-hidden" role="status" aria-live="polite">
        {heard}
      </div>
      <div className="said" role="region" aria-label="Messages" aria-live="polite">
        {shown.map(({ id, text, isBad }) => (
          <p key={id} data-tone={isBad ? 'bad' : undefined}>
            <span>{text}</span>
            <button type="button" className="quiet square" aria-label="Dismiss" onClick={() => dismiss(id)}>
              <Icon name="close" />
            </button>
          </p>
        ))}
      </div>
    </>
  )
}

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    say(`${what} copied`)
  } catch {
    say(`The browser does not let this page copy: select the text instead`, { isBad: true })
  }
}
