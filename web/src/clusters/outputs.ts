import { useQuery } from '@tanstack/react-query'
import { api, take } from '../api'

/** Where a ready cluster is. Who may not read its credentials gets nothing. */
export const useOutputs = (id: string) =>
  useQuery({
    queryKey: ['cluster', id, 'outputs'],
    queryFn: () => take(api.GET('/api/v1/clusters/{id}/outputs', { params: { path: { id } } })),
    retry: false,
    staleTime: 60_000,
  })
