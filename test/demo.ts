// The product in a minute: starts the service on its embedded defaults, and with the command line asks for a cluster,
// follows the installation, takes the kubeconfig and destroys the cluster; then counts what is left in the simulated
// cloud.
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../cli/dist/ocpctl.mjs', import.meta.url))

const dir = mkdtempSync(join(tmpdir(), 'ocpctl-demo-'))
chmodSync(dir, 0o755) // as root, the embedded PostgreSQL runs as another account
const startedAt = Date.now()
const seconds = () => `${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)} s`
const say = (text: string) => process.stdout.write(`${text}\n`)
const step = (text: string) => say(`\n[${seconds()}] ${text}`)

let service: ChildProcess | undefined
process.once('SIGINT', () => service?.kill('SIGINT'))

try {
  step('Starting the service: embedded PostgreSQL, file artifacts, simulated cloud')
  const { url, token } = await startService()
  say(`          ${url}/, its documentation at ${url}/docs`)

  await ocpctl(['login', url, '--token-stdin'], token)
  await ocpctl(['create', 'demo', '--profile', 'aws-standard', '--tag', 'purpose=demo'])
  await ocpctl(['logs', '--follow', 'demo', '--level', 'info'])
  await ocpctl(['wait', 'demo', '--for', 'ready'])
  say(`          ${countResources()} simulated resources exist`)
  await ocpctl(['ls'])
  await ocpctl(['cluster', 'outputs', 'demo'])
  await ocpctl(['kubeconfig', 'demo', '--merge', '--file', join(dir, 'kubeconfig')])
  await ocpctl(['destroy', 'demo', '--wait', '--yes'])
  await ocpctl(['ls', '--all'])
  const left = countResources()
  step(`${left} resources left`)
  if (left !== 0) throw new Error('something was left behind')
  say(`\nDone in ${seconds().trim()}: requested, installed, handed out, destroyed, proved empty.`)
  say('Now yours: `npm start`, and http://127.0.0.1:8080/ in a browser.\n')
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  await stopService()
  rmSync(dir, { recursive: true, force: true })
}

/** Runs the command line as a person would, with a home of its own. */
async function ocpctl(args: string[], stdin = ''): Promise<void> {
  step(`$ ocpctl ${args.join(' ')}`)
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env['PATH'], HOME: dir, XDG_CONFIG_HOME: join(dir, 'config') },
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  child.stdin.end(stdin)
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`ocpctl ${args[0]} ended with ${String(code)}`)
}

async function startService(): Promise<{ url: string; token: string }> {
  const kept = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('OCPCTL_') && name !== 'DATABASE_URL'),
  )
  const child = spawn(process.execPath, ['src/main.ts', 'all'], {
    env: { ...kept, OCPCTL_DATA_DIR: dir, PORT: '0', OCPCTL_SIM_SPEED: '120', OCPCTL_LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  service = child
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}`)))
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const url = /listens at (\S+),/.exec(text)?.[1]
      const token = /only this once: (\S+)/.exec(text)?.[1]
      if (url && token) resolve({ url, token })
    })
  })
}

async function stopService(): Promise<void> {
  const child = service
  if (!child || child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  await ended
}

function countResources(): number {
  const root = join(dir, 'cloud', 'resources')
  return readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
}
