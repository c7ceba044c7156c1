// The lease of one attempt. Lock and delivery are renewed together, over a connection of their own. Each good renewal
// moves the time until which a child process may live. All times are measured by uptimeMs.
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { Claim } from '../jobs/claim.ts'
import { leaseMs, LockLost, RENEW_TIMEOUT_MS, renewEveryMs, renewLock } from '../jobs/lock.ts'
import { uptimeMs } from '../uptime.ts'

export type Lease = {
  /** The time, by uptimeMs, until which a child process may live as things are. */
  untilMs: () => number
  close: () => void
}

type Heard = {
  renewed: (untilMs: number) => void
  cancelled: () => void
  /** Called when the lease is lost: nothing that is written from now on counts. */
  lost: (why: string) => void
}

export function openLease(
  { leaseDb, queue, events, config, log }: Pick<App, 'leaseDb' | 'queue' | 'events' | 'config' | 'log'>,
  { lock, delivery, claimedAtMs }: Claim,
  tell: Heard,
): Lease {
  const { leaseSeconds } = config
  const lease = leaseMs(leaseSeconds)
  let renewedAtMs = claimedAtMs
  let renewing: Promise<void> | undefined

  const renewNow = async () => {
    const sentAtMs = uptimeMs()
    try {
      const { cancelRequested } = await renewLock(leaseDb, queue, lock, delivery, leaseSeconds)
      // Counted from the sending: the database counted from a later moment, so the child dies before the lock can.
      renewedAtMs = Math.max(renewedAtMs, sentAtMs)
      tell.renewed(renewedAtMs + lease)
      if (cancelRequested) tell.cancelled()
    } catch (error) {
      if (error instanceof LockLost) tell.lost(error.message)
      else log.warn({ err: error }, 'a lease could not be renewed')
    }
  }
  // A renewal that hangs on a dead connection must not keep the next one from trying another connection.
  const patienceMs = Math.min(RENEW_TIMEOUT_MS, renewEveryMs(leaseSeconds))
  const renew = () =>
    (renewing ??= Promise.race([renewNow(), setTimeout(patienceMs, undefined, { ref: false })]).finally(
      () => (renewing = undefined),
    ))
  const renewTimer = setInterval(() => void renew(), renewEveryMs(leaseSeconds))
  const deadlineTimer = setInterval(() => {
    if (uptimeMs() - renewedAtMs > lease) tell.lost(`the lease was not renewed for ${lease / 1000} s`)
  }, 1000)
  const unhear = events.on('cancel', lock.jobId, () => void renew())
  return {
    untilMs: () => renewedAtMs + lease,
    close() {
      clearInterval(renewTimer)
      clearInterval(deadlineTimer)
      unhear()
    },
  }
}
