type Props = {
  shown: number
  next: string | null
  cursor: string | undefined
  go: (cursor: string | undefined) => void
}

/** Lists are read forward; the browser's own "back" leads back. */
export function Pager({ shown, next, cursor, go }: Props) {
  return (
    <nav className="pager" aria-label="Pages">
      <span>
        {shown} shown{next === null ? '' : ', and there are older ones'}
      </span>
      <span className="row">
        {cursor === undefined ? null : (
          <button type="button" onClick={() => go(undefined)}>
            Newest
          </button>
        )}
        {next === null ? null : (
          <button type="button" onClick={() => go(next)}>
            Older
          </button>
        )}
      </span>
    </nav>
  )
}
