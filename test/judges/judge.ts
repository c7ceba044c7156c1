// What the judges share. A judge installs a program that shares no code with this service, of a pinned version, into a
// directory of its own, and lets it say what it thinks. What it says against the service is a miss.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { eventually } from '../harness.ts'

export type Verdict = { held: number; misses: string[] }
/** `dir` is empty, and removed afterwards. Throws NotHere. */
export type Judge = { name: string; judge: (dir: string) => Promise<Verdict> }

/** The judge could not be brought here: that is no miss. */
export class NotHere extends Error {
  override readonly name = 'NotHere'
}

export const run = promisify(execFile)
const INSTALL_MS = 15 * 60_000
const OUTPUT_BYTES = 2 ** 28
const START_MS = 60_000

/** Notes what holds and what does not. */
export function openVerdict(): Verdict & { hold: (what: string, isSo: boolean, otherwise?: unknown) => void } {
  const verdict = {
    held: 0,
    misses: [] as string[],
    hold(what: string, isSo: boolean, otherwise?: unknown) {
      if (isSo) verdict.held++
      else verdict.misses.push(otherwise === undefined ? what : `${what}; but ${shown(otherwise)}`)
    },
  }
  return verdict
}
const shown = (value: unknown) => (value instanceof Error ? value.message : (JSON.stringify(value) ?? String(value)))

/** What a program says, and how it ends. Throws where it cannot be started. */
export async function ask(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number; text: string }> {
  try {
    const { stdout, stderr } = await run(command, args, { maxBuffer: OUTPUT_BYTES, ...options })
    return { code: 0, text: stdout + stderr }
  } catch (error) {
    const failed = error as Error & { code?: unknown; stdout?: string; stderr?: string } // of execFile
    if (typeof failed.code !== 'number') throw error
    return { code: failed.code, text: `${failed.stdout ?? ''}${failed.stderr ?? ''}` }
  }
}

export async function install(
  what: string,
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ stdout: string }> {
  // prettier-ignore
  try {
    return await run(command, args, { timeout: INSTALL_MS, maxBuffer: OUTPUT_BYTES, ...options })
  } catch (error) {
    const failed = error as Error & { code?: unknown; stderr?: string } // of execFile
    if (failed.code === 'ENOENT') throw new NotHere(`${command} is not on this machine`)
    const said = (failed.stderr ?? '').trim().split('\n').at(-1) || failed.message
    throw new NotHere(`${what} could not be installed: ${said}`)
  }
}

/** The directory of the programs of these packages of PyPI. */
export async function installPython(dir: string, ...packages: string[]): Promise<string> {
  await install('a virtual environment', 'python3', ['-m', 'venv', join(dir, 'venv')])
  await install(packages.join(' '), join(dir, 'venv/bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...packages]) // prettier-ignore
  return join(dir, 'venv/bin')
}

/** The program of this Go package, such as example.com/tool/cmd/tool@v1.0.0. */
export async function installGo(dir: string, pinned: string, program?: string): Promise<string> {
  await install(pinned, 'go', ['install', pinned], { env: { ...process.env, GOBIN: dir } })
  return join(dir, program ?? pinned.replace(/@.*/, '').split('/').at(-1) ?? '')
}

/** The directory of the files of a Go module. Nothing is built. */
export async function downloadGo(pinned: string): Promise<string> {
  // In a directory of no module, so that no other one has a say.
  const { stdout } = await install(pinned, 'go', ['mod', 'download', '-json', pinned], { cwd: tmpdir() })
  return (JSON.parse(stdout) as { Dir: string }).Dir // of go
}

/**
 * A directory with these programs, of Go modules that cannot be installed by name, because they take the place of others
 * in them: so a module of its own requires them.
 */
export async function buildGo(
  dir: string,
  modules: Record<string, string>,
  replaced: Record<string, string>,
  programs: Record<string, string>,
): Promise<string> {
  const home = join(dir, 'go')
  mkdirSync(home)
  const lines = [
    'module judge.example/programs',
    ...Object.entries(modules).map(([name, version]) => `require ${name} ${version}`),
    ...Object.entries(replaced).map(([name, version]) => `replace ${name} => ${name} ${version}`),
  ]
  writeFileSync(join(home, 'go.mod'), `${lines.join('\n')}\n`)
  const imports = Object.values(programs).map((program) => `import _ "${program}"`)
  writeFileSync(join(home, 'programs.go'), `//go:build programs\n\npackage programs\n\n${imports.join('\n')}\n`)
  const env = { ...process.env, GOFLAGS: '-mod=mod' }
  await install(Object.keys(modules).join(' '), 'go', ['mod', 'tidy', '-e'], { cwd: home, env })
  for (const [name, program] of Object.entries(programs))
    await install(program, 'go', ['build', '-o', name, program], { cwd: home, env })
  return home
}

/** A directory whose node_modules has these packages. */
export async function installNode(dir: string, ...packages: string[]): Promise<string> {
  const home = join(dir, 'node')
  mkdirSync(home)
  await install(packages.join(' '), 'npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefix', home, ...packages], { cwd: home }) // prettier-ignore
  return home
}

/** Starts a program that listens on the port that it is given, and waits until it answers. */
export async function startProgram(
  command: string,
  args: (port: number) => string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ url: string; stop: () => Promise<void> }> {
  const port = await freePort()
  const child = spawn(command, args(port), { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
  const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error))
  failed.catch(() => undefined) // It may come after the wait.
  const url = `http://127.0.0.1:${port}`
  const answers = eventually(async () => {
    if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}: ${said}`)
    return fetch(url, { signal: AbortSignal.timeout(1000) }).then(
      () => true,
      () => false,
    )
  })
  const late = setTimeout(START_MS, undefined, { ref: false }).then(() => Promise.reject(new Error(`${command} does not answer: ${said}`))) // prettier-ignore
  late.catch(() => undefined) // It comes when nobody waits any more.
  try {
    await Promise.race([answers, failed, late])
  } catch (error) {
    await stopChild(child)
    throw error
  }
  return { url, stop: () => stopChild(child) }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on a port, so the address is not a pipe's name.
  server.close()
  await once(server, 'close')
  return port
}
