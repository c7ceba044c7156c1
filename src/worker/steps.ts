// The shape of an operation: its steps, in order. A worker may die after each step, and the next attempt makes that
// right. Tests kill a worker at every point that is listed here.
import type { Stage } from '../installer/stages.ts'
import type { Outcome } from '../jobs/settle.ts'
import type { JobType } from '../vocabulary.ts'
import type { Operation } from './operation.ts'

const MINUTE_MS = 60_000

export type Step<State> = {
  /** The point that is reached when the step is done. The operation's own name comes before it. */
  name: string
  /** What outlives the worker once the step is done. */
  leaves: string
  /** The stage that people see meanwhile. */
  stage?: Stage
  /**
   * The time for each run of the installer in the step, or for the step where none runs. leastMs: the least of it,
   * however fast a simulation is.
   */
  budget?: { minutes: (deadlines: Operation['claim']['cluster']['profileSnapshot']['deadlines']) => number; leastMs: number } // prettier-ignore
  /** Points that are reached within the step. */
  within?: readonly string[]
  isNeeded?: (state: State) => boolean
  take: (operation: Operation, state: State, budgetMs: number | undefined) => Promise<void>
  /** Takes away what the step left, in this attempt or an earlier one. Returns a sentence about the result. */
  undo?: (operation: Operation, how: { isLast: boolean }) => Promise<string>
}

/** `name` comes before the name of each of its points. */
export type OperationPlan = {
  name: string
  types: readonly JobType[]
  points: readonly string[]
  run: (operation: Operation) => Promise<Outcome>
}

export async function takeSteps<State>(
  name: string,
  steps: readonly Step<State>[],
  operation: Operation,
  state: State,
): Promise<void> {
  for (const step of steps) {
    if (step.isNeeded?.(state) === false) continue
    if (step.stage) await operation.enter(step.stage)
    await step.take(operation, state, budgetOf(operation, step.budget))
    operation.reached(`${name}:${step.name}`)
  }
}

/** Undoes the steps from the last to the first. Resolves with the sentences that the steps return. */
export async function undoSteps<State>(
  steps: readonly Step<State>[],
  operation: Operation,
  how: { isLast: boolean },
): Promise<string> {
  const told: string[] = []
  for (const step of steps.toReversed()) if (step.undo) told.push(await step.undo(operation, how))
  return told.join(' ')
}

/** Every point of an operation: its claim, the points of its steps, and its settle. */
export function pointsOf<State>(name: string, steps: readonly Step<State>[]): string[] {
  const names = steps.flatMap((step) => [...(step.within ?? []), step.name])
  return ['claimed', ...names, 'settled'].map((each) => `${name}:${each}`)
}

function budgetOf(operation: Operation, budget: Step<never>['budget']): number | undefined {
  if (!budget) return undefined
  const { deadlines } = operation.claim.cluster.profileSnapshot
  return operation.realMs(budget.minutes(deadlines) * MINUTE_MS, budget.leastMs)
}
