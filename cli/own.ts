// Commands that no single operation makes, and the tree that all commands stand in.
import offline from 'packed:./cli/offline.ts'
import { Option, type Command as Commander } from 'commander'
import type { Api } from './api.ts'
import { openBrowser } from './browser.ts'
import { commands } from './commands.ts'
import type { Environment } from './contexts.ts'
import { watchEvents } from './events.ts'
import { Failure } from './failure.ts'
import type { Options } from './invoke.ts'
import { listContexts, login, logout, printToken, removeContext, useContext } from './login.ts'
import { showLogs } from './logs.ts'
import { isForPeople, print, printObject } from './output.ts'
import { callApi } from './raw.ts'
import { findCluster, findJob } from './resolve.ts'
import { openSession } from './session.ts'
import { unpack } from './unpack.ts'
import { goals, showOperation, waitForCluster, waitForJob } from './wait.ts'

type Offline = typeof import('./offline.ts')
export type Connect = (command: Commander) => Promise<Api>

const nouns: Record<string, string> = {
  cluster: 'clusters, from request to proved destruction',
  job: 'what is asked of each cluster, and its log',
  operation: 'one thing done to many clusters',
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
  queue: 'what there is to do, and what it waits for',
  worker: 'who does it',
  schedule: 'what runs by the clock',
  retention: 'what is kept of destroyed clusters',
  server: 'whether the server works',
  context: 'the servers that you are signed in to',
}

/** Makes the last of the words, and its noun when it is new. */
export function place(program: Commander, words: string, description: string, example?: string): Commander {
  const [first = '', second] = words.split(' ')
  const shown = example === undefined ? undefined : `Example:\n  $ ocpctl ${words} ${example}`.trimEnd() + '\n'
  if (second === undefined) return withExample(program.command(first).description(description), shown)
  const known = program.commands.find((each) => each.name() === first)
  const noun =
    known ??
    program
      .command(first)
      .description(nouns[first] ?? '')
      .helpGroup('By noun:')
  if (!known) withExample(noun, shown)
  return withExample(noun.command(second).description(description), shown)
}

const withExample = (command: Commander, shown: string | undefined) =>
  shown === undefined ? command : command.addHelpText('before', shown)

export function addOwn(program: Commander, environment: Environment, connect: Connect): void {
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
  const wait = place(program, 'wait', 'Wait for a cluster, a job or an operation', 'demo --for ready --timeout 90m')
  wait
    .argument('<cluster|job|operation>')
    .addOption(new Option('--for <goal>', 'what to wait for').choices(goals))
    .option('--timeout <span>', 'how long at most, such as 90m')
    .action(async (id: string, options: { for?: (typeof goals)[number]; timeout?: string }) => {
      const api = await connect(wait)
      const span = options.timeout ?? true
      if (id.startsWith('ops_')) return showOperation(api, id, span, wait.optsWithGlobals<Options>().output)
      const goal = options.for ?? (id.startsWith('job_') ? 'job' : 'ready')
      if (goal !== 'job' && id.startsWith('job_'))
        throw new Failure('usage', `a job is not ${goal}: give the cluster, or --for job`)
      const value =
        goal === 'job' ? await waitForJob(api, await findJob(api, id), span) : await waitForCluster(api, id, goal, span)
      const { output } = wait.optsWithGlobals<Options>()
      if (!isForPeople(output)) await printObject(output, value)
    })
  const open = place(program, 'open', 'Open the console in a browser, at a cluster when one is given', 'demo')
  open
    .argument('[cluster]')
    .option('--openshift', "the cluster's own console instead")
    .action(async (name: string | undefined, { openshift = false }: { openshift?: boolean }) => {
      const api = await connect(open)
      const address = await addressOf(api, name, openshift)
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

async function addressOf(api: Api, name: string | undefined, openshift: boolean): Promise<string> {
  if (name === undefined) {
    if (openshift) throw new Failure('usage', 'which cluster? `ocpctl open NAME --openshift`')
    return `${api.url}/`
  }
  const id = await findCluster(api, name)
  if (!openshift) return `${api.url}/clusters/${id}`
  const { consoleUrl } = (await api.json('GET', `/api/v1/clusters/${id}/outputs`)) as { consoleUrl: string | null } // as this operation answers
  if (consoleUrl === null) throw new Failure('notAllowed', 'this cluster has no console')
  return consoleUrl
}
