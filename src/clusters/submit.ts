// Asking for a cluster: what the request would lead to, and the rows that it becomes.
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import { isAllowedOn } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { send, type Transaction } from '../db/client.ts'
import { insertion } from '../db/statements.ts'
import { AppError, isOfConstraint, type FieldError } from '../errors.ts'
import { announce } from '../events.ts'
import type { Change } from '../hours/wanted.ts'
import { buildInstallConfig, MASKED_PULL_SECRET, renderInstallConfig } from '../install-config/install-config.ts'
import { lintInstallConfig } from '../install-config/lint.ts'
import { pauseFor, PAUSES, readPauses, toldOf, warningsOf, type Pause } from '../intake/pauses.ts'
import { openJob } from '../jobs/commands.ts'
import type { History } from '../jobs/history.ts'
import { durationOf, type Duration } from '../jobs/outlook.ts'
import type { JobRow } from '../jobs/tables.ts'
import { tellOfState } from '../notices/notices.ts'
import type { Usage, Warning } from '../policy/decision.ts'
import type { Footprint } from '../profiles/footprint.ts'
import { pointerOf } from '../profiles/yaml-file.ts'
import type { ClusterStatus } from '../vocabulary.ts'
import { fipsVersionsFor, placeRequest, planCluster, type NewCluster, type Place } from './new-cluster.ts'
import { foreseeRequest } from './off-hours.ts'
import { readUsage, readUsageInTurn } from './quota.ts'
import type { ClusterRequest } from './request.ts'
import { type ClusterRow, clusters } from './tables.ts'

/** What a request needs from the database. */
type Prepared = {
  /** The database's time of the transaction. */
  at: Date
  /** The holder of the name; undefined: the name is free. */
  holder: { status: ClusterStatus; team: string; owner: string } | undefined
  usage: Usage
  fipsVersions: string[] | undefined
  pauses: Pause[]
}

/**
 * Waits for the turn of the request's team and profile, and reads. Returns undefined for a request that belongs
 * nowhere.
 */
export async function prepareRequest(
  app: Pick<App, 'catalog'>,
  tx: Transaction,
  by: Actor,
  request: ClusterRequest,
): Promise<Prepared | undefined> {
  let place: Place
  try {
    place = placeRequest(app, by, request)
  } catch (error) {
    // requestCluster throws this error again, for a request that has no stored answer yet.
    if (error instanceof AppError) return undefined
    throw error
  }
  const { team, quota, profile } = place
  const [usage, fipsVersions, found] = await Promise.all([
    readUsageInTurn(tx, team, quota, profile),
    fipsVersionsFor(tx, profile),
    tx.$client.query<{ at: Date; pauses: Pause[]; status: ClusterStatus | null; team: string; owner: string }>({
      name: 'holder of a name',
      text: `select now() as at, ${PAUSES} as pauses, c.status, c.team, c.owner from (select) as one
        left join clusters c on c.name = $1 and c.base_domain = $2 and c.status <> 'DESTROYED'`,
      values: [request.name, request.baseDomain ?? profile.baseDomains.default],
    }),
  ])
  const [row] = found.rows
  if (!row) throw new Error('the database did not tell its time')
  const { at, pauses, status, ...its } = row
  return { at, pauses, usage, fipsVersions, holder: status === null ? undefined : { status, ...its } }
}

/**
 * `prepared` comes from prepareRequest, in this transaction. Throws POLICY_VIOLATION or QUOTA_EXCEEDED with every
 * violation, NAME_TAKEN, NOT_FOUND (profile), FORBIDDEN.
 */
export async function requestCluster(
  app: Pick<App, 'catalog' | 'installationId' | 'queue'>,
  tx: Transaction,
  by: Actor,
  request: ClusterRequest,
  prepared: Prepared | undefined,
): Promise<{ cluster: ClusterRow; job: JobRow; warnings: Warning[] }> {
  const place = placeRequest(app, by, request)
  if (!prepared) throw new AppError('UNAVAILABLE', 'the profiles have changed meanwhile: ask again')
  const { at, holder, pauses } = prepared
  const { decision, cluster: planned, profile } = planCluster(app, by, request, place, prepared, at)
  if (decision.isOnlyQuota)
    throw new AppError('QUOTA_EXCEEDED', 'a quota does not allow this request now', decision.violations)
  if (!decision.allowed)
    throw new AppError('POLICY_VIOLATION', `profile ${profile.name} does not allow this request`, decision.violations)
  if (holder) throw nameTaken(planned, isAllowedOn(by, 'cluster.read', holder) ? holder.status : undefined)
  const pause = pauseFor(pauses, 'creates', planned)
  const cluster: ClusterRow = { ...planned, statusReason: pause ? toldOf(pause) : null, createdAt: at, updatedAt: at }
  const { id, name, team, owner, costCenter, destroyAt } = cluster
  // When somebody else asks for the name at the same moment, the name lease refuses the second request.
  send(tx, {
    ...insertRow(cluster),
    explain: (error) => (isOfConstraint(error, 'clusters_name_lease') ? nameTaken(cluster, undefined) : error),
  })
  writeAudit(tx, by, {
    action: 'cluster.request',
    clusterId: id,
    detail: { name, profile: cluster.profile, team, owner, costCenter, destroyAt: destroyAt.toISOString() },
  })
  tellOfState(tx, cluster, undefined)
  announce(tx, 'cluster', id)
  const job = openJob(app, tx, by, cluster, 'CREATE', at, { pausedBy: pause?.id ?? null })
  return { cluster, job, warnings: [...decision.warnings, ...warningsOf(pause)] }
}

export type Preview = {
  allowed: boolean
  violations: FieldError[]
  warnings: Warning[]
  installConfig: string
  effectiveTags: Record<string, string>
  footprint: Footprint
  usdPerHour: number
  usdUntilExpiry: number
  destroyAt: string
  nextChanges: Change[]
  /** What its sleeps save until its end. */
  usdSaved: number
  /** How many would be begun before it, and itself. */
  queuePlace: number
  expectedDuration: Duration | null
}

/** What a request would lead to. Writes nothing. */
export async function previewCluster(
  app: Pick<App, 'db' | 'catalog' | 'installationId'>,
  history: History,
  by: Actor,
  request: ClusterRequest,
): Promise<Preview> {
  const place = placeRequest(app, by, request)
  const usage = await readUsage(app.db, place.team, place.quota, place.profile)
  const facts = { usage, fipsVersions: await fipsVersionsFor(app.db, place.profile) }
  const { decision, profile, cluster } = planCluster(app, by, request, place, facts, new Date())
  const input = {
    name: cluster.name,
    version: cluster.version,
    baseDomain: cluster.baseDomain,
    region: cluster.region,
    workerReplicas: cluster.workerReplicas,
    profile,
    tags: cluster.effectiveTags,
    sshPublicKey: request.sshPublicKey,
    pullSecret: MASKED_PULL_SECRET,
  }
  const lint = (severity: 'error' | 'warning') =>
    lintInstallConfig(buildInstallConfig(input), cluster.version)
      .filter((finding) => finding.severity === severity)
      .map(({ path, detail }) => ({ pointer: `/installConfig${pointerOf(path)}`, detail }))
  const paused = warningsOf(pauseFor(await readPauses(app.db), 'creates', cluster))
  // The policy gives only warnings for what it allows, so the lint gives the errors then. What the policy does not
  // allow, it reports itself.
  const violations = decision.allowed ? lint('error') : decision.violations
  return {
    allowed: violations.length === 0,
    violations,
    warnings: [...decision.warnings, ...lint('warning'), ...paused],
    installConfig: renderInstallConfig(input),
    effectiveTags: cluster.effectiveTags,
    footprint: decision.footprint,
    usdPerHour: decision.cost.usdPerHour,
    usdUntilExpiry: decision.cost.usdUntilExpiry,
    destroyAt: cluster.destroyAt.toISOString(),
    ...foreseeRequest(cluster, new Date()),
    queuePlace: await history.nextPlace(),
    expectedDuration: (await durationOf(history, cluster)) ?? null,
  }
}

const insertRow = insertion(clusters)

const nameTaken = ({ name, baseDomain }: NewCluster, status: ClusterStatus | undefined) =>
  new AppError(
    'NAME_TAKEN',
    `the name ${name}.${baseDomain} is held by a cluster${status === undefined ? '' : ` that is ${status}`}; ` +
      'it is free when that cluster is proved destroyed',
    [{ pointer: '/name', detail: 'take another name' }],
  )
