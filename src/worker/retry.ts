// How long a failed attempt waits: the reason's own delay, doubled with each try, at most an hour. Jitter is added, so
// that many attempts that failed together do not come back together.
import type { Operation } from './operation.ts'

const LONGEST_SECONDS = 3600
const JITTER = 0.25

export function retrySeconds(operation: Operation, reasonSeconds: number, tries: number): number {
  const seconds = Math.min(LONGEST_SECONDS, reasonSeconds * 2 ** Math.max(0, tries - 1))
  const jittered = seconds * (1 - JITTER + Math.random() * 2 * JITTER)
  return Math.ceil(operation.realMs(jittered * 1000, 0) / 1000)
}
