// Says why an installer's run failed, from its exit code and its log: who has to act, whether another attempt is worth
// it, and whether something may exist in the cloud. It only reads; the same input always gives the same answer.
import { causes, deadlineExceeded, noFailure, notEnded, unknownError } from './catalog.ts'
import type { Reason, ReasonActor, ReasonCategory, RetryAdvice } from './entry.ts'
import { readLog, type ReadLog } from './evidence.ts'
import { unknownField } from './everywhere.ts'
import { fingerprintOf } from './fingerprint.ts'
import { generalReasons } from './general.ts'
import type { LogLine } from './log-line.ts'
import { BEFORE, WHILE_BOOTSTRAP_REMOVED } from './progress.ts'
import { cloudSays, linesThatTell } from './shown.ts'
import { symptoms } from './symptoms.ts'
import { tellingReasons } from './telling.ts'

export type Run = {
  log: string
  /** The exit code of the installer, or 124, 130, 137 or 143 when it was stopped from outside. */
  exitCode?: number | undefined
  /** The command, as in `destroy cluster`. The log of a destroy is read from the start of that run. */
  command?: string | undefined
}

export type Evidence = { line: number; text: string }

export type Diagnosis = {
  /** `None` for a run that ended well, `NotEnded` for one that may go on, `UnknownError` where nothing known fits. */
  reason: string
  category: ReasonCategory
  actor: ReasonActor
  retry: RetryAdvice
  infrastructureMayExist: boolean
  remedy: string
  /** How far the run came, as the end of a sentence. */
  stage: string
  fingerprint: string
  evidence: Evidence[]
}

type Match = { reason: Reason; lines: { line: LogLine; at: number }[] }

const MOST_EVIDENCE = 5
const LONGEST_EVIDENCE = 500

const INTERRUPTED = 8
const STOPPED_FROM_OUTSIDE = [INTERRUPTED, 124, 130, 137, 143]

export function diagnose({ log, exitCode, command = '' }: Run): Diagnosis {
  const isDestroy = command.startsWith('destroy')
  const read = readLog(log, { fromLastStart: isDestroy })
  const match = findAnswer(read, exitCode)
  const { reason, category, actor, retry } = match.reason
  const isFailure = match.reason !== noFailure
  const ending = [...read.conditions, ...read.ending]
  const shown = match.lines.length > 0 ? match.lines : linesThatTell(ending, MOST_EVIDENCE).map(fromItsBegin)
  return {
    reason,
    category,
    actor,
    retry,
    infrastructureMayExist: infrastructureMayExist(match.reason, read, exitCode),
    remedy: remedyOf(match, read, ending),
    stage: isDestroy ? WHILE_DESTROYED : stageOf(read),
    fingerprint: fingerprintOf(reason, isFailure ? read.ending : []),
    evidence: isFailure ? shown.slice(-MOST_EVIDENCE).map(showLine) : [],
  }
}

function findAnswer(read: ReadLog, exitCode: number | undefined): Match {
  if (endedWell(read, exitCode)) return { reason: noFailure, lines: [] }
  if (mayGoOn(read, exitCode)) {
    const complaint = firstMatch(causes, read.others)
    // While it waits, controllers complain of what they are about to get over.
    if (!complaint || read.waiting) return { reason: notEnded, lines: complaint?.lines ?? [] }
  }
  return findReason(read, exitCode) ?? { reason: reasonOfExitCode(exitCode), lines: [] }
}

function endedWell(read: ReadLog, exitCode: number | undefined): boolean {
  // Some old installers ended with 0 after a fatal line.
  if (exitCode === 0) return !read.hasFatalAtEnd
  if (exitCode !== undefined || read.success === undefined) return false
  return read.success === 'install' || !read.hasErrors
}

/** Nobody knows how the run ended, and nothing in its last stage says that it did. */
function mayGoOn(read: ReadLog, exitCode: number | undefined): boolean {
  if (exitCode !== undefined || read.hasErrorsAtEnd || read.errors.length > 0) return false
  return read.hasLevels || read.waiting !== undefined
}

/**
 * Retries make clouds complain in runs that succeed, so the place of a line counts before its text. Only the stage in
 * which the run ended is asked at first: the run recovered from what was said in earlier stages. In that stage, error
 * lines go before the rest: the Cluster API controllers tell the cause on debug lines only, among much that they
 * recovered from. A cause anywhere goes before a general answer and that before a symptom, because the fatal line is
 * often just a timeout.
 */
function findReason(read: ReadLog, exitCode: number | undefined): Match | undefined {
  // An interrupted installer reports every wait that was cut short as a separate failure.
  const toldSymptoms = exitCode === INTERRUPTED ? [] : symptoms
  const wasStopped = exitCode !== undefined && STOPPED_FROM_OUTSIDE.includes(exitCode)
  const possible = causes.filter((cause) => !(cause.beforeInfrastructure && read.infrastructureBegan))
  // The cluster may be usable when its bootstrap machine stays, whatever the cloud said.
  const general = read.stage === WHILE_BOOTSTRAP_REMOVED ? [] : generalReasons
  return (
    firstMatch([...possible, unknownField], read.errors) ??
    firstMatch(
      possible.filter((cause) => !cause.errorsOnly),
      read.others,
    ) ??
    firstMatch(general, read.errors) ??
    withComplaint(firstMatch(toldSymptoms, [...read.errors, ...read.others]), read) ??
    (wasStopped || !read.hasErrorsAtEnd ? firstMatch([unknownField], read.others) : undefined) ??
    (wasStopped ? undefined : firstMatch([...causes, ...toldSymptoms], read.earlierErrors))
  )
}

/**
 * A symptom of infrastructure says only that it was not there in time. What the controllers complained of last, and what
 * the installer printed of conditions, is shown with it; a general answer to that complaint is the better one.
 */
function withComplaint(symptom: Match | undefined, read: ReadLog): Match | undefined {
  if (symptom?.reason.category !== 'cloud-flake') return symptom
  const complaints = read.others.filter(({ said }) => COMPLAINT.test(said))
  const general = firstMatch(generalReasons, complaints.slice(-1))
  if (general) return { reason: general.reason, lines: [...general.lines, ...symptom.lines] }
  const told = [...linesThatTell(read.conditions, 2), ...linesThatTell(read.others.slice(-50), 2)]
  return { reason: symptom.reason, lines: [...told.map(fromItsBegin), ...symptom.lines].slice(-MOST_EVIDENCE) }
}

const COMPLAINT = /Reconciler? error|failed to reconcile|error reconciling|unable to create|failed to (?:create|run)\b/i
const fromItsBegin = (line: LogLine): Match['lines'][number] => ({ line, at: 0 })

function firstMatch(reasons: readonly Reason[], lines: readonly LogLine[]): Match | undefined {
  const linesOf = new Map<number, LogLine[]>()
  for (const line of lines)
    for (const hit of line.hits) {
      const known = linesOf.get(hit)
      if (known) known.push(line)
      else linesOf.set(hit, [line])
    }
  for (const reason of reasons) {
    const hits: Match['lines'] = []
    for (const line of linesOf.get(tellingReasons.indexOf(reason)) ?? []) {
      // A message of several lines is only asked where none of its lines has the answer.
      if (line.parts && hits.length > 0) continue
      const at = placeOf(reason, line)
      if (at !== undefined) hits.push({ line, at })
      if (hits.length === MOST_EVIDENCE) break
    }
    if (hits.length > 0) return { reason, lines: hits }
  }
  return undefined
}

function placeOf({ patterns, unless }: Reason, line: LogLine): number | undefined {
  if (unless?.test(line.said)) return undefined
  for (const pattern of patterns) {
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

/** The remedy of the reason, and what this log adds where the reason alone says little. */
function remedyOf({ reason, lines }: Match, read: ReadLog, ending: LogLine[]): string {
  const { waiting, isEmpty } = read
  const wait = waiting && `it waits for ${waiting.for} since ${waiting.since}`
  if (reason === noFailure && read.success === 'gather') return GATHERED
  if (reason === notEnded) return wait ? `Not ended; ${wait}. ${reason.remedy}` : reason.remedy
  if (reason === deadlineExceeded && waiting)
    return `${reason.remedy} It waited for ${waiting.for} since ${waiting.since}.`
  if (reason === unknownError && isEmpty) return `No log was captured. ${reason.remedy}`
  if (!saysLittle(reason)) return reason.remedy
  const says = cloudSays(lines.length > 0 ? [...ending, ...lines.map(({ line }) => line)] : ending)
  const where = reason === unknownError && `It failed ${stageOf(read)}.`
  return [says && `${says}.`, where, reason.remedy].filter(Boolean).join(' ')
}

const GATHERED =
  'The logs of the machines were gathered; the log names their bundle. Why an installation failed is told there and in the log before this one.'

const saysLittle = (reason: Reason): boolean =>
  reason === unknownError ||
  generalReasons.includes(reason) ||
  (symptoms.includes(reason) && ['unknown', 'destroy', 'cloud-flake'].includes(reason.category))

/** The stage by its marks or, of a log that begins later, by what failed. */
function stageOf({ stage, ending }: ReadLog): string {
  if (stage !== BEFORE) return stage
  const said = ending.map((line) => line.said).join('\n')
  return failedStages.find(([pattern]) => pattern.test(said))?.[1] ?? stage
}

const WHILE_DESTROYED = 'while the cluster was destroyed'
const failedStages: [RegExp, string][] = [
  [/failed to destroy cluster/i, WHILE_DESTROYED],
  [/failed to create cluster|failed to apply (?:using )?Terraform/i, 'while the infrastructure was made'],
  [/failed waiting for Kubernetes API|waiting for Kubernetes API/i, 'while it waited for the Kubernetes API'],
  [/Bootstrap failed to complete|bootstrapping to complete/i, 'while it waited for the bootstrap'],
  [/failed to initialize the cluster/i, 'while it waited for the cluster to initialize'],
]

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
  const number = line.parts?.findLast((part) => part.at <= at)?.number ?? line.number
  return { line: number, text: text.slice(0, LONGEST_EVIDENCE) }
}
