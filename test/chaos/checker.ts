// Counts broken promises in the evidence of a run. It shares nothing with the service: what is legal stands here once
// more, written down from what is promised, not from how it is done. Each check gives a line for each breach.
import { leakedConnections } from './checks/connections.ts'
import { foreignHarm } from './checks/foreign.ts'
import { createTwiceInDir, createWithoutLedger, outlivedLease, overlappingInstallers } from './checks/installers.ts'
import { brokenLocks, oldFenceWrites } from './checks/locks.ts'
import {
  duplicateClusters,
  ledgerOpen,
  locksLeft,
  lostAnswers,
  lostSnapshots,
  resourcesLeft,
} from './checks/remains.ts'
import { auditGaps, illegalTransitions, stuck } from './checks/states.ts'
import { crashes, secretsInLogs } from './checks/texts.ts'
import type { Evidence } from './evidence.ts'

export const checks = {
  overlappingInstallers,
  outlivedLease,
  resourcesLeft,
  ledgerOpen,
  locksLeft,
  brokenLocks,
  illegalTransitions,
  auditGaps,
  stuck,
  createTwiceInDir,
  createWithoutLedger,
  oldFenceWrites,
  secretsInLogs,
  duplicateClusters,
  lostAnswers,
  lostSnapshots,
  crashes,
  leakedConnections,
  foreignHarm,
} satisfies Record<string, (evidence: Evidence) => string[]>

export type Breaches = Record<keyof typeof checks, string[]>

/** Of several installations; what befell others than the first is said to be theirs. */
export function mergeBreaches(all: Breaches[]): Breaches {
  const names = Object.keys(checks) as (keyof Breaches)[] // its own keys
  return Object.fromEntries(
    names.map((name) => [
      name,
      all.flatMap((each, index) => each[name].map((breach) => (index === 0 ? breach : `the other one: ${breach}`))),
    ]),
  ) as Breaches // of the same keys
}

export function checkEvidence(evidence: Evidence): Breaches {
  return Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, check(evidence)])) as Breaches // of the same keys
}
