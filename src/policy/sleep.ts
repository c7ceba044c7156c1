// How long a cluster may sleep, which its certificates tell. Pure.
import semver from 'semver'
import { MAINTENANCE_BEFORE_MS } from '../hours/due.ts'

const DAY_MS = 86_400_000
/** What is promised of each release, in days. */
const PROMISED_DAYS = 90
const PROMISED_DAYS_BEFORE = 30
const SINCE = '4.18.0'
/** The signer of what the API server says to kubelets ends a year after the installation. */
const SIGNER_DAYS = 364

/** By then it must have been awake again. */
export function wakeBy(version: string, installedAt: Date, asleepAt: Date): Date {
  const isRecent = semver.gte(semver.coerce(version) ?? '0.0.0', SINCE)
  const promised = asleepAt.getTime() + (isRecent ? PROMISED_DAYS : PROMISED_DAYS_BEFORE) * DAY_MS
  return new Date(Math.min(promised, installedAt.getTime() + SIGNER_DAYS * DAY_MS))
}

/** Whether a cluster that is put to sleep now would wake again, and would not be woken for its certificates at once. */
export const maySleep = (cluster: { version: string; readyAt: Date | null; createdAt: Date }, at: Date): boolean =>
  wakeBy(cluster.version, cluster.readyAt ?? cluster.createdAt, at).getTime() > at.getTime() + MAINTENANCE_BEFORE_MS
