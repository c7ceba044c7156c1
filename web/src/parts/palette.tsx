// One field for everything: the actions of the open page, the pages, and clusters by name or id.
import { useQuery } from '@tanstack/react-query'
import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react'
import { useLocation } from 'wouter'
import { api, take } from '../api'
import { usePageCommands, type Command } from './commands'
import { wordOf } from './pill'
import { usePlaces } from './shell'

const ASK_AFTER_MS = 150

export default function Palette({ onClose }: { onClose: () => void }) {
  const [, go] = useLocation()
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const [asked, setAsked] = useState('')
  const list = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  const places = usePlaces()
  const groups = usePageCommands()
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), ASK_AFTER_MS)
    return () => clearTimeout(timer)
  }, [text])
  const found = useQuery({
    queryKey: ['clusters', 'find', asked],
    queryFn: () => take(api.GET('/api/v1/clusters', { params: { query: { q: asked, limit: 8 } } })),
    enabled: asked.length > 1 && !asked.startsWith('clu_'),
  })
  const commands: Command[] = [
    ...groups.flat(),
    ...places.map(({ to, label }) => ({ label, hint: 'Go to', run: () => go(to) })),
    { label: 'Get the command line', hint: 'Go to', run: () => go('/command-line') },
  ].filter(({ label }) =>
    text
      .toLowerCase()
      .split(/\s+/)
      .every((word) => label.toLowerCase().includes(word)),
  )
  const id = text.trim()
  const clusters: Command[] = /^clu_\w{26}$/.test(id)
    ? [{ label: id, hint: 'Open the cluster', run: () => go(`/clusters/${id}`) }]
    : (found.data?.items ?? []).map((cluster) => ({
        label: `${cluster.name}.${cluster.baseDomain}`,
        hint: wordOf(cluster.status),
        run: () => go(`/clusters/${cluster.id}`),
      }))
  const all = [...commands, ...clusters].slice(0, 40)
  const chosen = Math.min(at, all.length - 1)

  function press(event: KeyboardEvent) {
    const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1 }[event.key]
    if (to !== undefined) {
      event.preventDefault()
      setAt((to + all.length) % Math.max(1, all.length))
      document
        .getElementById(`${list}-${(to + all.length) % Math.max(1, all.length)}`)
        ?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'Enter') {
      event.preventDefault()
      run(all[chosen])
    }
  }

  function run(command: Command | undefined) {
    if (!command) return
    onClose()
    command.run()
  }

  return (
    <dialog
      ref={dialog}
      className="dialog palette"
      aria-label="Find a command, a page or a cluster"
      closedby="any"
      onClose={onClose}
    >
      <input
        role="combobox"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={`${list}-${chosen}`}
        aria-label="Command, page, or name of a cluster"
        placeholder="Command, page, or name of a cluster"
        autoFocus
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setAt(0)
        }}
        onKeyDown={press}
      />
      <div role="listbox" id={list} aria-label="Found">
        {all.map((command, index) => (
          <div
            key={`${command.hint ?? ''} ${command.label}`}
            id={`${list}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onMouseMove={() => setAt(index)}
            onPointerUp={() => run(command)}
          >
            {command.label}
            {command.hint === undefined ? null : <small>{command.hint}</small>}
          </div>
        ))}
        {all.length === 0 ? <p className="muted">Nothing is called so</p> : null}
      </div>
    </dialog>
  )
}
