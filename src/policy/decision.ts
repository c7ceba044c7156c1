// What a decision is made from, and its result.
import type { FieldError } from '../errors.ts'
import type { Footprint } from '../profiles/footprint.ts'
import type { Quota } from '../profiles/quotas.ts'

export type Terms = {
  version: string
  region: string
  baseDomain: string
  ttlHours: number
  workerReplicas: number
  costCenter: string | null
}

export type Cost = { usdPerHour: number; usdUntilExpiry: number; usdThisMonth: number }

export type Warning = { pointer: string; detail: string }

export type Decision = {
  allowed: boolean
  violations: FieldError[]
  /** Whether only quotas stand against the request. Time may change that. */
  isOnlyQuota: boolean
  warnings: Warning[]
  terms: Terms
  footprint: Footprint
  cost: Cost
}

/** What a team and a profile hold at the time of a request. */
export type Usage = {
  clusters: number
  vcpu: number
  installs: number
  /** In this calendar month, in UTC: the money spent, and the money promised until each cluster ends. */
  usdThisMonth: number
  profileUsdThisMonth: number
}

export type Holdings = {
  team: string
  quota: Quota
  usage: Usage
  now: Date
  /** The versions that some worker can install in FIPS mode. undefined: any, or nobody knows. */
  fipsVersions?: readonly string[] | undefined
}
