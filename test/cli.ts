// The bundled command line as a child process, against a server that is a process of its own.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, type Harness } from './harness.ts'

export const PROGRAM = join(ROOT, 'cli/dist/ocpctl.mjs')

export type Run = { code: number | string | null; stdout: string; stderr: string }
export type Running = {
  child: ChildProcess
  stdout: () => string
  stderr: () => string
  ended: Promise<Run>
}
export type Home = {
  dir: string
  start: (args: string[], options?: { environment?: Record<string, string>; stdin?: string }) => Running
  /** With a terminal of its own; what it prints is all in stdout. */
  onTerminal: (args: string[], options?: { environment?: Record<string, string> }) => Running
  run: (args: string[], options?: { environment?: Record<string, string>; stdin?: string }) => Promise<Run>
  // oxlint-disable-next-line typescript/no-explicit-any -- the JSON of any operation
  json: (...args: string[]) => Promise<any>
  remove: () => void
}

/** A person's home, without anything in it. */
export function openHome(environment: Record<string, string> = {}): Home {
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-home-'))
  const begin = (program: string, args: string[], more: Record<string, string>) => {
    const child = spawn(program, args, {
      cwd: dir,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: dir,
        XDG_CONFIG_HOME: join(dir, 'config'),
        ...environment,
        ...more,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (chunk: string) => (text[name] += chunk))
    child.stdin.on('error', () => undefined) // it may end without having read
    const ended = new Promise<Run>((resolve) =>
      child.once('close', (code, signal) => resolve({ code: code ?? signal, ...text })),
    )
    return { child, stdout: () => text.stdout, stderr: () => text.stderr, ended }
  }
  const start: Home['start'] = (args, { environment: more = {}, stdin = '' } = {}) => {
    const running = begin(process.execPath, [PROGRAM, ...args], more)
    running.child.stdin?.end(stdin)
    return running
  }
  const run: Home['run'] = (args, options) => start(args, options).ended
  return {
    dir,
    start,
    onTerminal: (args, { environment: more = {} } = {}) =>
      begin('script', ['-qefc', [process.execPath, PROGRAM, ...args].map((arg) => `'${arg}'`).join(' '), '/dev/null'], {
        TERM: 'xterm',
        SHELL: '/bin/sh',
        ...more,
      }),
    run,
    async json(...args) {
      const { code, stdout, stderr } = await run([...args, '-o', 'json'])
      if (code !== 0) throw new Error(`ocpctl ${args.join(' ')} gave ${code}: ${stderr}`)
      return JSON.parse(stdout)
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}

/** Resolves with the process and its URL when it listens. */
export function serve(
  h: Harness,
  environment: Record<string, string> = {},
): Promise<{ url: string; child: ChildProcess }> {
  const child = h.startProcess('serve', { OCPCTL_LOG_LEVEL: 'info', ...environment })
  return new Promise((resolve, reject) => {
    let text = ''
    const read = (chunk: Buffer) => {
      text += chunk.toString()
      const url = /"url":"([^"]+)","msg":"the API is ready"/.exec(text)?.[1]
      if (url !== undefined) resolve({ url, child })
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${text}`)))
  })
}
