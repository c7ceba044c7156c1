// Says why an installer's run failed, from its exit code and its log: who has to act, whether another attempt is worth
// it, and whether something may exist in the cloud. It only reads; the same input always gives the same answer.
import { causes, deadlineExceeded, noFailure, unknownError } from './catalog.ts'
import type { Reason, ReasonActor, ReasonCategory, RetryAdvice } from './entry.ts'
import { readLog, type LogLine, type ReadLog } from './evidence.ts'
import { fingerprintOf } from './fingerprint.ts'
import { symptoms } from './symptoms.ts'

export type Run = {
  log: string
  /** The exit code of the installer, or 124, 130, 137 or 143 when it was stopped from outside. */
  exitCode?: number | undefined
  /** The command, as in `destroy cluster`. The log of a destroy is read from the start of that run. */
  command?: string | undefined
}

export type Evidence = { line: number; text: string }

export type Diagnosis = {
  /** `None` for a run that ended well, `UnknownError` where nothing known fits. */
  reason: string
  category: ReasonCategory
  actor: ReasonActor
  retry: RetryAdvice
  infrastructureMayExist: boolean
  remedy: string
  fingerprint: string
  evidence: Evidence[]
}

type Match = { reason: Reason; lines: { line: LogLine; at: number }[] }

const MOST_EVIDENCE = 5
const LONGEST_EVIDENCE = 500

const INTERRUPTED = 8
const STOPPED_FROM_OUTSIDE = [INTERRUPTED, 124, 130, 137, 143]

export function diagnose({ log, exitCode, command = '' }: Run): Diagnosis {
  const read = readLog(log, { fromLastStart: command.startsWith('destroy') })
  const match = endedWell(read, exitCode)
    ? { reason: noFailure, lines: [] }
    : (findReason(read, exitCode) ?? { reason: reasonOfExitCode(exitCode), lines: [] })
  const { reason, category, actor, retry, remedy } = match.reason
  const evidence = match.lines.length > 0 ? match.lines : read.ending.map((line) => ({ line, at: 0 }))
  return {
    reason,
    category,
    actor,
    retry,
    infrastructureMayExist: infrastructureMayExist(match.reason, read, exitCode),
    remedy: read.isEmpty && match.reason === unknownError ? `No log was captured. ${remedy}` : remedy,
    fingerprint: fingerprintOf(reason, match.reason === noFailure ? [] : read.ending),
    evidence: match.reason === noFailure ? [] : evidence.slice(-MOST_EVIDENCE).map(showLine),
  }
}

function endedWell(read: ReadLog, exitCode: number | undefined): boolean {
  // Some old installers ended with 0 after a fatal line.
  if (exitCode === 0) return !read.hasFatalAtEnd
  if (exitCode !== undefined) return false
  return read.success === 'install' || (read.success === 'uninstall' && !read.hasErrors)
}

/**
 * Retries make clouds complain in runs that succeed, so the place of a line counts before its text. Only the stage in
 * which the run ended is asked at first: the run recovered from what was said in earlier stages. In that stage, error
 * lines go before the rest: the Cluster API controllers tell the cause on debug lines only, among much that they
 * recovered from. A cause anywhere goes before a symptom, because the fatal line is often just a timeout.
 */
function findReason(read: ReadLog, exitCode: number | undefined): Match | undefined {
  // An interrupted installer reports every wait that was cut short as a separate failure.
  const toldSymptoms = exitCode === INTERRUPTED ? [] : symptoms
  const wasStopped = exitCode !== undefined && STOPPED_FROM_OUTSIDE.includes(exitCode)
  return (
    firstMatch(causes, read.errors) ??
    firstMatch(
      causes.filter((cause) => !cause.errorsOnly),
      read.others,
    ) ??
    firstMatch(toldSymptoms, [...read.errors, ...read.others]) ??
    (wasStopped ? undefined : firstMatch([...causes, ...toldSymptoms], read.earlierErrors))
  )
}

function firstMatch(reasons: readonly Reason[], lines: LogLine[]): Match | undefined {
  for (const reason of reasons) {
    const hits: Match['lines'] = []
    for (const line of lines) {
      const at = placeOf(reason, line)
      if (at !== undefined) hits.push({ line, at })
      if (hits.length === MOST_EVIDENCE) break
    }
    if (hits.length > 0) return { reason, lines: hits }
  }
  return undefined
}

function placeOf(reason: Reason, line: LogLine): number | undefined {
  for (const pattern of reason.patterns) {
    const at = line.said.search(pattern)
    if (at >= 0) return at
  }
  return undefined
}

function reasonOfExitCode(exitCode: number | undefined): Reason {
  if (exitCode === undefined) return unknownError
  if (STOPPED_FROM_OUTSIDE.includes(exitCode)) return deadlineExceeded
  const id: Record<number, string> = {
    3: 'InvalidInstallConfig',
    5: 'GenericBootstrapFailed',
    6: 'GeneralClusterOperatorsStillUpdating',
    7: 'GeneralClusterOperatorsStillUpdating',
  }
  return symptoms.find(({ reason }) => reason === id[exitCode]) ?? unknownError
}

const BEFORE_INFRASTRUCTURE = /Platform (?:Quota|Permissions|Provisioning|Credentials) Check|"?Install Config"?/

/** A wrong answer is only possible in one direction: destroying what does not exist costs nothing. */
function infrastructureMayExist(reason: Reason, read: ReadLog, exitCode: number | undefined): boolean {
  if (exitCode === 3) return false
  if (reason === noFailure) return read.infrastructureBegan && read.success !== 'uninstall'
  if (exitCode !== undefined && exitCode >= 4) return true
  if (read.infrastructureBegan) return true
  if (reason.infrastructureMayExist !== 'by-exit-code') return reason.infrastructureMayExist
  return !read.ending.some(({ level, said }) => level === 'error' && BEFORE_INFRASTRUCTURE.test(said))
}

function showLine({ line, at }: Match['lines'][number]): Evidence {
  const from = at > LONGEST_EVIDENCE - 200 ? at - 200 : 0
  const text = `${from > 0 ? '… ' : ''}${line.said.slice(from)}`.replace(/\s+/g, ' ').trim()
  return { line: line.number, text: text.slice(0, LONGEST_EVIDENCE) }
}
