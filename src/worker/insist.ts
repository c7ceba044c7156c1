// Asks a cluster's API again while it does not answer.
import { ZodError } from 'zod'
import { messageOf } from '../errors.ts'
import { ApiNotReached, ApiRefused } from '../kubernetes/refusals.ts'
import { uptimeMs } from '../uptime.ts'
import { DayTwoFailed } from './failures.ts'
import type { Operation } from './operation.ts'

const LOOK_MS = 10_000
const SHORTEST_LOOK_MS = 50

/** The pause between two looks. */
export const lookMsOf = (operation: Operation): number => operation.realMs(LOOK_MS, SHORTEST_LOOK_MS)

/** Throws Stopped, and DayTwoFailed at the end of the budget or for a refusal. */
export async function insist<T>(operation: Operation, budgetMs: number | undefined, act: () => Promise<T>): Promise<T> {
  const until = uptimeMs() + (budgetMs ?? 0)
  for (;;)
    try {
      return await act()
    } catch (error) {
      operation.stopping.throwIfAborted()
      if (error instanceof ApiRefused)
        throw new DayTwoFailed('ApiRefused', `the cluster's API refuses it: ${error.message}`)
      if (error instanceof ZodError)
        throw new DayTwoFailed('ApiRefused', `the cluster's API answers in a form that is not known: ${error.issues[0]?.path.join('.')}`) // prettier-ignore
      if (!(error instanceof ApiNotReached)) throw error
      if (uptimeMs() >= until)
        throw new DayTwoFailed('ApiNotReached', `the cluster's API is not reached: ${messageOf(error)}`)
      await operation.pause(lookMsOf(operation))
    }
}

/** Looks until it is so. `overdue`: what is wrong at the end of the budget. */
export async function until(
  operation: Operation,
  budgetMs: number,
  isSo: (leftMs: number) => Promise<boolean>,
  overdue: () => DayTwoFailed,
): Promise<void> {
  const end = uptimeMs() + budgetMs
  while (!(await isSo(end - uptimeMs()))) {
    if (uptimeMs() >= end) throw overdue()
    await operation.pause(lookMsOf(operation))
  }
}
