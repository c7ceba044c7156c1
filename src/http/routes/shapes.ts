// What rows look like to clients: times in RFC 3339, and nothing that is not meant to be seen.
import { z } from '@hono/zod-openapi'
import { actionsOf } from '../../clusters/lifecycle.ts'
import type { ClusterRow } from '../../clusters/tables.ts'
import { explainReason } from '../../diagnosis/service.ts'
import { offHours } from '../../hours/off-hours.ts'
import { stages } from '../../installer/stages.ts'
import { bases, MOST_PLACES } from '../../jobs/history.ts'
import type { Outlook } from '../../jobs/outlook.ts'
import type { AttemptRow, JobRow } from '../../jobs/tables.ts'
import { destroyStartsAt } from '../../policy/end.ts'
import { principalTypes, clusterStatuses, jobStatuses, jobTypes, platforms, residueOutcomes } from '../../vocabulary.ts'

export const time = z.iso.datetime()
const EARLIEST_MS = Date.parse('0001-01-01T00:00:00Z')
const LATEST_MS = Date.UTC(10_000)
/** An instant that a caller gives, with any offset. Only what the database can store. */
export const instant = z.iso
  .datetime({ offset: true, error: 'must be a time as RFC 3339 has it, such as 2026-12-01T18:00:00+01:00' })
  .refine((text) => Date.parse(text) >= EARLIEST_MS && Date.parse(text) < LATEST_MS, {
    error: 'must lie between the years 1 and 9999',
  })
const tags = z.record(z.string(), z.string())
const counts = z.record(z.string(), z.int())

/** Beside null, a named shape stays what it is elsewhere. With nullable() it would be merged with null, or be null everywhere. */
export const orNull = <T extends z.ZodType>(shape: T) => z.union([shape, z.null()])

export const offHoursSchema = z.strictObject(offHours.shape).openapi('OffHours')

export const clusterSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    platform: z.enum(platforms),
    version: z.string(),
    profile: z.string(),
    region: z.string(),
    baseDomain: z.string(),
    owner: z.string(),
    team: z.string(),
    costCenter: z.string().nullable(),
    status: z.enum(clusterStatuses),
    statusReason: z.string().nullable(),
    requestedBy: z.string(),
    ttlHours: z.int(),
    destroyAt: time.openapi({
      description: 'When the destroy starts; of a protected cluster not before the protection ends.',
    }),
    createdAt: time,
    readyAt: time.nullable(),
    hibernatedAt: time.nullable().openapi({ description: 'Since when it sleeps.' }),
    wakeBy: time.nullable().openapi({ description: 'By then it must have been awake again: its certificates tell.' }),
    offHours: orNull(offHoursSchema),
    idleHours: z.int().nullable().openapi({ description: 'After so many hours without use it is put to sleep.' }),
    inUseAt: time.nullable().openapi({ description: 'The last use of it that is known.' }),
    maintenanceUntil: time
      .nullable()
      .openapi({ description: 'It is awake until then so that its certificates are made anew.' }),
    destroyedAt: time.nullable(),
    requestTags: tags,
    effectiveTags: tags,
    infraId: z.string().nullable(),
    protected: z.boolean(),
    protectedUntil: time.nullable(),
    protectedReason: z.string().nullable(),
    abandonedAt: time.nullable(),
    usdPerHour: z.number(),
    workerReplicas: z.int(),
    vcpu: z.int(),
    actions: z.array(z.string()),
  })
  .openapi('Cluster')

export function showCluster(row: ClusterRow): z.infer<typeof clusterSchema> {
  return {
    id: row.id,
    name: row.name,
    platform: row.platform,
    version: row.version,
    profile: row.profile,
    region: row.region,
    baseDomain: row.baseDomain,
    owner: row.owner,
    team: row.team,
    costCenter: row.costCenter,
    status: row.status,
    statusReason: row.statusReason,
    requestedBy: row.requestedBy,
    ttlHours: row.ttlHours,
    destroyAt: destroyStartsAt(row).toISOString(),
    createdAt: row.createdAt.toISOString(),
    readyAt: row.readyAt?.toISOString() ?? null,
    hibernatedAt: row.hibernatedAt?.toISOString() ?? null,
    wakeBy: row.wakeBy?.toISOString() ?? null,
    offHours: row.offHours,
    idleHours: row.idleHours,
    inUseAt: row.inUseAt?.toISOString() ?? null,
    maintenanceUntil: row.maintenanceUntil?.toISOString() ?? null,
    destroyedAt: row.destroyedAt?.toISOString() ?? null,
    requestTags: row.requestTags,
    effectiveTags: row.effectiveTags,
    infraId: row.infraId,
    protected: row.protected,
    protectedUntil: row.protectedUntil?.toISOString() ?? null,
    protectedReason: row.protectedReason,
    abandonedAt: row.abandonedAt?.toISOString() ?? null,
    usdPerHour: row.usdPerHour,
    workerReplicas: row.workerReplicas,
    vcpu: row.vcpu,
    actions: actionsOf(row),
  }
}

export const attemptSchema = z
  .object({
    number: z.int(),
    stage: z.string(),
    progressPercent: z.int(),
    infraId: z.string().nullable(),
    exitCode: z.int().nullable(),
    outcome: z.string().nullable(),
    reason: z.string().nullable(),
    remedy: z.string().nullable(),
    actor: z.enum(['requester', 'platform-team', 'cloud-provider']).nullable(),
    fingerprint: z.string().nullable(),
    message: z.string().nullable(),
    worker: z.string(),
    startedAt: time,
    endedAt: time.nullable(),
  })
  .openapi('Attempt')

export function showAttempt(row: AttemptRow): z.infer<typeof attemptSchema> {
  const { number, stage, progressPercent, infraId, exitCode, outcome, reason, fingerprint, message, worker } = row
  return {
    number,
    stage,
    progressPercent,
    infraId,
    exitCode,
    outcome,
    reason,
    ...explained(reason),
    fingerprint,
    message,
    worker,
    startedAt: row.startedAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
  }
}

export const resourceSchema = z
  .object({
    id: z.string(),
    type: z.string(),
    name: z.string(),
    region: z.string(),
    key: z
      .enum(['tag', 'name', 'relation', 'dns'])
      .optional()
      .openapi({ description: 'By what it is known as the cluster’s.' }),
    madeAt: z.string().optional(),
    usdPerHour: z.number().optional().openapi({ description: 'An estimate of list prices; without it nobody knows.' }),
    link: z.string().optional().openapi({ description: 'Where the console of the cloud shows it.' }),
    billable: z.literal(false).optional().openapi({ description: 'It is deleted, and lingers without a price.' }),
  })
  .openapi('Resource')

export const jobSchema = z
  .object({
    id: z.string(),
    clusterId: z.string(),
    type: z.enum(jobTypes),
    status: z.enum(jobStatuses),
    maxAttempts: z.int(),
    requestedBy: z.string(),
    reason: z.string().nullable(),
    remedy: z.string().nullable(),
    actor: z.enum(['requester', 'platform-team', 'cloud-provider']).nullable(),
    message: z.string().nullable(),
    cancelRequestedAt: time.nullable(),
    retryAt: time.nullable(),
    createdAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    residue: z
      .array(z.object({ resource: resourceSchema, why: z.string(), outcome: z.enum(residueOutcomes) }))
      .openapi({ description: 'What the installer left although it ended well, and what became of it.' }),
    plan: z
      .object({ takenAt: time, types: counts, left: counts })
      .nullable()
      .openapi({ description: 'Of a destroy: how many resources there were of each type, and how many are left.' }),
  })
  .openapi('Job')

export function showJob(row: JobRow): z.infer<typeof jobSchema> {
  const { id, clusterId, type, status, maxAttempts, requestedBy, reason, message } = row
  return {
    id,
    clusterId,
    type,
    status,
    maxAttempts,
    requestedBy,
    reason,
    ...explained(reason),
    message,
    cancelRequestedAt: row.cancelRequestedAt?.toISOString() ?? null,
    retryAt: row.retryAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
    residue: (row.params.residue ?? []).map((each) => ({ ...each, resource: resourceSchema.parse(each.resource) })),
    plan: row.params.plan ?? null,
  }
}

/** A cluster, and the job that it now has. */
export const submitted = z.object({ cluster: clusterSchema, job: jobSchema })

const minutes = z.number()
const odds = z.object({ reason: z.string(), retried: z.int(), succeeded: z.int() })
export const usualStageSchema = z
  .object({ stage: z.enum(stages), p50Minutes: minutes, p90Minutes: minutes })
  .openapi('UsualStage')
export const basisSchema = z
  .enum(bases)
  .openapi({ description: 'What the compared ones share: profile, region and version; the profile; or the platform.' })
export const outlookSchema = z
  .object({
    queuePlace: z
      .int()
      .nullable()
      .openapi({ description: `At most ${MOST_PLACES + 1}; null: it does not wait for a worker.` }),
    minutes: minutes.nullable().openapi({ description: 'How long it has run, or ran.' }),
    expected: z
      .object({ basis: basisSchema, count: z.int(), p50Minutes: minutes, p90Minutes: minutes })
      .nullable()
      .openapi({ description: 'From the start of the work to READY, by the last ones that went well here.' }),
    slowerThanPercent: z.int().nullable().openapi({ description: 'The share of them that were done sooner.' }),
    expectedEndAt: time.nullable().openapi({ description: 'null: nobody can say, or it is late already.' }),
    stages: z.array(
      z.object({
        stage: z.enum(stages),
        beganAt: time.nullable(),
        minutes: minutes.nullable(),
        p50Minutes: minutes.nullable(),
        p90Minutes: minutes.nullable(),
      }),
    ),
    retries: odds.nullable().openapi({
      description: 'How often another try followed on this reason here, and how often it went well.',
    }),
  })
  .openapi('Outlook')

export function showOutlook(outlook: Outlook): z.infer<typeof outlookSchema> {
  return {
    ...outlook,
    expectedEndAt: outlook.expectedEndAt?.toISOString() ?? null,
    stages: outlook.stages.map((each) => ({ ...each, beganAt: each.beganAt?.toISOString() ?? null })),
  }
}

export const logLineSchema = z
  .object({ seq: z.int(), at: z.string(), level: z.string(), message: z.string() })
  .openapi('LogLine')

function explained(reason: string | null) {
  const { remedy = null, actor = null } = explainReason(reason) ?? {}
  return { remedy, actor }
}

export const principalSchema = z.object({ type: z.enum(principalTypes), id: z.string() })

/** What can be done with a cluster and a job that an answer names. */
export const ofCluster = ['getCluster', 'extendCluster', 'protectCluster', 'unprotectCluster', 'getOutputs', 'getKubeconfig', 'revealKubeadminPassword', 'listClusterJobs', 'listArtifacts', 'destroyCluster', 'abandonCluster'] // prettier-ignore
export const ofJob = ['getJob', 'readJobLog', 'cancelJob', 'retryJob']

/** The answer of an operation that only says that it is done. */
export const noContent = { 204: { description: 'Done' } }
