// What credentials allow, asked without making anything. What a cloud does not tell is "not known", never "given".
import { askAll, NotAnswered } from './asking.ts'
import type { Place } from './inventory.ts'

/** `sleep`: stopping machines, starting them and seeing which run. */
const uses = ['install', 'destroy', 'proof', 'sleep'] as const
export type Use = (typeof uses)[number]

/** By name, what it is needed for. */
export type Needs = Map<string, Use[]>

export type Right = { name: string; uses: Use[]; state: 'given' | 'missing' | 'unknown'; why?: string }

/** who: as the cloud names the one who asks. where: the account, subscription or project. */
export type Checkup = { who: string; where: string; rights: Right[] }

/** Where clusters may be made with the credentials. Empty: no profile names them. */
export type Places = readonly Omit<Place, 'name'>[]

/** Of lists of names, in which the same name may stand for several uses. */
export function needsOf(lists: Record<Use, readonly string[]>): Needs {
  const needs: Needs = new Map()
  for (const use of uses)
    for (const name of lists[use]) {
      const before = needs.get(name) ?? []
      if (!before.includes(use)) needs.set(name, [...before, use])
    }
  return needs
}

/** Lines such as `ec2: RunInstances CreateTags`; what is between the two parts in a name is `joint`. */
export const namesIn = (text: string, joint: string): string[] =>
  text
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [group = '', names = ''] = line.trim().split(': ')
      return names.split(' ').map((name) => `${group}${joint}${name}`)
    })

export const bringsNetwork = (places: Places): boolean =>
  places.length > 0 && places.every(({ subnets, network, azure }) => subnets ?? network ?? azure?.network)

export const areAllPrivate = (places: Places): boolean => places.length > 0 && places.every((place) => place.isPrivate)

/** Judges by questions, each of which is refused where its right is missing. */
export async function judgeByAsking(needs: Needs, ask: (name: string) => Promise<unknown>): Promise<Right[]> {
  const told = await askAll(
    [...needs].map(([name, uses]) => async (): Promise<Right[]> => {
      try {
        await ask(name)
        return [{ name, uses, state: 'given' }]
      } catch (error) {
        if (!(error instanceof NotAnswered)) throw error
        // A question that needs a right of its own may be refused for that one.
        const isMissing = error.isDenied && error.permission === name
        return [{ name, uses, state: isMissing ? 'missing' : 'unknown', why: error.message }]
      }
    }),
  )
  return inOrder(told.answers)
}

export const unknown = (needs: Needs, why: string): Right[] =>
  inOrder([...needs].map(([name, uses]) => ({ name, uses, state: 'unknown', why })))

export const inOrder = (rights: Right[]): Right[] => rights.toSorted((a, b) => (a.name < b.name ? -1 : 1))
