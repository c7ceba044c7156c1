import { useVirtualizer } from '@tanstack/react-virtual'
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { Icon } from '../parts/icon'
import { saveAs } from '../parts/save'
import { useCommands } from '../parts/commands'
import { atClock, atUtc } from '../time'
import { LogStore, type Line } from './store'

/** A million of these are less than the tallest element of any browser. */
const ROW_PX = 17
const NEAR_END_PX = 3 * ROW_PX
const LEVELS = ['debug', 'info', 'warning', 'error', 'fatal']

export function useLogStore(jobId: string): LogStore {
  const store = useMemo(() => new LogStore(jobId), [jobId])
  useSyncExternalStore(store.watch, () => store.version)
  useEffect(() => {
    const follow = () => {
      // A hidden tab reads nothing, and goes on where it was.
      if (document.visibilityState === 'visible') store.open()
      else store.close()
    }
    follow()
    document.addEventListener('visibilitychange', follow)
    return () => {
      document.removeEventListener('visibilitychange', follow)
      store.close()
    }
  }, [store])
  return store
}

const wantedLine = () => Number(/^#L(\d+)$/.exec(location.hash)?.[1] ?? 0)

/** `scroll`: is given the way to go to a line. */
export function LogView({
  store,
  name,
  scroll,
}: {
  store: LogStore
  name: string
  scroll: { current: (seq: number) => void }
}) {
  const box = useRef<HTMLDivElement>(null)
  const [isFollowing, setFollowing] = useState(() => wantedLine() === 0)
  const [marked, setMarked] = useState(wantedLine)
  const [level, setLevel] = useState('debug')
  const [text, setText] = useState('')
  const lastTop = useRef(0)
  const shown = store.shown
  const rows = useVirtualizer({
    count: shown,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 30,
  })

  useEffect(() => {
    const timer = setTimeout(() => {
      const isAll = level === 'debug' && text === ''
      const levels = new Set(LEVELS.slice(LEVELS.indexOf(level)))
      store.filter(isAll ? undefined : { levels, text: text.toLowerCase() })
    }, 120)
    return () => clearTimeout(timer)
  }, [store, level, text])

  const bottom = useCallback(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight
  }, [])
  useEffect(() => {
    if (isFollowing) bottom()
  }, [isFollowing, shown, bottom])

  const goTo = useCallback(
    (seq: number) => {
      setFollowing(false)
      setMarked(seq)
      history.replaceState(history.state, '', `#L${seq}`)
      rows.scrollToIndex(store.placeOf(seq), { align: 'center' })
    },
    [rows, store],
  )
  useEffect(() => {
    scroll.current = goTo
  }, [scroll, goTo])
  useEffect(() => {
    const follow = () => wantedLine() > 0 && goTo(wantedLine())
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [goTo])
  // A link to a line waits until the line is there.
  const isWaiting = useRef(marked > 0)
  useEffect(() => {
    if (!isWaiting.current || (store.lines.at(-1)?.seq ?? 0) < marked) return
    isWaiting.current = false
    goTo(marked)
  })

  const save = useCallback(() => saveAs(`${name}.log`, store.lines.map(asText).join(''), 'text/plain'), [name, store])
  useCommands(useMemo(() => [{ label: 'Download the log', run: save }], [save]))

  return (
    <section className="log" aria-label="Log">
      <div className="row log-bar">
        <div className="search">
          <Icon name="search" />
          <input
            type="search"
            data-search
            aria-label="Search in the log"
            placeholder="Search"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <kbd aria-hidden="true">/</kbd>
        </div>
        <select aria-label="Least level" value={level} onChange={(event) => setLevel(event.target.value)}>
          {LEVELS.map((each) => (
            <option key={each} value={each}>
              {each === 'debug' ? 'All levels' : `${each} and worse`}
            </option>
          ))}
        </select>
        <button type="button" className="chip" aria-pressed={isFollowing} onClick={() => setFollowing(!isFollowing)}>
          Follow
        </button>
        <span className="muted" role="status">
          {saidOf(store, shown)}
        </span>
        <button type="button" className="quiet" onClick={save}>
          <Icon name="download" /> Download
        </button>
      </div>
      <div
        ref={box}
        className="lines"
        tabIndex={0}
        role="group"
        aria-label="Lines"
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX
          if (!isAtEnd && isFollowing && scrollTop < lastTop.current) setFollowing(false)
          lastTop.current = scrollTop
        }}
      >
        <div ref={(inner) => void (inner && (inner.style.height = `${rows.getTotalSize()}px`))}>
          {rows.getVirtualItems().map(({ index, start }) => {
            const line = store.lineAt(index)
            return line ? (
              <div
                key={index}
                className="line"
                data-level={line.level}
                data-marked={line.seq === marked}
                ref={(row) => void (row && (row.style.transform = `translateY(${start}px)`))}
              >
                <a
                  href={`#L${line.seq}`}
                  aria-label={`Line ${line.seq}`}
                  onClick={(event) => {
                    event.preventDefault()
                    goTo(line.seq)
                  }}
                >
                  {line.seq}
                </a>
                <time dateTime={line.at} title={atUtc(line.at)}>
                  {atClock(line.at)}
                </time>
                <b>{line.level}</b>
                <span>{line.message}</span>
              </div>
            ) : null
          })}
        </div>
      </div>
    </section>
  )
}

const counted = new Intl.NumberFormat('en-US')

function saidOf({ state, lines, matches, refusal }: LogStore, shown: number): string {
  const all = `${counted.format(lines.length)} lines`
  const count = matches ? `${counted.format(shown)} of ${all}` : all
  if (state === 'refused') return refusal
  return `${count}${{ reading: ', reading', live: ', live', ended: '', reconnecting: ', reconnecting' }[state]}`
}

const asText = ({ at, level, message }: Line) => `${at} ${level.padEnd(7)} ${message}\n`
