// What follows for a cluster from the number of its workers. Pure.
import { footprintOf, usdPerHourOf } from '../profiles/footprint.ts'
import type { Profile } from '../profiles/profile.ts'

export type Sizes = { workerReplicas: number; vcpu: number; usdPerHour: number }

export const sizesOf = (profile: Profile, workerReplicas: number): Sizes => ({
  workerReplicas,
  vcpu: footprintOf(profile, workerReplicas).vcpu,
  usdPerHour: usdPerHourOf(profile, workerReplicas),
})
