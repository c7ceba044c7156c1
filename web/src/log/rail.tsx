// The stages beside the log: how long each took here, and how long it usually takes.
import type { Outlook } from '../api'
import { stageName } from '../clusters/data'
import { span, useNow } from '../time'
import { durationsOf } from './stages'
import type { LogStore } from './store'

const MINUTE_MS = 60_000

type Props = { store: LogStore; usual: Outlook['stages']; isOver: boolean; goTo: (seq: number) => void }

export function StageRail({ store, usual, isOver, goTo }: Props) {
  const now = useNow()
  const { marks } = store
  const end = isOver ? Date.parse(store.lines.at(-1)?.at ?? '') : now
  const took = durationsOf(marks, end)
  const usually = new Map(
    usual.flatMap(({ stage, p50Minutes: p50, p90Minutes: p90 }): [string, { p50: number; p90: number }][] =>
      p50 === null || p90 === null ? [] : [[stage, { p50: p50 * MINUTE_MS, p90: p90 * MINUTE_MS }]],
    ),
  )
  const longest = Math.max(1, ...took.values(), ...[...usually.values()].map(({ p50 }) => p50))
  if (marks.length === 0) return null
  return (
    <aside className="rail card" aria-label="Stages">
      <h2>Stages</h2>
      <ol className="plain">
        {marks.map(({ stage, seq }, index) => {
          const ms = took.get(stage)
          const its = usually.get(stage)
          const isNow = !isOver && index === marks.length - 1
          return (
            <li key={seq} data-now={isNow}>
              <button type="button" className="quiet" onClick={() => goTo(seq)}>
                <span>{stageName(stage)}</span>
                <span className="muted num">{ms === undefined ? '' : span(ms)}</span>
              </button>
              {ms === undefined ? null : (
                <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                  {its ? <rect className="usual" width={(100 * its.p50) / longest} height="6" /> : null}
                  <rect className="took" width={(100 * ms) / longest} height="3" y="1.5" />
                </svg>
              )}
              {its && ms !== undefined ? (
                <small data-late={ms > its.p90}>
                  usually {span(its.p50)}, {isNow ? 'now' : 'here'} {span(ms)}
                </small>
              ) : null}
            </li>
          )
        })}
      </ol>
    </aside>
  )
}
