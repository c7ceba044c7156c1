// The shape of an entry of the catalogue.
export type ReasonCategory =
  | 'quota'
  | 'capacity'
  | 'credentials'
  | 'permissions'
  | 'input'
  | 'network'
  | 'dns'
  | 'throttling'
  | 'cloud-flake'
  | 'bootstrap'
  | 'operators'
  | 'destroy'
  | 'deadline'
  | 'unknown'
  | 'none'

export type ReasonActor = 'requester' | 'platform-team' | 'cloud-provider'

/** maxAttempts counts every attempt that ends in this reason, including the first. Without it the job's limit holds. */
export type RetryAdvice = { worthwhile: boolean; delaySeconds: number; maxAttempts?: number }

export type Reason = {
  reason: string
  category: ReasonCategory
  actor: ReasonActor
  retry: RetryAdvice
  infrastructureMayExist: boolean | 'by-exit-code'
  remedy: string
  patterns: RegExp[]
  /** Clients that poll meet this code in good runs too, so it counts on error and fatal lines alone. */
  errorsOnly?: true
}

export const never: RetryAdvice = { worthwhile: false, delaySeconds: 0 }
export const once = (delaySeconds: number): RetryAdvice => ({ worthwhile: true, delaySeconds, maxAttempts: 2 })
export const upTo = (maxAttempts: number, delaySeconds: number): RetryAdvice => ({
  worthwhile: true,
  delaySeconds,
  maxAttempts,
})
