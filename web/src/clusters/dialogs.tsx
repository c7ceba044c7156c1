// The questions before a cluster is changed. Each sends one wish with one key, however often it is pressed.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, keyed, Problem, take } from '../api'
import { count, usd } from '../money'
import { Ask } from '../parts/dialog'
import { say } from '../parts/said'
import { atLocal, toInput, Until, useNow } from '../time'
import type { DialogName } from './actions'
import { Hibernate, OffHours, Scale } from './turning'
import { useWish, type Props } from './wish'

export default function Dialogs({ name, ...props }: Props & { name: DialogName }) {
  switch (name) {
    case 'extend':
      return <Extend {...props} />
    case 'destroy':
      return <Destroy {...props} />
    case 'protect':
      return <Protect {...props} />
    case 'unprotect':
      return <Unprotect {...props} />
    case 'abandon':
      return <Abandon {...props} />
    case 'scale':
      return <Scale {...props} />
    case 'hibernate':
      return <Hibernate {...props} />
    case 'off-hours':
      return <OffHours {...props} />
  }
}

const HOURS = [4, 8, 24, 72, 168]

function Extend({ cluster, onClose }: Props) {
  const [hours, setHours] = useState('24')
  const params = { path: { id: cluster.id } }
  const wish = useWish(
    { cluster, onClose },
    (key) =>
      take(
        api.POST('/api/v1/clusters/{id}/extend', {
          params: { ...params, header: keyed(key) },
          body: { hours: Number(hours) },
        }),
      ),
    (answer) => {
      const cost = answer.usdAdded >= 0 ? `${usd(answer.usdAdded)} more` : `${usd(-answer.usdAdded)} less`
      say(`${cluster.name} ends ${atLocal(answer.cluster.destroyAt)}, for ${cost}`)
      return answer.cluster
    },
  )
  const nearest = wish.error instanceof Problem ? wish.error.errors[0]?.nearest : undefined
  const end = useNow(60_000) + Number(hours) * 3_600_000
  return (
    <Ask title={`Move the end of ${cluster.name}`} submit="Move the end" isReady={Number(hours) >= 0.25} {...wish}>
      <p>
        It ends <Until at={cluster.destroyAt} />, {atLocal(cluster.destroyAt)}.
      </p>
      <div className="field">
        <label htmlFor="hours">Hours from now</label>
        <div className="row">
          <input
            id="hours"
            type="number"
            min={0.25}
            max={8760}
            step="any"
            required
            autoFocus
            value={hours}
            onChange={(event) => setHours(event.target.value)}
          />
          {HOURS.map((each) => (
            <button key={each} type="button" className="chip" onClick={() => setHours(String(each))}>
              {each < 48 ? `${each} h` : `${each / 24} d`}
            </button>
          ))}
        </div>
        <p className="hint">
          {Number(hours) > 0 ? `Then it ends ${atLocal(end)}, at ${usd(cluster.usdPerHour)} an hour.` : ' '}
        </p>
      </div>
      {nearest === undefined ? null : (
        <p>
          <button type="button" className="chip" onClick={() => setHours(String(nearest))}>
            Use the nearest that is allowed: {nearest} h
          </button>
        </p>
      )}
    </Ask>
  )
}

function Destroy({ cluster, onClose }: Props) {
  const [typed, setTyped] = useState('')
  const params = { path: { id: cluster.id } }
  const wish = useWish(
    { cluster, onClose },
    async (key) => {
      const answer = await take(
        api.POST('/api/v1/clusters/{id}/destroy', { params: { ...params, header: keyed(key) } }),
      )
      if (!('cluster' in answer)) throw new Error('a destroy was answered with its plan')
      return answer
    },
    (answer) => {
      say(`${cluster.name} is being destroyed`)
      return answer.cluster
    },
  )
  return (
    <Ask title={`Destroy ${cluster.name}`} submit="Destroy it" danger isReady={typed === cluster.name} {...wish}>
      <p>
        All that is in <b>{cluster.name}</b> is lost. It is gone when an inventory has proved that nothing is left of
        it; until then it keeps its name and costs {usd(cluster.usdPerHour)} an hour.
      </p>
      <Plan id={cluster.id} />
      <div className="field">
        <label htmlFor="typed">
          Type <b>{cluster.name}</b> to go on
        </label>
        <input
          id="typed"
          autoFocus
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      </div>
    </Ask>
  )
}

/** What would go and what stays, as the cloud tells it now. The question can be answered before. */
function Plan({ id }: { id: string }) {
  const query = { dryRun: 'true' as const }
  const plan = useQuery({
    queryKey: ['cluster', id, 'destroy-plan'],
    queryFn: () => take(api.POST('/api/v1/clusters/{id}/destroy', { params: { path: { id }, query, header: {} } })),
    gcTime: 0,
  })
  if (plan.error) return <p className="hint">What would go cannot be told: {plan.error.message}</p>
  if (!plan.data) return <p className="hint">Asking the cloud what would go…</p>
  if (!('total' in plan.data)) return null
  const { total, types, notChecked, notOurs, knownToStay, residue } = plan.data
  const untold = notChecked.filter((each) => !each.isOptional)
  return (
    <details>
      <summary>
        {total === 0 ? 'Nothing of it is in the cloud' : `${count(total)} resources in the cloud will go`}
        {untold.length > 0 ? ', and the cloud did not tell all' : ''}
      </summary>
      <ul>
        {Object.entries(types).map(([type, many]) => (
          <li key={type}>
            {many} {type}
          </li>
        ))}
        {untold.map(({ kind, why }) => (
          <li key={kind}>
            Not told: {kind}, since {why}
          </li>
        ))}
        {[...notOurs.stoodBefore, ...notOurs.holders.map((each) => `${each.type} ${each.name}`)].map((each) => (
          <li key={each}>Stays, since it is not the cluster’s: {each}</li>
        ))}
        {knownToStay.map(({ types: kinds, why }) => (
          <li key={why}>
            The installer may leave {kinds.join(', ')}: {why}.{' '}
            {residue === 'remove' ? 'Then it is taken away.' : 'Then it is shown.'}
          </li>
        ))}
      </ul>
    </details>
  )
}

function Protect({ cluster, onClose }: Props) {
  const [reason, setReason] = useState('')
  const [until, setUntil] = useState(() => toInput(new Date(Date.now() + 7 * 86_400_000)))
  const wish = useWish(
    { cluster, onClose },
    () =>
      take(
        api.PUT('/api/v1/clusters/{id}/protection', {
          params: { path: { id: cluster.id } },
          body: { reason, until: new Date(until).toISOString() },
        }),
      ),
    (answer) => {
      say(`${cluster.name} is protected until ${atLocal(answer.protectedUntil ?? '')}`)
      return answer
    },
  )
  return (
    <Ask title={`Protect ${cluster.name}`} submit="Protect it" isReady={reason.trim() !== '' && until !== ''} {...wish}>
      <p>Until then nobody and nothing destroys it, and it goes on costing {usd(cluster.usdPerHour)} an hour.</p>
      <div className="field">
        <label htmlFor="reason">Reason</label>
        <input
          id="reason"
          autoFocus
          maxLength={500}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
      </div>
      <div className="field">
        <label htmlFor="until">Until</label>
        <input id="until" type="datetime-local" value={until} onChange={(event) => setUntil(event.target.value)} />
      </div>
    </Ask>
  )
}

function Unprotect({ cluster, onClose }: Props) {
  const wish = useWish(
    { cluster, onClose },
    () => take(api.DELETE('/api/v1/clusters/{id}/protection', { params: { path: { id: cluster.id } } })),
    (answer) => {
      say(`${cluster.name} is protected no more`)
      return answer
    },
  )
  return (
    <Ask title={`Take the protection of ${cluster.name} away`} submit="Take it away" {...wish}>
      <p>It is protected because: {cluster.protectedReason}</p>
      <p>A cluster whose end is past lives on for half an hour.</p>
    </Ask>
  )
}

function Abandon({ cluster, onClose }: Props) {
  const [reason, setReason] = useState('')
  const params = { path: { id: cluster.id } }
  const wish = useWish(
    { cluster, onClose },
    (key) =>
      take(api.POST('/api/v1/clusters/{id}/abandon', { params: { ...params, header: keyed(key) }, body: { reason } })),
    (answer) => {
      say(`${cluster.name} is given up; what it left is among the leaks`)
      return answer
    },
  )
  return (
    <Ask title={`Give up ${cluster.name}`} submit="Give it up" danger isReady={reason.trim().length >= 10} {...wish}>
      <p>Its destroy is not tried again. What is left of it may go on costing money, and is kept as a leak for ever.</p>
      <div className="field">
        <label htmlFor="reason">Why, in at least ten characters</label>
        <textarea id="reason" autoFocus rows={3} value={reason} onChange={(event) => setReason(event.target.value)} />
      </div>
    </Ask>
  )
}
