// What operators are asked before they change something. Where the API has a preview, it is shown first.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api, keyed, newKey, take, type Schemas } from '../api'
import { Ask } from '../parts/dialog'
import { say } from '../parts/said'

type Closing = { onClose: () => void }

/** One wish, one key. `shows`: the question that is asked again afterwards. */
export function useOperatorWish<T>(
  shows: string,
  { onClose }: Closing,
  send: (key: string) => Promise<T>,
  done: (answer: T) => string,
) {
  // prettier-ignore
  const queries = useQueryClient()
  const [key] = useState(newKey)
  const wish = useMutation({
    mutationFn: () => send(key),
    onSuccess: (answer) => {
      say(done(answer))
      void queries.invalidateQueries({ queryKey: [shows] })
      onClose()
    },
  })
  return { isBusy: wish.isPending, error: wish.error, onSubmit: () => wish.mutate(), onClose }
}

export function ReasonField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <div className="field">
      <label htmlFor="reason">Reason</label>
      <input id="reason" autoFocus maxLength={500} value={value} onChange={(event) => onChange(event.target.value)} />
    </div>
  )
}

export type Judged = { finding: Schemas['Finding']; as: 'resolve' | 'accept' }

export function FindingDialog({ finding, as, onClose }: Judged & Closing) {
  const [reason, setReason] = useState('')
  const params = { path: { id: finding.id } }
  const wish = useOperatorWish(
    'findings',
    { onClose },
    (key) => {
      const asked = { params: { ...params, header: keyed(key) }, body: { reason } }
      return take(as === 'resolve' ? api.POST('/api/v1/findings/{id}/resolve', asked) : api.POST('/api/v1/findings/{id}/accept', asked)) // prettier-ignore
    },
    () => (as === 'resolve' ? 'The finding is resolved' : 'The finding is accepted'),
  )
  const title = as === 'resolve' ? 'Resolve this finding' : 'Live with this finding'
  return (
    <Ask title={title} submit={as === 'resolve' ? 'Resolve it' : 'Accept it'} isReady={reason.trim() !== ''} {...wish}>
      <p>{finding.detail}</p>
      <p className="hint">
        {as === 'resolve'
          ? 'If it is seen again, it is a new finding.'
          : 'It is neither repaired nor told of until it changes.'}
      </p>
      <ReasonField value={reason} onChange={setReason} />
    </Ask>
  )
}

export function DrainDialog({ worker, onClose }: { worker: Schemas['Worker'] } & Closing) {
  const params = { path: { id: worker.id } }
  const isDrained = worker.drain !== null
  const name = `${worker.host} ${worker.pid}`
  const preview = useQuery({
    queryKey: ['drain', worker.id],
    queryFn: () => take(api.POST('/api/v1/workers/{id}/drain', { params: { ...params, query: { dryRun: 'true' } } })),
    enabled: !isDrained,
    staleTime: 0,
  })
  const wish = useOperatorWish(
    'workers',
    { onClose },
    (key) =>
      take(
        isDrained
          ? api.DELETE('/api/v1/workers/{id}/drain', { params })
          : api.POST('/api/v1/workers/{id}/drain', { params: { ...params, header: keyed(key) } }),
      ),
    () => (isDrained ? `${name} takes jobs again` : `${name} takes no new jobs`),
  )
  return (
    <Ask
      title={isDrained ? `Let ${name} take jobs` : `Drain ${name}`}
      submit={isDrained ? 'Let it work' : 'Drain it'}
      isReady={isDrained || preview.data !== undefined}
      {...wish}
      error={wish.error ?? preview.error}
    >
      {isDrained ? (
        <p>It takes new jobs again.</p>
      ) : (
        <p>
          It takes no new jobs. {preview.data?.jobIds.length ?? '…'} that it runs go on to their end, and its process
          stays until it is stopped. {preview.data?.others ?? '…'} other workers take jobs
          {preview.data?.others === 0 ? ': all that comes waits' : ''}.
        </p>
      )}
    </Ask>
  )
}

type Locked = Schemas['QueueView']['blocked'][number]['jobs'][number]

export function ReleaseDialog({ of, onClose }: { of: Locked } & Closing) {
  const params = { path: { id: of.clusterId } }
  const preview = useQuery({
    queryKey: ['lock', of.clusterId],
    queryFn: () =>
      take(api.POST('/api/v1/clusters/{id}/lock/release', { params: { ...params, query: { dryRun: 'true' } } })),
    staleTime: 0,
  })
  const wish = useOperatorWish(
    'queue',
    { onClose },
    (key) => take(api.POST('/api/v1/clusters/{id}/lock/release', { params: { ...params, header: keyed(key) } })),
    () => `The lock on ${of.clusterName} is released`,
  )
  const lock = preview.data && 'observedForSeconds' in preview.data ? preview.data : undefined
  return (
    <Ask
      title={`Release the lock on ${of.clusterName}`}
      submit="Watch it, and release it"
      isReady={lock !== undefined}
      {...wish}
      error={wish.error ?? preview.error}
    >
      <p>
        {lock?.worker ?? of.worker} holds it. It is watched for {lock?.observedForSeconds ?? '…'} s, and is released
        only when it is not renewed in that time. Then its job is handed to another worker.
      </p>
    </Ask>
  )
}
