// What a shell offers after Tab: commands, options, and the ids and names that the server has just now.
import shellsPacked from 'packed:./cli/shells.ts'
import type { Command as Commander } from 'commander'
import { openApi, v1 } from './api.ts'
import type { Environment } from './contexts.ts'
import { Failure } from './failure.ts'
import { openSession } from './session.ts'
import { unpack } from './unpack.ts'

type Shells = typeof import('./shells.ts')

const shells = ['bash', 'zsh', 'fish', 'powershell']
/** From the start of the process. A person who presses Tab waits no longer; then there are no ids. */
const ENOUGH_MS = 300
/** What is done after the answer. */
const REST_MS = 20

type Offered = { value: string; description: string }
type Item = {
  id: string
  name?: string
  status?: string
  type?: string
  verb?: string
  role?: string
  principal?: string
  origin?: string
}

/** Where the values of an argument come from. */
const sources: Record<string, { path: string; offer: (item: Item) => Offered[] }> = {
  cluster: {
    path: '/clusters',
    offer: ({ id, name = '', status = '' }) =>
      status === 'DESTROYED'
        ? []
        : [
            { value: name, description: `${status} ${id}` },
            { value: id, description: name },
          ],
  },
  job: { path: '/jobs', offer: ({ id, type, status }) => [{ value: id, description: `${type} ${status}` }] },
  operation: {
    path: '/operations',
    offer: ({ id, verb, status }) => [{ value: id, description: `${verb} ${status}` }],
  },
  profile: { path: '/profiles', offer: ({ name = '' }) => [{ value: name, description: 'profile' }] },
  schedule: { path: '/schedules', offer: ({ name = '' }) => [{ value: name, description: 'schedule' }] },
  token: { path: '/api-tokens', offer: ({ id, name = '' }) => [{ value: id, description: name }] },
  binding: {
    path: '/role-bindings',
    offer: ({ id, role, principal }) => [{ value: id, description: `${role} ${principal}` }],
  },
  webhook: { path: '/webhooks', offer: ({ id, origin = '' }) => [{ value: id, description: origin }] },
}

export async function printScript(shell: string | undefined): Promise<void> {
  if (shell === undefined || !shells.includes(shell))
    throw new Failure('usage', `say for which shell: ${shells.map((each) => `ocpctl completion ${each}`).join(', ')}`)
  const { tab } = await unpack<Shells>(shellsPacked)
  tab.setup('ocpctl', 'ocpctl', shell)
}

export async function complete(program: Commander, args: string[], environment: Environment): Promise<void> {
  const words = args.slice(args.indexOf('--') + 1)
  const { fromCommander } = await unpack<Shells>(shellsPacked)
  const offers = fromCommander(program)
  const kinds = kindsAt(program, words.slice(0, -1), words.at(-1) ?? '')
  const live = (await Promise.all(kinds.map((kind) => fetchOffers(kind, environment)))).flat()
  const offer = (complete: (value: string, description: string) => void) => {
    for (const { value, description } of live) complete(value, description)
  }
  for (const [, command] of offers.commands) {
    for (const [, argument] of command.arguments) if (isLive(argument.name)) argument.handler = offer
    for (const [name, option] of command.options) if (isLive(name)) option.handler = offer
  }
  offers.parse(words)
}

const kindsOf = (name: string) => name.split('|').filter((kind) => Object.hasOwn(sources, kind))
const isLive = (name: string) => kindsOf(name).length > 0

/** What the word at the end may be: of the option before it, or of the argument in that place. */
function kindsAt(program: Commander, before: string[], word: string): string[] {
  const last = before.at(-1) ?? ''
  if (last.startsWith('--')) return kindsOf(last.slice(2))
  if (word.startsWith('-')) return []
  let command = program
  let place = 0
  for (const each of before) {
    const next = place === 0 ? command.commands.find((one) => one.name() === each) : undefined
    if (next) command = next
    else if (!each.startsWith('-')) place++
  }
  return kindsOf(command.registeredArguments[place]?.name() ?? '')
}

async function fetchOffers(kind: string, environment: Environment): Promise<Offered[]> {
  const source = sources[kind]
  if (!source) return []
  const enoughMs = Number(environment['OCPCTL_COMPLETION_MS']) || ENOUGH_MS
  const signal = AbortSignal.timeout(Math.max(1, Math.round(enoughMs - REST_MS - performance.now())))
  try {
    const api = openApi(await openSession(environment, {}))
    const query = ['/profiles', '/schedules'].includes(source.path) ? {} : { limit: '200' }
    const { items }: { items: Item[] } = await api.json('GET', `${v1}${source.path}`, { tries: 1, signal, query })
    return items.flatMap(source.offer)
  } catch (error) {
    // Whoever presses Tab wants no error in the line.
    if (error instanceof Failure || signal.aborted) return []
    throw error
  }
}
