// All commands: those of the API's operations, made from their description, and those with a file of their own.
import operations from 'ocpctl:operations'
import offline from 'packed:./cli/offline.ts'
import { Command as Commander, CommanderError, Option } from 'commander'
import { openApi, type Api } from './api.ts'
import { openBrowser } from './browser.ts'
import { commands, type Command } from './commands.ts'
import type { Environment } from './contexts.ts'
import { watchEvents } from './events.ts'
import { Failure } from './failure.ts'
import { addFlags, placesOf } from './flags.ts'
import { invoke, type Options } from './invoke.ts'
import { listContexts, login, logout, printToken, removeContext, useContext } from './login.ts'
import { showLogs } from './logs.ts'
import type { Field, Operation } from './operation.ts'
import { forms, isForPeople, print, printObject } from './output.ts'
import { callApi } from './raw.ts'
import { findCluster } from './resolve.ts'
import { openSession } from './session.ts'
import { unpack } from './unpack.ts'
import { goals, waitForCluster, waitForJob } from './wait.ts'

type Offline = typeof import('./offline.ts')

const nouns: Record<string, string> = {
  cluster: 'clusters, from request to proved destruction',
  job: 'operations asked of clusters, and their logs',
  artifact: 'what is stored of a cluster',
  profile: 'what is on offer',
  usage: 'hours and cost',
  event: 'what happens, as it happens',
  finding: 'where database, queue, store and cloud disagree',
  leak: 'what was left behind',
  'api-token': 'tokens for programs',
  'role-binding': 'who has which role in which team',
  webhook: 'who is told of what happens',
  'audit-event': 'who did what',
  schedule: 'what runs by the clock',
  retention: 'what is kept of destroyed clusters',
  server: 'whether the server works',
  context: 'the servers that you are signed in to',
}

export async function runProgram(args: string[], environment: Environment): Promise<void> {
  const program = createProgram(environment, args[0])
  if (args[0] === 'complete') return (await import('./completion.ts')).complete(program, args, environment)
  if (args[0] === 'completion') return (await import('./completion.ts')).printScript(args[1])
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return
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

type Connect = (command: Commander) => Promise<Api>

const wordsOf = (id: string) => [commands[id]?.words, commands[id]?.short].filter((words) => words !== undefined)

function addOperations(program: Commander, connect: Connect, only: string | undefined): void {
  for (const operation of operations) {
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
  if (operation.keyed) made.option('--idempotency-key <key>', 'of an earlier try, so that nothing is done twice')
  if (command.confirm !== undefined) made.option('-y, --yes', 'do not ask')
}

/** Makes the last of the words, and its noun when it is new. */
function place(program: Commander, words: string, description: string, example?: string): Commander {
  const [first = '', second] = words.split(' ')
  const noun =
    second === undefined
      ? undefined
      : (program.commands.find((each) => each.name() === first) ??
        program.command(first).description(nouns[first] ?? ''))
  const made = (noun ?? program).command(second ?? first).description(description)
  if (example !== undefined) made.addHelpText('before', `Example:\n  $ ocpctl ${words} ${example}`.trimEnd() + '\n')
  return made
}

function addOwn(program: Commander, environment: Environment, connect: Connect): void {
  for (const words of ['job logs', 'logs']) {
    const made = place(
      program,
      words,
      'The log of a job, or of the newest job of a cluster',
      commands['streamJobLog']?.example,
    )
    made
      .argument('<cluster|job>')
      .option('-f, --follow', 'and what comes, until the job has ended')
      .option('--tail <number>', 'only the last lines')
      .option('--after <seq>', 'only what comes after this line')
      .option('--level <level>', 'debug, info, warning, error or fatal, and above')
      .action(async (id: string) => showLogs(await connect(made), id, made.optsWithGlobals()))
  }
  for (const words of ['cluster kubeconfig', 'kubeconfig']) {
    const made = place(
      program,
      words,
      'The administrator kubeconfig of a READY cluster',
      commands['getKubeconfig']?.example,
    )
    made
      .argument('[cluster]')
      .option('--merge', 'into your own, as the context ocpctl/NAME')
      .option('--prune', 'take away the contexts of destroyed clusters')
      .option('--as <context>', 'another name for the context')
      .option('--keep-current', 'leave the current context as it is')
      .option('--file <kubeconfig>', 'instead of KUBECONFIG or ~/.kube/config')
      .action(async (id?: string) => {
        const { giveKubeconfig } = await import('./kubeconfig.ts')
        await giveKubeconfig(await connect(made), environment, id, made.optsWithGlobals())
      })
  }
  const watch = place(program, 'event watch', 'What happens, of what you may see', commands['streamEvents']?.example)
  watch
    .option('--team <name>', 'of one team')
    .option('--cluster <cluster>', 'of one cluster')
    .option('--type <type...>', 'such as job, or cluster.ready')
    .action(async () => watchEvents(await connect(watch), watch.optsWithGlobals()))
  const wait = place(program, 'wait', 'Wait for a cluster or a job', 'demo --for ready --timeout 90m')
  wait
    .argument('<cluster|job>')
    .addOption(new Option('--for <goal>', 'what to wait for').choices(goals))
    .option('--timeout <span>', 'how long at most, such as 90m')
    .action(async (id: string, options: { for?: (typeof goals)[number]; timeout?: string }) => {
      const api = await connect(wait)
      const { findJob } = await import('./resolve.ts')
      const span = options.timeout ?? true
      const goal = options.for ?? (id.startsWith('job_') ? 'job' : 'ready')
      if (goal !== 'job' && id.startsWith('job_'))
        throw new Failure('usage', `a job is not ${goal}: give the cluster, or --for job`)
      const value =
        goal === 'job' ? await waitForJob(api, await findJob(api, id), span) : await waitForCluster(api, id, goal, span)
      const { output } = wait.optsWithGlobals<Options>()
      if (!isForPeople(output)) await printObject(output, value)
    })
  const open = place(program, 'open', "Open a cluster's console in a browser, or that of ocpctl", 'demo')
  open.argument('[cluster]').action(async (id?: string) => {
    const api = await connect(open)
    const address: string | null =
      id === undefined
        ? `${api.url}/`
        : (await api.json('GET', `/api/v1/clusters/${await findCluster(api, id)}/outputs`)).consoleUrl
    if (address === null) throw new Failure('notAllowed', 'this cluster has no console')
    print(`${address}\n`)
    openBrowser(address)
  })
  const raw = place(program, 'api', 'Any request to the API', 'GET "/clusters?status=READY"')
  raw
    .argument('<method>')
    .argument('<path>', 'below /api/v1, or a whole path')
    .option('--from <file>', 'the body as JSON or YAML, - for standard input')
    .option('--idempotency-key <key>', 'instead of a new one')
    .action(async (method: string, path: string) => callApi(await connect(raw), method, path, raw.optsWithGlobals()))
  addSignIn(program, environment)
  addOffline(program)
  program
    .command('completion')
    .description('A script for your shell: source <(ocpctl completion bash)')
    .argument('<shell>', 'bash, zsh, fish or powershell')
}

function addSignIn(program: Commander, environment: Environment): void {
  const signIn = place(program, 'login', 'Sign in to a server', 'https://ocpctl.example.com')
  signIn
    .argument('[url]')
    .option('--browser', 'with a browser on this host (OpenID Connect)')
    .option('--device', 'with a code on any other device (OpenID Connect)')
    .option('--token-stdin', 'with a token from standard input')
    .option('--aws', 'with your AWS identity')
    .option('--server-id <id>', 'for --aws, instead of the one that the server names')
    .option('--issuer <url>', 'instead of the one that the server names')
    .option('--client-id <id>', 'instead of the one that the server names')
    .option('--as <context>', 'the name of the context')
    .action(async (url?: string) => {
      const options = signIn.optsWithGlobals()
      await login(environment, url ?? options['server'], options as Parameters<typeof login>[2]) // these options
    })
  place(program, 'logout', 'Forget the credential of a server', '')
    .argument('[context]')
    .action((name?: string) => logout(environment, name))
  const list = place(program, 'context list', 'The servers that are known', '')
  list.action(() => listContexts(environment, list.optsWithGlobals<Options>().output))
  place(program, 'context use', 'Take another server from now on', 'ocpctl.example.com')
    .argument('<context>')
    .action((name: string) => useContext(environment, name))
  place(program, 'context remove', 'Forget a server', 'ocpctl.example.com')
    .argument('<context>')
    .action((name: string) => removeContext(environment, name))
  const token = place(program, 'token', 'The token that requests are sent with, for other programs', '')
  token.action(async () => printToken((await openSession(environment, token.optsWithGlobals())).token))
}

/** They read their own arguments, as `node src/main.ts` has them. */
function addOffline(program: Commander): void {
  const lint = place(
    program,
    'lint',
    'What is wrong with an install-config.yaml; needs no server',
    'install-config.yaml',
  )
  lint
    .argument('[args...]')
    .allowUnknownOption()
    .action(async (args: string[]) => {
      const { runLint } = await unpack<Offline>(offline)
      process.exitCode = await runLint(args).catch((error: unknown) => {
        throw new Failure('usage', error instanceof Error ? error.message : String(error))
      })
    })
  const diagnose = place(
    program,
    'diagnose',
    'Why an installer failed, by its log; needs no server',
    '.openshift_install.log --exit-code 6',
  )
  diagnose
    .argument('[args...]')
    .allowUnknownOption()
    .action(async (args: string[]) => {
      const { runDiagnose } = await unpack<Offline>(offline)
      const isJson = diagnose.optsWithGlobals<Options>().output === 'json'
      process.exitCode = await runDiagnose([...args, ...(isJson && !args.includes('--json') ? ['--json'] : [])])
    })
}
