// What all clouds have in common when they are asked. Silence never counts as emptiness: a refusal, no answer in time, or
// an answer without its list is not checked.
import type { Platform } from '../vocabulary.ts'
import { linkTo } from './consoles.ts'
import {
  describeUnanswered,
  type InventoryAnswer,
  type InventoryQuery,
  type NotChecked,
  type Owned,
  type Place,
  type RecordsAnswer,
  type Resource,
} from './inventory.ts'
import { usdPerHourOf, type Size } from './prices.ts'

/** In which credentials are looked for. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A cloud was asked and did not tell. */
export class NotAnswered extends Error {
  override readonly name = 'NotAnswered'
  /** What it takes to be told: on AWS and Google Cloud a permission, on Azure an action, on IBM Cloud a service's role. */
  readonly permission: string
  /** The caller lacks it. */
  readonly isDenied: boolean
  /** The cloud's own word for it, after the status of HTTP where it was asked by REST: `409 AllocationFailed`. */
  readonly code: string | undefined

  constructor(
    permission: string,
    why: string,
    { cause, isDenied = false, code }: { cause?: unknown; isDenied?: boolean; code?: string | undefined } = {},
  ) {
    super(why, { cause })
    this.permission = permission
    this.isDenied = isDenied
    this.code = code
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

/** What a session was told. It is noted where questions are asked, so that nobody keeps a list of them by hand. */
export type Heard = { checked: Set<string>; zones: Set<string>; notChecked: NotChecked[]; account?: string }

export const hearNothing = (): Heard => ({ checked: new Set(), zones: new Set(), notChecked: [] })

/** A resource as a cloud's answer tells it. */
export type Seen = Resource & { size?: Size }

/** With its price and where it is shown. `account`: where it was looked for. */
export function complete(place: Omit<Place, 'name'>, { size, ...resource }: Seen, account?: string): Resource {
  const usdPerHour = usdPerHourOf(place.platform, resource, size)
  const link = linkTo(place, resource, account)
  return { ...resource, ...(usdPerHour === undefined ? {} : { usdPerHour }), ...(link === undefined ? {} : { link }) }
}

/** By its tags. undefined: it is another installation's, or nobody's. */
export function ownedBy(
  ours: string,
  valueOf: (key: string) => string | null | undefined,
): Pick<Owned, 'clusterId' | 'installationId'> | undefined {
  const clusterId = valueOf('ocpctl-cluster-id')
  const installationId = valueOf('ocpctl-installation-id') ?? undefined
  return clusterId && (installationId ?? ours) === ours ? { clusterId, installationId } : undefined
}

/** What was found is told, whatever was refused. */
export function answerOf(
  place: Omit<Place, 'name'>,
  { checked, zones, notChecked, account }: Heard,
  { answers, refusals }: Told<Seen>,
  holders: Seen[] = [],
): InventoryAnswer {
  const show = (resources: Seen[]) => unique(resources).map((each) => complete(place, each, account))
  const all = show(answers)
  const lingering = all.filter(({ billable }) => billable === false)
  const refused = [...refusals.map(showRefusal), ...notChecked]
  const kinds = new Set(refused.map(({ kind }) => kind))
  return {
    found: all.filter((each) => !lingering.includes(each)),
    checked: [...checked].filter((kind) => !kinds.has(kind)).sort(),
    notChecked: [...new Map(refused.map((each) => [`${each.kind} ${each.why}`, each])).values()],
    ...(account === undefined ? {} : { account }),
    ...(zones.size > 0 ? { zones: [...zones].sort() } : {}),
    ...(lingering.length > 0 ? { lingering } : {}),
    ...(holders.length > 0 ? { holders: show(holders) } : {}),
  }
}

export const showRefusal = ({ permission, message, isDenied }: NotAnswered): NotChecked => ({
  kind: permission,
  why: message,
  ...(isDenied ? { isDenied } : {}),
})

/** What says most for that it is the cluster's comes first. */
const KEYS: Resource['key'][] = ['tag', 'relation', 'dns', 'name', undefined]

function unique(resources: Seen[]): Seen[] {
  const alike = Map.groupBy(resources, ({ type, id, region }) => `${type} ${id} ${region}`)
  return [...alike]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, all]) => all.toSorted((a, b) => KEYS.indexOf(a.key) - KEYS.indexOf(b.key)).slice(0, 1))
}

/** A time as a cloud writes it, in the one form that we have. */
export function timeOf(text: string | Date | null | undefined): { madeAt?: string } {
  const at = text ? new Date(text) : undefined
  return at === undefined || Number.isNaN(at.getTime()) ? {} : { madeAt: at.toISOString() }
}

/** Of a look that was refused as a whole. Throws what is no NotAnswered. */
export function refuseAll(error: unknown): InventoryAnswer & RecordsAnswer {
  if (!(error instanceof NotAnswered)) throw error
  return { found: [], taken: [], checked: [], notChecked: [showRefusal(error)] }
}

/** For a list that must be whole. Throws all that was refused. */
export function requireTold(platform: Platform, refusals: NotAnswered[]): void {
  const untold = describeUnanswered(platform, { notChecked: refusals.map(showRefusal) })
  if (untold !== undefined) throw new Error(untold)
}

/** For a question whose answer is not needed. Throws what is no NotAnswered. */
export function untold(error: unknown): undefined {
  if (!(error instanceof NotAnswered)) throw error
  return undefined
}
