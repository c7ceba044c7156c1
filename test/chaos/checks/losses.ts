// What the database lost in a crash although it had been acknowledged, and what may therefore be missing.
import type { Fault } from '../fault.ts'
import type { Evidence } from '../evidence.ts'
import type { Answer } from '../load.ts'
import type { Loss } from '../marks.ts'

export const lossesOf = (faults: Fault[]): Loss[] => faults.flatMap((fault) => (fault.loss ? [fault.loss] : []))

/** It may have been given by what was lost. */
export const mayBeLost = ({ sentAt, at }: Answer, losses: Loss[]): boolean =>
  losses.some((loss) => sentAt <= loss.to && at >= loss.from)

/** Whether something may rest on a commit that was lost: its process holds the lock for a lease at most. */
export const mayRestOnLoss = (time: number, { faults, leaseMs }: Evidence): boolean =>
  lossesOf(faults).some((loss) => time >= loss.from && time <= loss.to + leaseMs)

export const ADOPT = 'cluster.adopt'

/** Clusters whose rows were lost, and made again from what was found of them in the cloud. */
export function adoptedOf({ audit }: Evidence): Set<string> {
  return new Set(
    audit.flatMap((event) => (event.action === ADOPT && event.clusterId !== null ? [event.clusterId] : [])),
  )
}
