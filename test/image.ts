// What the Dockerfile makes, without an engine: its instructions, the files that it copies, and processes in a root of their
// own that holds them, which cannot be written to.
import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import dockerignore from '@balena/dockerignore'
import { parse } from 'yaml'
import { ROOT } from './harness.ts'

// Its types tell of a default export, which the package itself has not.
const openIgnore = dockerignore as unknown as typeof dockerignore.default

export type Instruction = { word: string; text: string }
export type Stage = { name: string; from: string; instructions: Instruction[] }

/** The stages of the Dockerfile, each with its instructions in their order. */
export function readDockerfile(): Stage[] {
  const stages: Stage[] = []
  for (const line of readFileSync(join(ROOT, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ').split('\n')) {
    const [, word, text] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? []
    if (word === undefined || text === undefined) continue
    const [, from, name] = /^(\S+)(?: AS (\S+))?$/.exec(text) ?? []
    if (word === 'FROM') stages.push({ from: from ?? text, name: name ?? String(stages.length), instructions: [] })
    else stages.at(-1)?.instructions.push({ word, text })
  }
  return stages
}

/** What a COPY says: `--from=stage source… target`. */
export function readCopy(text: string): { from: string | undefined; sources: string[]; target: string } {
  const words = text.split(/\s+/)
  const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined
  return { from, sources: words.slice(0, -1), target: words.at(-1) ?? '' }
}

/** Copies out of the build's context, which is what .dockerignore leaves of the tree. */
export function copyFromContext(source: string, target: string): void {
  const ignored = openIgnore().add(readFileSync(join(ROOT, '.dockerignore'), 'utf8'))
  const from = join(ROOT, source)
  const isKept = (path: string) => {
    const inTree = relative(ROOT, path)
    // A directory that is ignored may hold something that is not.
    return (
      inTree === '' || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true || !ignored.ignores(inTree)
    )
  }
  if (!existsSync(from)) throw new Error(`the Dockerfile copies ${source}, which is not there`)
  mkdirSync(dirname(target), { recursive: true })
  cpSync(from, target, { recursive: true, filter: isKept, verbatimSymlinks: true })
}

/** The environment that the image gives, and what it starts. */
export function readStart({ instructions }: Stage): { env: Record<string, string>; command: string[]; user: string } {
  const last = (word: string) => instructions.findLast((each) => each.word === word)?.text ?? ''
  const env = instructions
    .filter(({ word }) => word === 'ENV')
    .flatMap(({ text }) => text.split(/\s+/).map((pair) => pair.split('=', 2) as [string, string])) // each NAME=value
  return { env: Object.fromEntries(env), command: JSON.parse(last('ENTRYPOINT')) as string[], user: last('USER') } // the form for exec
}

/** The environment of a service in docker-compose.yml, with its variables set. */
export function readComposeEnvironment(service: string, variables: Record<string, string>): Record<string, string> {
  const file = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
    services: Record<string, { environment: Record<string, string> }>
  } // what the compose schema says
  const fill = (value: string) =>
    value.replaceAll(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, how?: string, text?: string) => {
      const given = variables[name]
      if (given !== undefined) return given
      if (how === '?') throw new Error(`${name}: ${text}`)
      return text ?? ''
    })
  const { environment = {} } = file.services[service] ?? {}
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, fill(value)]))
}

export type Root = {
  /** What is at the top of the root, and where: directories of the host. */
  mounts: Record<string, string>
  /** Directories of the host that may be written to. */
  writable: Record<string, string>
  user?: string
  cwd?: string
  env?: Record<string, string>
}

/**
 * Starts a command in a mount namespace whose root is read-only but for what is said to be writable and /tmp, with the
 * network of the host.
 */
export function startInRoot(command: string[], { mounts, writable, user, cwd = '/', env = {} }: Root): ChildProcess {
  const isRoot = process.getuid?.() === 0
  const bind = (from: string, to: string, mode: string) =>
    `mkdir -p "$R${to}"; mount --rbind '${from}' "$R${to}"${mode === 'ro' ? `; mount -o remount,bind,ro "$R${to}"` : ''}`
  const script = [
    'set -e',
    'R=/mnt',
    'mount --make-rprivate /',
    'mount -t tmpfs tmpfs $R',
    ...Object.entries(mounts).map(([to, from]) => bind(from, to, 'ro')),
    ...Object.entries(writable).map(([to, from]) => bind(from, to, 'rw')),
    'mkdir -p $R/proc $R/dev $R/tmp',
    'mount --rbind /proc $R/proc',
    'mount --rbind /dev $R/dev',
    'mount -t tmpfs -o mode=1777 tmpfs $R/tmp',
    'mount -o remount,ro $R',
    `exec /usr/sbin/chroot ${isRoot && user ? `--userspec=${user} --groups= ` : ''}$R /bin/sh -c 'cd "$0" && exec "$@"' "$@"`,
  ]
  return spawn('unshare', [isRoot ? '-m' : '-rm', 'sh', '-c', script.join('\n'), 'sh', cwd, ...command], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
