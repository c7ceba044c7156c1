// A job is one operation asked of a cluster; an attempt is one try of it. The pg-boss job has the UUID of ours.
import { jobStatuses, jobTypes, type attemptOutcomes, type jobAttempts, type jobs } from '../db/schema.ts'

export { jobStatuses, jobTypes }
export type JobType = (typeof jobTypes)[number]
export type JobStatus = (typeof jobStatuses)[number]
export type AttemptOutcome = (typeof attemptOutcomes)[number]
export type JobRow = typeof jobs.$inferSelect
export type AttemptRow = typeof jobAttempts.$inferSelect

/** What an operation needs beyond its cluster. */
export type JobParams = { replicas?: number }

export type LogLevel = 'debug' | 'info' | 'warning' | 'error' | 'fatal'
export type LogLine = { seq: number; at: string; level: LogLevel; message: string }

export const openJobStatuses = ['PENDING', 'RUNNING', 'RETRYING'] as const satisfies JobStatus[]

export const isOpen = ({ status }: Pick<JobRow, 'status'>): boolean =>
  (openJobStatuses as readonly string[]).includes(status)
