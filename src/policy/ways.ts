// How a request that only a quota of spend refuses could be made to fit: shorter, smaller, or of a cheaper profile. Pure.
import type { ClusterRequest } from '../clusters/request.ts'
import type { FieldError } from '../errors.ts'
import type { Profile } from '../profiles/profile.ts'
import type { Decision, Holdings } from './decision.ts'
import { decide } from './policy.ts'
import { cents } from './spend.ts'

/** `offered`: all profiles. Each way is tried by the policy itself, so that what is named is accepted as things stand. */
export function waysToFit(
  request: ClusterRequest,
  profile: Profile,
  holdings: Holdings,
  { terms }: Decision,
  offered: readonly Profile[],
): FieldError[] {
  const withTtl = (ttlHours: number) => decide({ ...request, ttlHours }, profile, holdings)
  const withWorkers = (workerReplicas: number) => decide({ ...request, workerReplicas }, profile, holdings)
  const ttlHours = largest(1, terms.ttlHours - 1, (hours) => withTtl(hours).allowed)
  const replicas = largest(profile.workers.min, terms.workerReplicas - 1, (count) => withWorkers(count).allowed)
  const cheaper = cheapestFitting(request, profile, holdings, offered)
  return [
    ...(ttlHours === undefined
      ? []
      : [way('/ttlHours', `shorter: ${ttlHours} hours would come to ${usd(withTtl(ttlHours))} USD`, ttlHours)]),
    ...(replicas === undefined
      ? []
      : [way('/workerReplicas', `smaller: ${replicas} workers would come to ${usd(withWorkers(replicas))} USD`, replicas)]), // prettier-ignore
    ...(cheaper
      ? [way('/profile', `cheaper: profile ${cheaper.name} would come to ${usd(cheaper.decision)} USD`, cheaper.name)]
      : []),
  ]
}

const way = (pointer: string, detail: string, nearest: string | number): FieldError => ({ pointer, detail, nearest })
const usd = ({ cost }: Decision) => cents(cost.usdUntilExpiry)

/** The largest number of the range that fits; what fits is all below it. */
function largest(from: number, to: number, fits: (n: number) => boolean): number | undefined {
  if (to < from || !fits(from)) return undefined
  let [low, high] = [from, to]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

/** Of those of the same platform. What a profile's own ceiling leaves is not known here, so those that have one are not named. */
function cheapestFitting(request: ClusterRequest, profile: Profile, holdings: Holdings, offered: readonly Profile[]) {
  return offered
    .filter((other) => other.name !== profile.name && other.platform === profile.platform)
    .filter(({ cost }) => cost.monthlyCeilingUsd === undefined && cost.usdPerHour < profile.cost.usdPerHour)
    .map((other) => {
      const { workerReplicas: _, ...rest } = request
      const asked = { ...rest, profile: other.name }
      const ofOther = { ...holdings, usage: { ...holdings.usage, profileUsdThisMonth: 0 } }
      return { name: other.name, decision: decide(asked, other, ofOther) }
    })
    .filter(({ decision }) => decision.allowed)
    .toSorted((a, b) => a.decision.cost.usdUntilExpiry - b.decision.cost.usdUntilExpiry)[0]
}
