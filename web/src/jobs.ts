import { useQuery } from '@tanstack/react-query'
import { api, take, type Job, type JobDetail } from './api'
import { useRefresh } from './live'

export const fetchJob = (id: string): Promise<JobDetail> =>
  take(api.GET('/api/v1/jobs/{id}', { params: { path: { id } } }))

export const isJobOver = (job: Pick<Job, 'status'>): boolean => !['PENDING', 'RUNNING', 'RETRYING'].includes(job.status)

export function useJob(id: string) {
  const refresh = useRefresh()
  return useQuery({
    queryKey: ['job', id],
    queryFn: () => fetchJob(id),
    refetchInterval: ({ state }) => refresh(state.data !== undefined && !isJobOver(state.data)),
  })
}
