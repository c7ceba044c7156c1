// What a destroy is to take away, counted before it begins, and what of it is left.
import { countTypes, type InventoryAnswer } from '../clouds/inventory.ts'
import { messageOf } from '../errors.ts'
import { recordPlan } from '../jobs/attempts.ts'
import { takeInventory } from './inventory.ts'
import type { Operation } from './operation.ts'

/** Returns what is there. A later attempt of the job keeps the plan of the first one. */
export async function planRemoval(operation: Operation): Promise<InventoryAnswer> {
  const { job } = operation.claim
  const answer = await takeInventory(operation).catch((error: unknown): InventoryAnswer => {
    operation.log('warning', `What there is could not be counted: ${messageOf(error)}`)
    return { found: [], checked: [], notChecked: [] }
  })
  const types = countTypes(answer.found)
  if (!job.params.plan && answer.checked.length > 0) {
    const plan = { takenAt: new Date().toISOString(), types, left: types }
    await operation.fenced(async (tx) => recordPlan(tx, job.id, plan))
    job.params = { ...job.params, plan }
  }
  if (answer.checked.length > 0) operation.log('info', `To be taken away: ${wordsOf(types)}`)
  return answer
}

export async function compareWithPlan(operation: Operation, { found }: InventoryAnswer): Promise<void> {
  const { job } = operation.claim
  const { plan } = job.params
  if (!plan) return
  const left = countTypes(found)
  await operation.fenced(async (tx) => recordPlan(tx, job.id, { ...plan, left }))
  operation.log(
    'info',
    `Of ${sum(plan.types)} resources in the plan, and what came since, there are ${sum(left)}: ${wordsOf(left)}`,
  )
}

const sum = (types: Record<string, number>) => Object.values(types).reduce((total, count) => total + count, 0)

const wordsOf = (types: Record<string, number>) =>
  Object.entries(types)
    .map(([type, count]) => `${count} ${type}`)
    .join(', ') || 'nothing'
