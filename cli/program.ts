// All commands: those of the API's operations, made from their description, and those with a file of their own.
import operations from 'ocpctl:operations'
import { Command as Commander, CommanderError, Option } from 'commander'
import { openApi, type Api } from './api.ts'
import { commands, type Command } from './commands.ts'
import type { Environment } from './contexts.ts'
import { exits, Failure } from './failure.ts'
import { addFlags, placesOf } from './flags.ts'
import { invoke, type Options } from './invoke.ts'
import type { Field, Operation } from './operation.ts'
import { forms } from './output.ts'
import { addOwn, place, type Connect } from './own.ts'
import { openSession } from './session.ts'

export async function runProgram(args: string[], environment: Environment): Promise<void> {
  const program = createProgram(environment, args[0])
  if (args[0] === 'complete') return (await import('./completion.ts')).complete(program, args, environment)
  if (args[0] === 'completion') return (await import('./completion.ts')).printScript(args[1])
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return
    // Nothing was asked for: help has been shown.
    if (error.code === 'commander.help') return void (process.exitCode = exits.usage)
    throw new Failure('usage', error.message.replace(/^error: /, ''))
  }
}

/** `first`: the first word that was typed. Where it is a command, or a noun, only that one is made: the rest takes time. */
export function createProgram(environment: Environment, first: string | undefined): Commander {
  const program = new Commander('ocpctl')
  configure(program)
  program
    .description('Short-lived OpenShift clusters, and nothing left behind.')
    .addHelpText(
      'before',
      'Example:\n  $ ocpctl login https://ocpctl.example.com\n  $ ocpctl create demo --profile aws-standard --wait\n  $ ocpctl kubeconfig demo --merge\n',
    )
    .addHelpText('after', HELP_END)
    .version(OCPCTL_VERSION)
    .addOption(new Option('-o, --output <form>', 'how it is shown').choices(forms).default('table'))
    .option('--server <url>', 'the server (OCPCTL_URL)')
    .option('--context <name>', 'the server by its context (OCPCTL_CONTEXT)')
  const connect = async (command: Commander): Promise<Api> =>
    openApi(await openSession(environment, command.optsWithGlobals()))
  const words = operations.flatMap(({ id }) => wordsOf(id))
  const only = words.some((each) => each.split(' ')[0] === first) ? first : undefined
  addOperations(program, connect, only)
  addOwn(program, environment, connect)
  return program
}

const HELP_END = `
Exit codes:
  0 done · 1 the operation failed · 2 usage · 3 refused by policy, quota or budget · 4 not signed in
  5 not allowed or not found · 6 conflict · 7 still going on when the wait was over · 8 server not reachable
  130 interrupted: what was begun goes on`

/** Settings that commander hands on to subcommands. */
function configure(program: Commander): void {
  program
    .exitOverride()
    .showHelpAfterError(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => undefined })
}

const wordsOf = (id: string) => [commands[id]?.short, commands[id]?.words].filter((words) => words !== undefined)

function addOperations(program: Commander, connect: Connect, only: string | undefined): void {
  // In the order of the table, which begins with what is used most.
  const known = Object.keys(commands).flatMap((id) => operations.filter((operation) => operation.id === id))
  for (const operation of known) {
    const command = commands[operation.id]
    if (command === undefined || command.own === true) continue
    for (const words of wordsOf(operation.id)) {
      if (only !== undefined && words.split(' ')[0] !== only) continue
      const made = place(program, words, operation.summary, command.example)
      for (const field of placesOf(operation, command))
        made.argument(`<${argumentOf(operation, field)}>`, field.description ?? '')
      addFlags(made, operation, command)
      addCommon(made, operation, command)
      made.action(async (...given: unknown[]) => {
        const places = given.slice(0, placesOf(operation, command).length).map(String)
        await invoke(await connect(made), operation, command, places, made.optsWithGlobals<Options>())
      })
    }
  }
}

/** What an argument is called in help, and how completion knows what to offer. */
function argumentOf({ path }: Operation, { name }: Field): string {
  if (name === 'clusterId' || (name === 'id' && path.includes('/clusters/{id}'))) return 'cluster'
  if (name === 'id') return (/\/([a-z-]+)s\/\{id\}/.exec(path)?.[1] ?? 'id').replace(/^(api|role)-/, '')
  if (name === 'name' && path.includes('/profiles/')) return 'profile'
  if (name === 'name' && path.includes('/schedules/')) return 'schedule'
  return name === 'artifactId' ? 'artifact' : name
}

function addCommon(made: Commander, operation: Operation, command: Command): void {
  if (operation.answers === 'list')
    made.option('--limit <number>', 'how many at most; 0 for all').option('--cursor <text>', 'go on where a page ended')
  if (operation.id === 'listClusters') made.option('-a, --all', 'destroyed ones too')
  if (operation.answers === 'file') made.option('--file <name>', 'write it to a new file')
  if (operation.makesJob) made.option('--wait [span]', 'until its job has ended, or as long as is said: --wait=30m')
  if (operation.id === 'createOperation') made.option('--wait [span]', 'until all is done, or as long as is said')
  if (operation.keyed) made.option('--idempotency-key <key>', 'of an earlier try, so that nothing is done twice')
  if (command.confirm !== undefined) made.option('-y, --yes', 'do not ask')
}
