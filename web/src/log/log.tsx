import { useRef } from 'react'
import type { Cluster, Job } from '../api'
import { isJobOver, useJob } from '../jobs'
import { StageRail } from './rail'
import { LogView, useLogStore } from './view'

/** The log of one job, with its stages where it is an installation. */
export function Log({ job, cluster }: { job: Job; cluster: Pick<Cluster, 'name'> }) {
  const store = useLogStore(job.id)
  const stages = useJob(job.id).data?.outlook.stages ?? []
  const scroll = useRef<(seq: number) => void>(() => undefined)
  return (
    <div className="log-page">
      <LogView store={store} name={`${cluster.name}-${job.type.toLowerCase()}`} scroll={scroll} />
      {job.type === 'CREATE' ? (
        <StageRail store={store} usual={stages} isOver={isJobOver(job)} goTo={(seq) => scroll.current(seq)} />
      ) : null}
    </div>
  )
}
