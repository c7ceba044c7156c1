// One change of a cluster that somebody was asked about.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { newKey, Problem, type Cluster } from '../api'
import { keepCluster } from './data'

export type Props = { cluster: Cluster; onClose: () => void }

/** One wish, one key: a new key only when the wish has changed. */
export function useWish<T>(
  { cluster, onClose }: Props,
  send: (key: string) => Promise<T>,
  done: (answer: T) => Cluster,
) {
  const queries = useQueryClient()
  const [key, setKey] = useState(newKey)
  const wish = useMutation({
    mutationFn: () => send(key),
    onSuccess: (answer) => {
      keepCluster(queries, done(answer))
      onClose()
    },
    // What was refused may be wished for again; what got no answer is sent again with the same key.
    onError: (error) => {
      if (error instanceof Problem && error.status >= 400 && error.status < 500) setKey(newKey())
      void queries.invalidateQueries({ queryKey: ['cluster', cluster.id] })
    },
  })
  return { error: wish.error, isBusy: wish.isPending, onSubmit: () => wish.mutate(), onClose }
}
