// What each type of job does to its cluster.
import type { Transition } from '../clusters/lifecycle.ts'
import type { ClusterStatus, JobType } from '../vocabulary.ts'

type Move = { start?: Transition; requires: ClusterStatus[]; finish: Transition; fail: Transition }

const destroyMove: Move = { requires: ['DESTROYING'], finish: 'finishDestroy', fail: 'failDestroy' }
const moves: Partial<Record<JobType, Move>> = {
  CREATE: { start: 'startCreate', requires: ['PENDING', 'CREATING'], finish: 'finishCreate', fail: 'failCreate' },
  DESTROY: destroyMove,
  HIBERNATE: { requires: ['HIBERNATING'], finish: 'finishHibernate', fail: 'failHibernate' },
  RESUME: { requires: ['RESUMING'], finish: 'finishResume', fail: 'failResume' },
  SCALE_WORKERS: { requires: ['SCALING'], finish: 'finishScale', fail: 'failScale' },
  JANITOR_DESTROY: destroyMove,
}

/** Throws for a type that no worker runs. */
export function moveOf(type: JobType): Move {
  const move = moves[type]
  if (!move) throw new Error(`no worker knows jobs of type ${type}`)
  return move
}
