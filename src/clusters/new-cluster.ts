// What a request becomes: where it belongs, what is decided of it, and the row of the new cluster. Nothing is written.
import type { App } from '../app.ts'
import { isAllowedInTeam, requireInTeam } from '../auth/permissions.ts'
import { type Actor, nameOf } from '../auth/principal.ts'
import type { Reader } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import { effectiveTags } from '../install-config/tags.ts'
import type { Decision, Usage } from '../policy/decision.ts'
import { endOf, nextWarningAt } from '../policy/end.ts'
import { decide } from '../policy/policy.ts'
import { waysToFit } from '../policy/ways.ts'
import { hashOf, profileNamed } from '../profiles/catalog.ts'
import type { Profile } from '../profiles/profile.ts'
import type { Quota } from '../profiles/quotas.ts'
import { listFipsVersions } from '../workers/workers.ts'
import { overridesAtRequest } from './off-hours.ts'
import type { ClusterRequest } from './request.ts'
import type { ClusterRow } from './tables.ts'

const DEFAULT_TEAM = 'default'

export type Place = { team: string; owner: string; profile: Profile; quota: Quota }

/** A new cluster without the times that the database sets. */
export type NewCluster = Omit<ClusterRow, 'createdAt' | 'updatedAt'>

export type Plan = {
  profile: Profile
  decision: Decision
  cluster: NewCluster
}

/** Where a request belongs. Throws FORBIDDEN, NOT_FOUND (profile). */
export function placeRequest(app: Pick<App, 'catalog'>, by: Actor, request: ClusterRequest): Place {
  const team = request.team ?? defaultTeam(by)
  requireInTeam(by, 'cluster.create', team)
  const owner = request.owner ?? nameOf(by)
  if (owner !== nameOf(by) && !isAllowedInTeam(by, 'cluster.create-for-another', team))
    throw new AppError('FORBIDDEN', `only an administrator of team "${team}" may name another owner`, [
      { pointer: '/owner', detail: `leave it out, or give ${nameOf(by)}` },
    ])
  return { team, owner, profile: profileNamed(app.catalog, request.profile), quota: app.catalog.quotaOf(team) }
}

export const fipsVersionsFor = async (db: Reader, profile: Profile) =>
  profile.features.fips ? listFipsVersions(db) : undefined

export function planCluster(
  { installationId, catalog }: Pick<App, 'installationId' | 'catalog'>,
  by: Actor,
  request: ClusterRequest,
  { team, owner, profile, quota }: Place,
  { usage, fipsVersions }: { usage: Usage; fipsVersions: string[] | undefined },
  now: Date,
): Plan {
  const holdings = { team, quota, usage, now, fipsVersions }
  const verdict = decide(request, profile, holdings)
  const ways = verdict.isOnlyQuota ? waysToFit(request, profile, holdings, verdict, catalog.list()) : []
  const decision = { ...verdict, violations: [...verdict.violations, ...ways] }
  const { terms, footprint, cost } = decision
  const id = newId('clu')
  const ending = { destroyAt: endOf(now, terms.ttlHours, profile.lifecycle), endSetAt: now, protectedUntil: null }
  const { destroyAt } = ending
  const requestTags = request.tags ?? {}
  const tags = effectiveTags(
    { tags: requestTags, profile },
    { id, name: request.name, owner, team, costCenter: terms.costCenter, destroyAt, installationId },
  )
  return {
    profile,
    decision,
    cluster: {
      id,
      name: request.name,
      baseDomain: terms.baseDomain,
      platform: profile.platform,
      version: terms.version,
      profile: profile.name,
      profileHash: hashOf(profile),
      profileSnapshot: profile,
      region: terms.region,
      owner,
      team,
      costCenter: terms.costCenter,
      status: 'PENDING',
      requestedBy: nameOf(by),
      request,
      requestTags,
      effectiveTags: tags,
      ttlHours: terms.ttlHours,
      ...ending,
      endRevision: 1,
      warnAt: nextWarningAt(ending, profile.lifecycle.warnHours, now),
      preserveOnFailure: request.preserveOnFailure ?? false,
      usdPerHour: cost.usdPerHour,
      controlPlaneNodes: profile.controlPlane.replicas,
      workerReplicas: terms.workerReplicas,
      vcpu: footprint.vcpu,
      graceHours: 0,
      statusReason: null,
      infraId: null,
      protected: false,
      protectedReason: null,
      readyAt: null,
      hibernatedAt: null,
      wakeBy: null,
      offHours: request.offHours ?? null,
      overrides: request.offHours ? overridesAtRequest(request.offHours, now, nameOf(by)) : [],
      announcedFor: null,
      maintenanceUntil: null,
      idleHours: profile.lifecycle.idleHours ?? null,
      inUseAt: null,
      destroyedAt: null,
      destroyRetryAt: null,
      destroyFailures: 0,
      abandonedAt: null,
      lookAt: null,
      looks: 0,
    },
  }
}

function defaultTeam(by: Actor): string {
  if (by.kind === 'system') return DEFAULT_TEAM
  // A caller who may create clusters for every team keeps the default team. A role from one team's administrator must
  // not move the caller into that team.
  if (isAllowedInTeam(by, 'cluster.create', '*')) return DEFAULT_TEAM
  const teams = new Set(by.bindings.map((binding) => binding.team))
  const [only, ...others] = [...teams].filter((team) => team !== '*')
  if (only === undefined) return DEFAULT_TEAM
  if (others.length > 0)
    throw new AppError('BAD_INPUT', 'you are in several teams: name one', [
      { pointer: '/team', detail: `one of ${[only, ...others].join(', ')}` },
    ])
  return only
}
