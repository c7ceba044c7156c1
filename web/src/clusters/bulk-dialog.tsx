import { useState } from 'react'
import { api, keyed, messageOf, take, type Cluster } from '../api'
import { usd } from '../money'
import { Dialog } from '../parts/dialog'
import { Icon } from '../parts/icon'
import { saveAs } from '../parts/save'
import { wordOf } from '../parts/pill'
import type { BulkVerb } from './bulk'
import { inWords } from './words'

const ASK_IN_WORDS_ABOVE = 5
type Outcome = { id: string; name: string; outcome: 'done' | 'refused'; detail: string }

type Props = { verb: BulkVerb; clusters: Cluster[]; onClose: () => void }

export default function BulkDialog({ verb, clusters, onClose }: Props) {
  const able = clusters.filter(({ actions }) => actions.includes(verb))
  const unable = clusters.filter(({ actions }) => !actions.includes(verb))
  const [hours, setHours] = useState('24')
  const [typed, setTyped] = useState('')
  const [outcomes, setOutcomes] = useState<Outcome[]>()
  const words = inWords(able.length)
  const mustType = verb === 'destroy' && able.length > ASK_IN_WORDS_ABOVE
  const isReady = able.length > 0 && (!mustType || typed.trim().toLowerCase() === words)

  async function run() {
    const done: Outcome[] = []
    setOutcomes([])
    for (const { id, name } of able) {
      const params = { path: { id }, header: keyed() }
      const one = { id, name }
      try {
        if (verb === 'destroy') await take(api.POST('/api/v1/clusters/{id}/destroy', { params }))
        else await take(api.POST('/api/v1/clusters/{id}/extend', { params, body: { hours: Number(hours) } }))
        done.push({ ...one, outcome: 'done', detail: '' })
      } catch (error) {
        done.push({ ...one, outcome: 'refused', detail: messageOf(error) })
      }
      setOutcomes([...done])
    }
  }

  const title = verb === 'destroy' ? `Destroy ${able.length} clusters` : `Move the end of ${able.length} clusters`
  if (outcomes) {
    const isOver = outcomes.length === able.length
    const refused = outcomes.filter(({ outcome }) => outcome === 'refused')
    return (
      <Dialog title={title} onClose={onClose}>
        <div className="dialog-body">
          <progress className="progress" max={able.length} value={outcomes.length} aria-label="Progress" />
          <p role="status">
            {outcomes.length - refused.length} of {able.length} done
            {refused.length > 0 ? `, ${refused.length} refused` : ''}
          </p>
          <ul className="plain">
            {refused.map(({ id, name, detail }) => (
              <li key={id}>
                <b>{name}</b>: {detail}
              </li>
            ))}
          </ul>
        </div>
        <footer>
          <button
            type="button"
            disabled={!isOver}
            onClick={() => saveAs(`${verb}.json`, JSON.stringify(outcomes, null, 2))}
          >
            <Icon name="download" /> Save the result
          </button>
          <button type="button" className="primary" disabled={!isOver} onClick={onClose}>
            Close
          </button>
        </footer>
      </Dialog>
    )
  }
  const perHour = able.reduce((sum, { usdPerHour }) => sum + usdPerHour, 0)
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (isReady) void run()
        }}
      >
        <div className="dialog-body">
          <p>
            {verb === 'destroy'
              ? `All that is in them is lost. Together they cost ${usd(perHour)} an hour.`
              : `Together they cost ${usd(perHour)} an hour.`}
          </p>
          <p className="names">{able.map(({ name }) => name).join(', ')}</p>
          {unable.length > 0 ? (
            <>
              <p>These are left as they are:</p>
              <ul className="plain">
                {unable.map(({ id, name, status, protected: isProtected }) => (
                  <li key={id}>
                    <b>{name}</b>: {isProtected ? 'protected' : wordOf(status).toLowerCase()}
                  </li>
                ))}
              </ul>
            </>
          ) : null}
          {verb === 'extend' ? (
            <div className="field">
              <label htmlFor="bulk-hours">Hours from now</label>
              <input
                id="bulk-hours"
                type="number"
                min={0.25}
                max={8760}
                step="any"
                required
                value={hours}
                onChange={(event) => setHours(event.target.value)}
              />
            </div>
          ) : null}
          {mustType ? (
            <div className="field">
              <label htmlFor="bulk-words">
                Type <b>{words}</b> to go on
              </label>
              <input
                id="bulk-words"
                autoComplete="off"
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
              />
            </div>
          ) : null}
        </div>
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className={verb === 'destroy' ? 'danger' : 'primary'} disabled={!isReady}>
            {title}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
