// The shape of an entry of the catalogue.
export type ReasonCategory =
  | 'quota'
  | 'capacity'
  | 'credentials'
  | 'permissions'
  | 'input'
  | 'conflict'
  | 'network'
  | 'dns'
  | 'throttling'
  | 'cloud-flake'
  | 'bootstrap'
  | 'operators'
  | 'destroy'
  | 'worker'
  | 'deadline'
  | 'unknown'
  | 'none'

export type ReasonActor = 'requester' | 'platform-team' | 'cloud-provider'

/** maxAttempts counts every attempt that ends in this reason, including the first. Without it the job's limit holds. */
export type RetryAdvice = { worthwhile: boolean; delaySeconds: number; maxAttempts?: number }

/** Where the wording was learnt: the regexes of OpenShift Hive, the code of the installer, reports of users, or the cloud's own list of error codes. */
export type Source = 'Hive' | 'installer' | 'reports' | 'AWS' | 'Azure' | 'Google' | 'IBM' | 'ours'

export type Reason = {
  reason: string
  category: ReasonCategory
  actor: ReasonActor
  retry: RetryAdvice
  infrastructureMayExist: boolean | 'by-exit-code'
  remedy: string
  source: Source
  /** Each must contain a run of at least six characters that is always there: `words.ts` looks for it first. */
  patterns: RegExp[]
  /** A line that matches this does not count. */
  unless?: RegExp
  /** Clients that poll meet this code in good runs too, so it counts on error and fatal lines alone. */
  errorsOnly?: true
  /** Once infrastructure was begun, the same code speaks of something that was just made. */
  beforeInfrastructure?: true
}

export const never: RetryAdvice = { worthwhile: false, delaySeconds: 0 }
export const once = (delaySeconds: number): RetryAdvice => ({ worthwhile: true, delaySeconds, maxAttempts: 2 })
export const upTo = (maxAttempts: number, delaySeconds: number): RetryAdvice => ({
  worthwhile: true,
  delaySeconds,
  maxAttempts,
})
