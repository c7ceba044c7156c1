// The product in a minute: starts the service on its embedded defaults, asks for a cluster over HTTP, follows the
// installation, shows the outputs, destroys the cluster and counts what is left in the simulated cloud.
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'

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
  say(`          ${url}/docs`)

  step('POST /api/v1/clusters')
  const { cluster, job } = await api(url, token, 'POST', '/clusters', {
    name: 'demo',
    platform: 'aws',
    profile: 'aws-standard',
    tags: { purpose: 'demo' },
  })
  say(`          ${cluster.id} is ${cluster.status}, job ${job.id}`)

  step('The installation, live (simulated)')
  await followLog(url, token, job.id)
  const ready = await api(url, token, 'GET', `/clusters/${cluster.id}`)
  step(
    `The cluster is ${ready.status}, infraID ${ready.infraId}, $${ready.usdPerHour} an hour; ${countResources()} simulated resources exist`,
  )
  if (ready.status !== 'READY') throw new Error(`the cluster did not become READY: ${ready.statusReason}`)
  const outputs = await api(url, token, 'GET', `/clusters/${cluster.id}/outputs`)
  const kubeconfig = await api(url, token, 'GET', `/clusters/${cluster.id}/kubeconfig`)
  say(`          API      ${outputs.apiUrl}`)
  say(`          console  ${outputs.consoleUrl}`)
  say(`          kubeconfig of ${Buffer.byteLength(kubeconfig)} bytes`)

  step('POST /api/v1/clusters/{id}/destroy')
  const destroy = await api(url, token, 'POST', `/clusters/${cluster.id}/destroy`)
  await followLog(url, token, destroy.job.id)
  const gone = await api(url, token, 'GET', `/clusters/${cluster.id}`)
  const left = countResources()
  step(`The cluster is ${gone.status}; ${left} resources left`)
  if (gone.status !== 'DESTROYED' || left !== 0) throw new Error('something was left behind')
  say(`\nDone in ${seconds().trim()}: requested, installed, handed out, destroyed, proved empty.\n`)
} catch (error) {
  process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  await stopService()
  rmSync(dir, { recursive: true, force: true })
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

// oxlint-disable-next-line typescript/no-explicit-any -- the JSON of whatever operation is called
async function api(url: string, token: string, method: string, path: string, body?: unknown): Promise<any> {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(method === 'POST' ? { 'idempotency-key': randomUUID() } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} gave ${response.status}: ${text}`)
  return response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text
}

async function followLog(url: string, token: string, jobId: string): Promise<void> {
  const response = await fetch(`${url}/api/v1/jobs/${jobId}/log/stream`, {
    headers: { authorization: `Bearer ${token}` },
  })
  if (!response.ok || !response.body) throw new Error(`the log stream gave ${response.status}`)
  let rest = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    rest += chunk
    const events = rest.split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1]
      if (/^event: end$/m.test(event) || data === undefined) continue
      const line: { level: string; message: string } = JSON.parse(data)
      if (line.level !== 'debug' || line.message.startsWith('Still waiting'))
        say(`[${seconds()}] ${line.level.padEnd(7)} ${line.message}`)
    }
  }
}

function countResources(): number {
  const root = join(dir, 'cloud', 'resources')
  return readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
}
