// The stages beside the log: how long each took here, and how long it usually takes.
import { stageName } from '../clusters/data'
import { span, useNow } from '../time'
import { durationsOf } from './stages'
import type { LogStore } from './store'

type Props = { store: LogStore; usual: Map<string, number> | undefined; isOver: boolean; goTo: (seq: number) => void }

export function StageRail({ store, usual, isOver, goTo }: Props) {
  const now = useNow()
  const { marks } = store
  const end = isOver ? Date.parse(store.lines.at(-1)?.at ?? '') : now
  const took = durationsOf(marks, end)
  const longest = Math.max(1, ...took.values(), ...(usual?.values() ?? []))
  if (marks.length === 0) return null
  return (
    <aside className="rail card" aria-label="Stages">
      <h2>Stages</h2>
      <ol className="plain">
        {marks.map(({ stage, seq }, index) => {
          const ms = took.get(stage)
          const usually = usual?.get(stage)
          const isNow = !isOver && index === marks.length - 1
          return (
            <li key={seq} data-now={isNow}>
              <button type="button" className="quiet" onClick={() => goTo(seq)}>
                <span>{stageName(stage)}</span>
                <span className="muted num">{ms === undefined ? '' : span(ms)}</span>
              </button>
              {ms === undefined ? null : (
                <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                  {usually === undefined ? null : (
                    <rect className="usual" width={(100 * usually) / longest} height="6" />
                  )}
                  <rect className="took" width={(100 * ms) / longest} height="3" y="1.5" />
                </svg>
              )}
              {usually === undefined ? null : <small>usually {span(usually)}</small>}
            </li>
          )
        })}
      </ol>
    </aside>
  )
}
