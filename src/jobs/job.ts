// A job is one operation asked of a cluster; an attempt is one try of it. The pg-boss job has the UUID of ours.
import type { JobStatus } from '../vocabulary.ts'

/** What an operation needs beyond its cluster. */
export type JobParams = { replicas?: number }

export type LogLevel = 'debug' | 'info' | 'warning' | 'error' | 'fatal'
export type LogLine = { seq: number; at: string; level: LogLevel; message: string }

export const openJobStatuses = ['PENDING', 'RUNNING', 'RETRYING'] as const satisfies JobStatus[]

export const isOpen = ({ status }: { status: JobStatus }): boolean =>
  (openJobStatuses as readonly string[]).includes(status)
