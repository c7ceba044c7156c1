// A job is one operation asked of a cluster; an attempt is one try of it. The pg-boss job has the UUID of ours.
import type { JobStatus } from '../vocabulary.ts'

export const openJobStatuses = ['PENDING', 'RUNNING', 'RETRYING'] as const satisfies JobStatus[]

export const isOpen = ({ status }: { status: JobStatus }): boolean =>
  (openJobStatuses as readonly string[]).includes(status)
