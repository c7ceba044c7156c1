type Flags = Record<string, 'text' | 'texts' | 'switch'>

const globalFlags: Flags = { dir: 'text', 'log-level': 'text', help: 'switch' }

const commands: Record<string, Flags> = {
  'create install-config': {},
  'create manifests': {},
  'create ignition-configs': {},
  'create cluster': { 'skip-password-print': 'switch' },
  'create single-node-ignition-config': {},
  'destroy cluster': {},
  'destroy bootstrap': {},
  'wait-for bootstrap-complete': {},
  'wait-for install-complete': { 'skip-password-print': 'switch' },
  'gather bootstrap': { bootstrap: 'text', master: 'texts', key: 'texts', skipAnalysis: 'switch' },
  analyze: { file: 'text' },
  version: {},
  graph: { 'output-file': 'text' },
  'coreos print-stream-json': {},
  completion: {},
  explain: {},
}

const takesArguments = new Set(['completion', 'explain'])

export interface CommandLine {
  command: string
  dir: string
  logLevel: string
  help: boolean
  flags: Map<string, string>
  args: string[]
}

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function parseCommandLine(argv: string[]): CommandLine {
  const { words, flags } = splitFlags(argv)
  const [first = '', second] = words
  const isGroup = Object.keys(commands).some((name) => name.startsWith(`${first} `))
  const command = isGroup && second !== undefined ? `${first} ${second}` : first
  const known = Object.hasOwn(commands, command) ? commands[command] : undefined
  if (known === undefined && command !== '' && !(isGroup && second === undefined)) {
    const parent = isGroup ? `openshift-install ${first}` : 'openshift-install'
    throw new UsageError(`unknown command "${isGroup ? second : first}" for "${parent}"`)
  }
  for (const flag of flags.keys()) {
    if (!Object.hasOwn(globalFlags, flag) && !(known && Object.hasOwn(known, flag)))
      throw new UsageError(`unknown flag: --${flag}`)
  }
  const args = words.slice(command.split(' ').length)
  if (args.length > 0 && !takesArguments.has(command)) {
    throw new UsageError(`accepts 0 arg(s), received ${args.length}`)
  }
  return {
    command,
    dir: flags.get('dir') ?? '.',
    logLevel: flags.get('log-level') ?? 'info',
    help: flags.has('help') || known === undefined,
    flags,
    args,
  }
}

function splitFlags(argv: string[]): { words: string[]; flags: Map<string, string> } {
  const kinds: Flags = Object.assign({}, ...Object.values(commands), globalFlags)
  const words: string[] = []
  const flags = new Map<string, string>()
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? ''
    if (arg === '-h') flags.set('help', 'true')
    else if (arg === '--') return { words: [...words, ...argv.slice(i + 1)], flags }
    else if (!arg.startsWith('-') || arg === '-') words.push(arg)
    else if (!arg.startsWith('--')) throw new UsageError(`unknown shorthand flag: '${arg[1]}' in ${arg}`)
    else {
      const [, name = '', given] = /^--([^=]*)(?:=(.*))?$/s.exec(arg) ?? []
      const kind = kinds[name]
      const takesNext = given === undefined && (kind === 'text' || kind === 'texts')
      if (takesNext && i + 1 >= argv.length) throw new UsageError(`flag needs an argument: --${name}`)
      flags.set(name, given ?? (takesNext ? (argv[++i] ?? '') : 'true'))
    }
  }
  return { words, flags }
}

export function helpText(command: string): string {
  const names = Object.keys(commands).filter((name) => name.startsWith(command))
  return [
    'Creates OpenShift clusters (simulated: no real cloud is touched)',
    '',
    'Usage:',
    ...names.map((name) => `  openshift-install ${name} [flags]`),
    '',
    'Global Flags:',
    '      --dir string         assets directory (default ".")',
    '      --log-level string   log level (e.g. "debug | info | warn | error") (default "info")',
    '',
  ].join('\n')
}
