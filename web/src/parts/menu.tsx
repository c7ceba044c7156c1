// A button with a list of actions. What may not be done stays in it, with the reason. The list is a popover, so it lies
// above everything and closes by itself.
import { useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react'

export type MenuItem = {
  label: string
  onSelect?: () => void
  /** Where it leads, instead of onSelect. */
  href?: string
  download?: string
  /** Why it may not be done now. */
  reason?: string | undefined
  danger?: boolean
}

type Props = {
  label: string
  title?: string
  className?: string
  children: ReactNode
  items: MenuItem[]
  onOpen?: () => void
}

const GAP = 4

export function Menu({ label, title = label, className = 'quiet square', children, items, onOpen }: Props) {
  const id = useId()
  const button = useRef<HTMLButtonElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const [isOpen, setOpen] = useState(false)

  function place() {
    const [anchor, menu] = [button.current?.getBoundingClientRect(), list.current]
    if (!anchor || !menu) return
    const { offsetWidth: width, offsetHeight: height } = menu
    const below = anchor.bottom + GAP
    menu.style.left = `${Math.max(8, Math.min(anchor.right - width, innerWidth - width - 8))}px`
    menu.style.top = `${below + height > innerHeight - 8 ? Math.max(8, anchor.top - height - GAP) : below}px`
  }

  function move(event: KeyboardEvent) {
    const all = [...(list.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLElement)
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key]
    if (to === undefined) return
    event.preventDefault()
    all.at(to % all.length)?.focus()
  }

  const choose = (item: MenuItem) => {
    if (item.reason !== undefined) return
    list.current?.hidePopover()
    item.onSelect?.()
  }

  return (
    <>
      <button
        ref={button}
        type="button"
        className={className}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        popoverTarget={id}
        title={title}
      >
        {children}
      </button>
      <div
        ref={list}
        id={id}
        popover="auto"
        role="menu"
        tabIndex={-1}
        aria-label={label}
        className="menu"
        onKeyDown={move}
        onBeforeToggle={(event) => {
          setOpen(event.newState === 'open')
          if (event.newState === 'open') onOpen?.()
        }}
        onToggle={(event) => {
          if (event.newState !== 'open') return
          place()
          list.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus()
        }}
      >
        {(isOpen ? items : []).map((item) =>
          item.href !== undefined && item.reason === undefined ? (
            <a
              key={item.label}
              role="menuitem"
              href={item.href}
              {...(item.download === undefined ? {} : { download: item.download })}
              onClick={() => list.current?.hidePopover()}
            >
              {item.label}
            </a>
          ) : (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              className={item.danger ? 'danger-text' : undefined}
              aria-disabled={item.reason !== undefined}
              onClick={() => choose(item)}
            >
              {item.label}
              {item.reason === undefined ? null : <small>{item.reason}</small>}
            </button>
          ),
        )}
      </div>
    </>
  )
}
