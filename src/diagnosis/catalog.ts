// Why an installation or a removal fails, as data: what it is, who acts, whether and when another attempt is worth it.
// The first entry that matches wins, so a list goes from the specific to the general. A code that a cloud prints is
// preferred to a sentence of the installer, which changes with every generation.
import { awsLimitReasons } from './aws-limits.ts'
import { awsReasons } from './aws.ts'
import { azureReasons } from './azure.ts'
import { credentialReasons } from './credentials.ts'
import { never, once, type Reason } from './entry.ts'
import { causesEverywhere, unknownField } from './everywhere.ts'
import { gcpReasons } from './gcp.ts'
import { generalReasons } from './general.ts'
import { ibmcloudReasons } from './ibmcloud.ts'
import { symptoms } from './symptoms.ts'

/** What went wrong. Any of these is a better answer than a symptom, wherever in the failed stage it appears. */
export const causes: readonly Reason[] = [
  ...awsLimitReasons,
  ...awsReasons,
  ...gcpReasons,
  ...azureReasons,
  ...ibmcloudReasons,
  ...credentialReasons,
  ...causesEverywhere,
]

/** A run that ended well is no failure. A caller that asks all the same gets this answer. */
export const noFailure: Reason = {
  reason: 'None',
  category: 'none',
  actor: 'requester',
  retry: never,
  infrastructureMayExist: 'by-exit-code',
  remedy: 'The run ended well; there is nothing to repair.',
  source: 'Hive',
  patterns: [],
}

export const deadlineExceeded: Reason = {
  reason: 'AttemptDeadlineExceeded',
  category: 'deadline',
  actor: 'platform-team',
  retry: once(300),
  infrastructureMayExist: true,
  remedy:
    'The installer was stopped from outside before it had ended, normally because its time was up. The last lines say what it waited for.',
  source: 'Hive',
  patterns: [],
}

/** Without an exit code a log without an end is no failure. */
export const notEnded: Reason = {
  reason: 'NotEnded',
  category: 'none',
  actor: 'requester',
  retry: never,
  infrastructureMayExist: 'by-exit-code',
  remedy: 'The run had not ended when this log was taken, so nothing has failed yet. Look at a later one.',
  source: 'ours',
  patterns: [],
}

export const unknownError: Reason = {
  reason: 'UnknownError',
  category: 'unknown',
  actor: 'platform-team',
  retry: once(60),
  infrastructureMayExist: 'by-exit-code',
  remedy:
    'Nothing known fits this log. Read the evidence; its fingerprint finds other attempts that ended the same way.',
  source: 'Hive',
  patterns: [],
}

export const catalogue: readonly Reason[] = [
  ...causes,
  ...generalReasons,
  ...symptoms,
  unknownField,
  deadlineExceeded,
  unknownError,
  notEnded,
  noFailure,
]

/** Each reason under the platform of which it is. Those of the installer itself are of any. */
export const reasonsByPlatform: readonly { platform: string; reasons: readonly Reason[] }[] = [
  { platform: 'aws', reasons: [...awsLimitReasons, ...awsReasons] },
  { platform: 'azure', reasons: azureReasons },
  { platform: 'gcp', reasons: gcpReasons },
  { platform: 'ibmcloud', reasons: ibmcloudReasons },
  { platform: 'any', reasons: [...credentialReasons, ...causesEverywhere, ...generalReasons, ...symptoms] },
  { platform: 'any', reasons: [unknownField, deadlineExceeded, unknownError, notEnded, noFailure] },
]
