// What the pages of clusters know, and how they ask for it.
import { useQuery, type QueryClient } from '@tanstack/react-query'
import { api, take, type Cluster, type ClusterDetail } from '../api'
import { useRefresh } from '../live'
import type { Target } from '../operations'
import { fetchUsage } from '../usage'

/** A state that the API has and that is missing here does not compile. */
const all: Record<Cluster['status'], true> = {
  PENDING: true,
  CREATING: true,
  READY: true,
  SCALING: true,
  HIBERNATING: true,
  HIBERNATED: true,
  RESUMING: true,
  DESTROYING: true,
  DESTROYED: true,
  FAILED: true,
  DESTROY_FAILED: true,
}
export const STATES = Object.keys(all) as Cluster['status'][] // its keys

const MOVING: readonly string[] = ['PENDING', 'CREATING', 'SCALING', 'HIBERNATING', 'RESUMING', 'DESTROYING']
export const isMoving = (cluster: Pick<Cluster, 'status'> | undefined): boolean =>
  cluster !== undefined && MOVING.includes(cluster.status)

/** What the list shows first: all that may still cost something. */
const LIVING = STATES.filter((state) => state !== 'DESTROYED')
export const VIEWS = {
  living: { label: 'Living', states: LIVING },
  ready: { label: 'Ready', states: ['READY'] },
  moving: { label: 'In transition', states: STATES.filter((state) => MOVING.includes(state)) },
  failed: { label: 'Failed', states: ['FAILED', 'DESTROY_FAILED'] },
  destroyed: { label: 'Destroyed', states: ['DESTROYED'] },
  all: { label: 'All', states: [] },
} as const satisfies Record<string, { label: string; states: readonly Cluster['status'][] }>
export type View = keyof typeof VIEWS

export const FILTERS = ['q', 'team', 'owner', 'platform', 'profile', 'region'] as const
export type ClusterQuery = { view: View; cursor?: string | undefined } & Partial<
  Record<(typeof FILTERS)[number], string>
>

export const PAGE = 50

/** What the list shows, as the filter of an operation. A view of all states names them: without, living ones are meant. */
export function filterOf(query: ClusterQuery): Required<Target>['filter'] {
  const states: readonly Cluster['status'][] = VIEWS[query.view].states
  const fields = FILTERS.flatMap((name) => (query[name] === undefined ? [] : [[name, query[name]]]))
  return { ...Object.fromEntries(fields), status: [...(states.length > 0 ? states : STATES)] }
}

export function useClusters({ view, ...query }: ClusterQuery) {
  const refresh = useRefresh()
  return useQuery({
    queryKey: ['clusters', { view, ...query }],
    queryFn: () =>
      take(
        api.GET('/api/v1/clusters', {
          params: {
            query: { limit: PAGE, status: [...VIEWS[view].states], ...(query as Record<string, never>) },
          },
        }),
      ),
    refetchInterval: ({ state }) => refresh(state.data?.items.some(isMoving) ?? false),
    placeholderData: (before) => before,
  })
}

export const fetchCluster = (id: string): Promise<ClusterDetail> =>
  take(api.GET('/api/v1/clusters/{id}', { params: { path: { id } } }))

export function useCluster(id: string, isWanted = true) {
  const refresh = useRefresh()
  return useQuery({
    queryKey: ['cluster', id],
    queryFn: () => fetchCluster(id),
    enabled: isWanted,
    refetchInterval: ({ state }) => refresh(isMoving(state.data)),
  })
}

/** Of each cluster of a page, in one question. */
export function useSpent(clusters: readonly Cluster[]) {
  const first = clusters.map(({ createdAt }) => createdAt).toSorted()[0]
  return useQuery({
    // By the hour, so that a page that grows asks again only when it reaches further back.
    queryKey: ['spent', first?.slice(0, 13)],
    queryFn: async () => {
      const from = new Date(Date.parse(first ?? '') - 1000).toISOString()
      const { items } = await fetchUsage({ from, groupBy: ['cluster'] })
      return new Map(items.map(({ cluster, usd }) => [cluster, usd]))
    },
    enabled: first !== undefined,
    refetchInterval: 60_000,
    placeholderData: (before) => before,
  })
}

/** Since when a cluster is what it is, as far as its row and its newest job tell. */
export function sinceOf(cluster: Cluster, detail: ClusterDetail | undefined): string {
  if (cluster.status === 'DESTROYED') return cluster.destroyedAt ?? cluster.createdAt
  if (cluster.status === 'READY') return cluster.readyAt ?? cluster.createdAt
  if (cluster.status === 'PENDING') return cluster.createdAt
  if (cluster.status === 'HIBERNATED') return cluster.hibernatedAt ?? cluster.createdAt
  const job = detail?.job
  if (job) return (isMoving(cluster) ? (job.startedAt ?? job.createdAt) : job.endedAt) ?? job.createdAt
  return cluster.createdAt
}

export const fetchSamples = (clusterId: string, createdAt: string) => {
  const from = new Date(Date.parse(createdAt) - 1000).toISOString()
  return take(api.GET('/api/v1/usage/samples', { params: { query: { clusterId, from } } }))
}

/** After a change: the answer is shown at once, and what else shows the cluster is asked for again. */
export function keepCluster(queries: QueryClient, cluster: Cluster): void {
  queries.setQueryData<ClusterDetail>(['cluster', cluster.id], (known) => known && { ...known, ...cluster })
  queries.setQueriesData<{ items: Cluster[]; nextCursor: string | null }>(
    { queryKey: ['clusters'] },
    (page) => page && { ...page, items: page.items.map((item) => (item.id === cluster.id ? cluster : item)) },
  )
  for (const key of [['clusters'], ['cluster', cluster.id], ['jobs'], ['may', cluster.id]])
    void queries.invalidateQueries({ queryKey: key })
}

/**
 * How far a run is, and how long it will go on: as earlier ones did, or while there were none, as it did itself.
 * undefined: too early to say, or late already.
 */
export function progressOf({ job, attempt, outlook }: Pick<ClusterDetail, 'job' | 'attempt' | 'outlook'>, now: number) {
  if (!job || !attempt || attempt.endedAt !== null) return undefined
  const percent = attempt.progressPercent
  const ranMs = now - Date.parse(attempt.startedAt)
  const ownMs = percent >= 5 && percent < 100 ? (ranMs * (100 - percent)) / percent : undefined
  const endsAt = outlook?.expectedEndAt ?? undefined
  const leftMs = outlook?.expected ? endsAt && Math.max(0, Date.parse(endsAt) - now) : ownMs
  return { stage: attempt.stage, percent, leftMs: leftMs || undefined, ranMs }
}

const STAGES: Record<string, string> = {
  claimed: 'Starting',
  cleanup: 'Cleaning up an earlier attempt',
  manifests: 'Manifests',
  'ignition-configs': 'Ignition configs',
  infrastructure: 'Infrastructure',
  api: 'Kubernetes API',
  bootstrap: 'Bootstrap',
  'bootstrap-destroy': 'Removing the bootstrap node',
  initialize: 'Operators',
  stability: 'Settling',
  complete: 'Complete',
  reach: 'Reaching the cluster',
  scale: 'Machine sets',
  nodes: 'Machines and nodes',
  'stop-workers': 'Stopping workers',
  'stop-control-plane': 'Stopping the control plane',
  instances: 'Starting machines',
  'wake-api': 'Kubernetes API',
  'signing-requests': 'Certificates of nodes',
  'wake-nodes': 'Nodes',
  settle: 'Resting',
  operators: 'Operators',
  sweep: 'Clearing inside the cluster',
  destroy: 'Destroying resources',
  verify: 'Proving that nothing is left',
}
export const stageName = (stage: string): string => STAGES[stage] ?? stage
