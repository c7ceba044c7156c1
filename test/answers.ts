// How tests read what an inventory answers.
import { describeUnanswered, type InventoryAnswer, type NotChecked, type Resource } from '../src/clouds/inventory.ts'
import type { Platform } from '../src/vocabulary.ts'

/** 'verified', or why it is not. */
export const whyNot = (platform: Platform, answer: { notChecked: NotChecked[] }): string =>
  describeUnanswered(platform, answer) ?? 'verified'

/** Throws unless all was told. */
export function foundIn(answer: InventoryAnswer): Resource[] {
  const unanswered = describeUnanswered('aws', answer)
  if (unanswered !== undefined) throw new Error(unanswered)
  return answer.found
}
