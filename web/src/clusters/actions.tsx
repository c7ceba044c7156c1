// What can be done with a cluster: a menu of all actions, of which those that may not be done say why, and the dialogs.
import { useMutation, useQueries, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState, type ReactNode } from 'react'
import { api, keyed, newKey, take, type Cluster, type ClusterDetail } from '../api'
import { Icon } from '../parts/icon'
import { Menu, type MenuItem } from '../parts/menu'
import { say } from '../parts/said'
import { wordOf } from '../parts/pill'
import { atLocal } from '../time'
import { keepCluster } from './data'

const Dialogs = lazy(() => import('./dialogs'))

const RIGHTS = {
  extend: 'cluster.extend',
  destroy: 'cluster.destroy',
  scale: 'cluster.scale',
  sleep: 'cluster.sleep',
  protect: 'cluster.protect',
  credentials: 'cluster.credentials',
  retry: 'job.retry',
  cancel: 'job.cancel',
  abandon: 'cluster.abandon',
} as const
type Right = keyof typeof RIGHTS
export type DialogName =
  | 'extend'
  | 'destroy'
  | 'protect'
  | 'unprotect'
  | 'abandon'
  | 'scale'
  | 'hibernate'
  | 'off-hours'

/** Why the caller may not, by its roles. undefined: it may, or it is not known yet. */
export function useRights(id: string, isWanted: boolean): (right: Right) => string | undefined {
  const names = Object.keys(RIGHTS) as Right[]
  const answers = useQueries({
    queries: names.map((name) => ({
      queryKey: ['may', id, name],
      queryFn: () => take(api.GET('/api/v1/whoami', { params: { query: { for: RIGHTS[name], clusterId: id } } })),
      enabled: isWanted,
      staleTime: 60_000,
    })),
  })
  return (right) => {
    const explained = answers[names.indexOf(right)]?.data?.explanation
    return explained?.allowed === false ? explained.because : undefined
  }
}

/** Why the cluster's state does not allow it. */
function stateReason(
  cluster: Cluster,
  action: 'destroy' | 'extend' | 'protect' | 'scale-workers' | 'hibernate' | 'resume',
): string | undefined {
  if (cluster.actions.includes(action)) return undefined
  if (action === 'destroy' && cluster.protected)
    return `Protected${cluster.protectedUntil ? ` until ${atLocal(cluster.protectedUntil)}` : ''}: ${cluster.protectedReason ?? ''}`
  return `Not while it is ${wordOf(cluster.status).toLowerCase()}`
}

export function useActions(cluster: Cluster, detail: ClusterDetail | undefined, isWanted: boolean) {
  const queries = useQueryClient()
  const [open, setOpen] = useState<DialogName>()
  const mayNot = useRights(cluster.id, isWanted)
  const job = detail?.job
  const onJob = useMutation({
    mutationFn: async (verb: 'retry' | 'cancel') => {
      const params = { path: { id: job?.id ?? '' }, header: keyed(newKey()) }
      return verb === 'retry'
        ? take(api.POST('/api/v1/jobs/{id}/retry', { params }))
        : take(api.POST('/api/v1/jobs/{id}/cancel', { params }))
    },
    onSuccess: (_, verb) => {
      keepCluster(queries, cluster)
      say(verb === 'retry' ? `${cluster.name} is tried again` : `The job of ${cluster.name} is being cancelled`)
    },
    onError: (error) => say(error.message, { isBad: true }),
  })
  const onWake = useMutation({
    mutationFn: () =>
      take(api.POST('/api/v1/clusters/{id}/resume', { params: { path: { id: cluster.id }, header: keyed(newKey()) }, body: {} })), // prettier-ignore
    onSuccess: (answer) => {
      keepCluster(queries, answer.cluster)
      say(`${cluster.name} is being woken`)
    },
    onError: (error) => say(error.message, { isBad: true }),
  })
  const isReady = cluster.status === 'READY'
  const isOver = job !== null && job !== undefined && !['PENDING', 'RUNNING', 'RETRYING'].includes(job.status)
  const items: MenuItem[] = [
    { label: 'Extend…', onSelect: () => setOpen('extend'), reason: stateReason(cluster, 'extend') ?? mayNot('extend') },
    {
      label: 'Download kubeconfig',
      href: `/api/v1/clusters/${cluster.id}/kubeconfig`,
      download: `${cluster.name}.kubeconfig`,
      reason: isReady ? mayNot('credentials') : 'Only while it is ready',
    },
    {
      label: 'Change the workers…',
      onSelect: () => setOpen('scale'),
      reason: stateReason(cluster, 'scale-workers') ?? mayNot('scale'),
    },
    cluster.actions.includes('resume')
      ? { label: 'Wake it', onSelect: () => onWake.mutate(), reason: mayNot('sleep') }
      : {
          label: 'Let it sleep…',
          onSelect: () => setOpen('hibernate'),
          reason: stateReason(cluster, 'hibernate') ?? mayNot('sleep'),
        },
    {
      label: 'Off-hours…',
      onSelect: () => setOpen('off-hours'),
      reason: stateReason(cluster, 'extend') ?? mayNot('sleep'),
    },
    cluster.protected
      ? { label: 'Take protection away…', onSelect: () => setOpen('unprotect'), reason: mayNot('protect') }
      : {
          label: 'Protect…',
          onSelect: () => setOpen('protect'),
          reason: stateReason(cluster, 'protect') ?? mayNot('protect'),
        },
    ...(job
      ? [
          isOver
            ? {
                label: 'Try again',
                onSelect: () => onJob.mutate('retry'),
                reason: job.status === 'FAILED' ? mayNot('retry') : 'Its last job did not fail',
              }
            : {
                label: 'Cancel the running job',
                onSelect: () => onJob.mutate('cancel'),
                reason: job.cancelRequestedAt ? 'It is being cancelled' : mayNot('cancel'),
              },
        ]
      : []),
    ...(cluster.status === 'DESTROY_FAILED'
      ? [{ label: 'Give up…', danger: true, onSelect: () => setOpen('abandon'), reason: mayNot('abandon') }]
      : []),
    {
      label: 'Destroy…',
      danger: true,
      onSelect: () => setOpen('destroy'),
      reason: stateReason(cluster, 'destroy') ?? mayNot('destroy'),
    },
  ]
  const dialog: ReactNode = open && (
    <Suspense>
      <Dialogs name={open} cluster={cluster} onClose={() => setOpen(undefined)} />
    </Suspense>
  )
  return { items, dialog, open: setOpen }
}

export function ActionMenu({ cluster, detail }: { cluster: Cluster; detail: ClusterDetail | undefined }) {
  const [isWanted, setWanted] = useState(false)
  const { items, dialog } = useActions(cluster, detail, isWanted)
  return (
    <>
      <Menu label={`Actions of ${cluster.name}`} items={items} onOpen={() => setWanted(true)}>
        <Icon name="more" />
      </Menu>
      {dialog}
    </>
  )
}
