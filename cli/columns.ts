// What people see of a list, by the name of its schema. What is not here shows its first properties.
import type { Column, Item } from './output.ts'

/** The first list is always shown, the second with -o wide. `name:TITLE` gives a title of its own. */
const shown: Record<string, [string, string]> = {
  Cluster: [
    'name status destroyAt:ENDS platform region version profile owner team usdPerHour:USD/H',
    'id baseDomain:DOMAIN infraId createdAt:ASKED readyAt:READY protected statusReason:REASON',
  ],
  Job: [
    'id type status clusterId:CLUSTER createdAt:ASKED endedAt:ENDED reason',
    'startedAt:STARTED requestedBy:BY message',
  ],
  Operation: [
    'id verb status total done refused failed createdAt:ASKED endedAt:ENDED',
    'hours filter requestedBy:BY pending startedAt:STARTED',
  ],
  OperationItem: ['name outcome effect code detail', 'clusterId:CLUSTER jobId:JOB endedAt:ENDED'],
  Profile: ['name displayName:TITLE platform enabled', 'description'],
  Finding: [
    'id type clusterName:CLUSTER firstSeenAt:SINCE resolvedAt:RESOLVED detail',
    'subject lastSeenAt:SEEN repair',
  ],
  Leak: ['id clusterName:CLUSTER createdAt:SINCE recordedBy:BY reason', 'infraIds resources'],
  ApiToken: ['id name scopes expiresAt:EXPIRES lastUsedAt:USED', 'createdBy:BY createdAt:MADE'],
  RoleBinding: ['id team role principalType:KIND principal enabled', 'notes createdBy:BY createdAt:MADE'],
  AuditEvent: [
    'at:WHEN actor action outcome clusterId:CLUSTER detail',
    'id jobId:JOB session requestId:REQUEST address agent',
  ],
  Artifact: ['id kind stage sizeBytes:BYTES createdAt:STORED', 'infraId sha256'],
  Happening: ['at:WHEN says:WHAT by', 'kind status jobId:JOB attempt isFailure:FAILED id'],
  Worker: [
    'host pid isAlive:ALIVE version busy slots seenAt:SEEN',
    'id startedAt:STARTED databaseStartedAt:DATABASE jobs',
  ],
  Schedule: ['name nextRunAt:NEXT isRunning:RUNNING does', 'cron lastRun:LAST'],
  Webhook: ['id team origin form enabled', 'types failingSince disabledReason createdAt:MADE'],
  Delivery: [
    'id type status tries lastTriedAt:TRIED answerStatus:ANSWER problem',
    'clusterId:CLUSTER noticeId sequence tookMs nextTryAt:NEXT answer',
  ],
}
const FEW = 7

export function columnsOf(shape: string, properties: string[], isWide: boolean): Column[] {
  const [few, more] = shown[shape] ?? [properties.slice(0, FEW).join(' '), properties.slice(FEW).join(' ')]
  return `${few} ${isWide ? more : ''}`
    .split(' ')
    .map((word) => word.split(':'))
    .filter(([name]) => name !== undefined && properties.includes(name))
    .map(([name = '', title]) => ({
      title: title ?? titleOf(name).toUpperCase(),
      // What is gone has no end before it.
      of: (item: Item) => (name === 'destroyAt' ? (item['destroyedAt'] ?? item[name]) : item[name]),
      kind: /At$|^at$/.test(name) ? 'time' : name === 'status' ? 'status' : name.startsWith('usd') ? 'usd' : undefined,
    }))
}

/** `destroyAt` → `destroy at` */
export const titleOf = (name: string) => name.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
