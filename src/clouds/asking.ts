// What all clouds have in common when they are asked. Silence never counts as emptiness: a refusal, no answer in time, or
// an answer without its list makes the whole "not verified".
import type { InventoryAnswer, InventoryQuery, Place, Resource } from './inventory.ts'

/** In which credentials are looked for. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A cloud was asked and did not tell. */
export class NotAnswered extends Error {
  override readonly name = 'NotAnswered'
  /** What it takes to be told: on AWS and Google Cloud a permission, on Azure an action, on IBM Cloud a service's role. */
  readonly permission: string
  /** The caller lacks it. */
  readonly isDenied: boolean

  constructor(
    permission: string,
    why: string,
    { cause, isDenied = false }: { cause?: unknown; isDenied?: boolean } = {},
  ) {
    super(why, { cause })
    this.permission = permission
    this.isDenied = isDenied
  }
}

/** Opens a session for one look, and closes it. */
export async function inSession<Session extends { close: () => void }, T>(
  opening: Promise<Session>,
  look: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await opening
  try {
    return await look(session)
  } finally {
    session.close()
  }
}

/** A question about a place, and about no cluster. */
export const ofNobody = (place: Place): InventoryQuery => ({
  ...place,
  clusterId: undefined,
  infraIds: [],
  records: 'all',
})

/** Only a few: the request limits belong to the account, and destroyers of other clusters need them too. */
const QUESTIONS_AT_ONCE = 4
const SHOWN_PERMISSIONS = 3

export type Told<T> = { answers: T[]; refusals: NotAnswered[] }

/** Asks everything, whatever is refused. Throws what is no NotAnswered. */
export async function askAll<T>(questions: (() => Promise<T[]>)[]): Promise<Told<T>> {
  const waiting = [...questions]
  const told: Told<T> = { answers: [], refusals: [] }
  const askNext = async () => {
    for (let question = waiting.shift(); question; question = waiting.shift())
      try {
        told.answers.push(...(await question()))
      } catch (error) {
        if (!(error instanceof NotAnswered)) throw error
        told.refusals.push(error)
      }
  }
  await Promise.all(Array.from({ length: QUESTIONS_AT_ONCE }, askNext))
  return told
}

export function answerOf(
  cloud: string,
  { answers: found, refusals }: Told<Resource>,
  holders: Resource[] = [],
): InventoryAnswer {
  if (refusals.length > 0) return { verified: false, reason: explain(cloud, refusals) }
  const all = unique(found)
  const lingering = all.filter(({ billable }) => billable === false)
  return {
    verified: true,
    resources: all.filter((each) => !lingering.includes(each)),
    ...(lingering.length > 0 ? { lingering } : {}),
    ...(holders.length > 0 ? { holders: unique(holders) } : {}),
  }
}

function unique(resources: Resource[]): Resource[] {
  const byKey = new Map(resources.map((each) => [`${each.type} ${each.id} ${each.region}`, each]))
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
}

/** Of a look that was refused as a whole. Throws what is no NotAnswered. */
export function notVerified(cloud: string, error: unknown): { verified: false; reason: string } {
  if (!(error instanceof NotAnswered)) throw error
  return { verified: false, reason: explain(cloud, [error]) }
}

/** Lists every missing permission, so that one look is enough. Of other failures it lists a few places. */
export function explain(cloud: string, refusals: NotAnswered[]): string {
  const lines = [...Map.groupBy(refusals, ({ message }) => message)].map(([why, alike]) => {
    const permissions = [...new Set(alike.map(({ permission }) => permission))].sort()
    const shown = alike.some(({ isDenied }) => isDenied) ? permissions : permissions.slice(0, SHOWN_PERMISSIONS)
    return `${why} (${shown.join(', ')}${permissions.length > shown.length ? ', …' : ''})`
  })
  return `${cloud} is not verified: ${lines.sort().join('; ')}`
}
