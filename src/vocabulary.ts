// The closed lists of words. A column, a request or an answer holds one word of its list and no other.
export const clusterStatuses = [
  'PENDING',
  'CREATING',
  'READY',
  'SCALING',
  'HIBERNATING',
  'HIBERNATED',
  'RESUMING',
  'DESTROYING',
  'DESTROYED',
  'FAILED',
  'DESTROY_FAILED',
] as const
export type ClusterStatus = (typeof clusterStatuses)[number]

export const platforms = ['aws', 'azure', 'gcp', 'ibmcloud'] as const
export type Platform = (typeof platforms)[number]

export const jobTypes = [
  'CREATE',
  'DESTROY',
  'SCALE_WORKERS',
  'HIBERNATE',
  'RESUME',
  'JANITOR_DESTROY',
  'ORPHAN_SWEEP',
] as const
export type JobType = (typeof jobTypes)[number]
/** Those that run no installer: they mostly wait for a cloud or a cluster. */
export const turnTypes: readonly JobType[] = ['SCALE_WORKERS', 'HIBERNATE', 'RESUME']

export const jobStatuses = ['PENDING', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const
export type JobStatus = (typeof jobStatuses)[number]

export const attemptOutcomes = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'INTERRUPTED', 'LOST'] as const
export type AttemptOutcome = (typeof attemptOutcomes)[number]

export const logLevels = ['debug', 'info', 'warning', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

export const roles = ['requester', 'team_admin', 'platform_admin', 'auditor'] as const
export type Role = (typeof roles)[number]

export const principalTypes = ['iam_user', 'iam_role', 'iam_group', 'oidc_subject', 'oidc_group', 'token'] as const
export type PrincipalType = (typeof principalTypes)[number]

export const artifactKinds = ['snapshot', 'log', 'metadata'] as const
export type ArtifactKind = (typeof artifactKinds)[number]

export const findingTypes = [
  'job-without-queue-entry',
  'queue-entry-without-job',
  'lock-without-worker',
  'cluster-without-job',
  'resources-of-destroyed-cluster',
  'resources-without-cluster',
  'snapshot-missing',
  'snapshot-corrupt',
  'cluster-adopted',
] as const
export type FindingType = (typeof findingTypes)[number]

export const noticeTypes = [
  'cluster.requested',
  'cluster.creating',
  'cluster.ready',
  'cluster.hibernated',
  'cluster.sleep_near',
  'cluster.wake_near',
  'cluster.failed',
  'cluster.destroying',
  'cluster.destroyed',
  'cluster.destroy_failed',
  'cluster.end_moved',
  'cluster.end_near',
  'job.ended',
  'quota.near',
  'finding.filed',
  'webhook.disabled',
  'webhook.test',
] as const
export type NoticeType = (typeof noticeTypes)[number]

/** What the stream of events tells beside these; nobody else is told. */
export const changeTypes = ['cluster.changed', 'job.changed'] as const
export type ChangeType = (typeof changeTypes)[number]

export const webhookForms = ['standard', 'cloudevents', 'slack'] as const
export type WebhookForm = (typeof webhookForms)[number]

export const deliveryStatuses = ['PENDING', 'DELIVERED', 'FAILED', 'SKIPPED'] as const
export type DeliveryStatus = (typeof deliveryStatuses)[number]

export const operationVerbs = ['destroy', 'extend', 'retry', 'cancel'] as const
export type OperationVerb = (typeof operationVerbs)[number]

/** What an operator may keep from beginning. */
export const pausedKinds = ['creates', 'destroys'] as const
export type PausedKind = (typeof pausedKinds)[number]

export const pauseScopes = ['all', 'platform', 'profile', 'team'] as const
export type PauseScope = (typeof pauseScopes)[number]

export const operationStatuses = ['PENDING', 'RUNNING', 'ENDED'] as const
export type OperationStatus = (typeof operationStatuses)[number]

/** FAILED: it broke, as no rule foresees. */
export const itemOutcomes = ['PENDING', 'DONE', 'REFUSED', 'FAILED'] as const
export type ItemOutcome = (typeof itemOutcomes)[number]

/** What an operation does to one of its clusters. */
export const operationEffects = [
  'destroy-begins',
  'destroy-under-way',
  'end-later',
  'end-earlier',
  'create-again',
  'destroy-again',
  'create-cancelled',
  'destroy-cancelled',
] as const
export type OperationEffect = (typeof operationEffects)[number]

/** What became of a thing that the installer left. `unsure`: it was found by its name alone. */
export const residueOutcomes = ['shown', 'unsure', 'planned', 'removed', 'refused'] as const
