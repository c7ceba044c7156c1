import { useQuery } from '@tanstack/react-query'
import { api, take } from './api'

export const useProfiles = () =>
  useQuery({
    queryKey: ['profiles'],
    queryFn: () => take(api.GET('/api/v1/profiles')),
    staleTime: 60_000,
    retry: false,
  })
