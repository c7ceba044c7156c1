// The questions before a cluster gets another size, sleeps, or is given off-hours.
import { useState } from 'react'
import { api, keyed, take } from '../api'
import { Ask } from '../parts/dialog'
import { say } from '../parts/said'
import { atLocal } from '../time'
import { useWish, type Props } from './wish'

export function Scale({ cluster, onClose }: Props) {
  const [replicas, setReplicas] = useState(String(cluster.workerReplicas))
  const params = { path: { id: cluster.id } }
  const wish = useWish(
    { cluster, onClose },
    (key) =>
      take(
        api.POST('/api/v1/clusters/{id}/scale-workers', {
          params: { ...params, header: keyed(key) },
          body: { replicas: Number(replicas) },
        }),
      ),
    (answer) => {
      say(`${cluster.name} is given ${replicas} workers`)
      return answer.cluster
    },
  )
  const isReady = replicas !== '' && Number(replicas) !== cluster.workerReplicas
  return (
    <Ask title={`Change the workers of ${cluster.name}`} submit="Change them" isReady={isReady} {...wish}>
      <p>It has {cluster.workerReplicas}. What runs on workers that go is moved to others first.</p>
      <div className="field">
        <label htmlFor="replicas">Workers</label>
        <input
          id="replicas"
          type="number"
          min={0}
          max={1000}
          step={1}
          required
          autoFocus
          value={replicas}
          onChange={(event) => setReplicas(event.target.value)}
        />
      </div>
    </Ask>
  )
}

export function Hibernate({ cluster, onClose }: Props) {
  const [reason, setReason] = useState('')
  const params = { path: { id: cluster.id } }
  const wish = useWish(
    { cluster, onClose },
    (key) =>
      take(
        api.POST('/api/v1/clusters/{id}/hibernate', {
          params: { ...params, header: keyed(key) },
          body: reason.trim() === '' ? {} : { reason },
        }),
      ),
    (answer) => {
      say(`${cluster.name} goes to sleep`)
      return answer.cluster
    },
  )
  return (
    <Ask title={`Let ${cluster.name} sleep`} submit="Let it sleep" {...wish}>
      <p>
        Its machines are stopped, and what runs on them with them. Only its disks and addresses cost then. It takes some
        minutes to wake, and is destroyed at its end as it sleeps.
      </p>
      <div className="field">
        <label htmlFor="reason">Why, if somebody may ask</label>
        <input
          id="reason"
          autoFocus
          maxLength={500}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
      </div>
    </Ask>
  )
}

const OFFICE = 'Mon-Fri 07:00-19:00'
const ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone

export function OffHours({ cluster, onClose }: Props) {
  const known = cluster.offHours
  const [zone, setZone] = useState(known?.zone ?? ZONE)
  const [awake, setAwake] = useState(known?.awake.join('; ') ?? OFFICE)
  const params = { path: { id: cluster.id } }
  const windows = awake
    .split(';')
    .map((each) => each.trim())
    .filter((each) => each !== '')
  const wish = useWish(
    { cluster, onClose },
    () =>
      windows.length === 0
        ? take(api.DELETE('/api/v1/clusters/{id}/off-hours', { params }))
        : take(api.PUT('/api/v1/clusters/{id}/off-hours', { params, body: { ...known, zone, awake: windows } })),
    (answer) => {
      const [next] = answer.nextChanges
      say(next ? `${cluster.name} is ${next.state} from ${atLocal(next.at)} on` : `${cluster.name} stays as it is`)
      return answer
    },
  )
  return (
    <Ask
      title={`Off-hours of ${cluster.name}`}
      submit={windows.length === 0 ? 'Take them away' : 'Keep them'}
      {...wish}
    >
      <p>At all other times it sleeps. Its owner is told half an hour before, and may skip a sleep.</p>
      <div className="field">
        <label htmlFor="awake">Awake, several with ; between them</label>
        <input
          id="awake"
          autoFocus
          spellCheck={false}
          value={awake}
          onChange={(event) => setAwake(event.target.value)}
        />
        <p className="hint">Such as {OFFICE}; Sat 10:00-14:00. Empty: no off-hours.</p>
      </div>
      <div className="field">
        <label htmlFor="zone">Time zone</label>
        <input
          id="zone"
          list="zones"
          spellCheck={false}
          value={zone}
          onChange={(event) => setZone(event.target.value)}
        />
        <datalist id="zones">
          {Intl.supportedValuesOf('timeZone').map((each) => (
            <option key={each}>{each}</option>
          ))}
        </datalist>
      </div>
    </Ask>
  )
}
