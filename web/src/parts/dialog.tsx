// A question that must be answered first. The browser's own dialog keeps the focus in it, and Escape closes it.
import { useEffect, useId, useRef, type ReactNode } from 'react'
import { messageOf } from '../api'
import { Icon } from './icon'

type Props = { title: string; onClose: () => void; children: ReactNode; wide?: boolean }

export function Dialog({ title, onClose, children, wide = false }: Props) {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const dialog = ref.current
    if (dialog && !dialog.open) dialog.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={ref}
      className={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" className="quiet square" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  )
}

type AskProps = {
  title: string
  onClose: () => void
  onSubmit: () => void
  submit: string
  isBusy: boolean
  isReady?: boolean
  danger?: boolean
  error?: unknown
  children: ReactNode
}

/** A dialog that does one thing. */
export function Ask({
  title,
  onClose,
  onSubmit,
  submit,
  isBusy,
  isReady = true,
  danger = false,
  error,
  children,
}: AskProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (isReady && !isBusy) onSubmit()
        }}
      >
        <div className="dialog-body">{children}</div>
        {error ? <Refusal error={error} /> : null}
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className={danger ? 'danger' : 'primary'} disabled={!isReady || isBusy}>
            {isBusy ? 'Working…' : submit}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

export function Refusal({ error }: { error: unknown }) {
  return (
    <p className="refusal" role="alert">
      {messageOf(error)}
    </p>
  )
}
