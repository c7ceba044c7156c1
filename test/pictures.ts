// Makes the pictures of the README, docs/console.png from the real page and docs/command-line.png from what the real
// program prints: node test/pictures.ts
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBrowser } from './chromium.ts'
import { openHome } from './cli.ts'
import { eventually } from './harness.ts'
import { screenOf } from './terminal.ts'

const dir = mkdtempSync(join(tmpdir(), 'ocpctl-picture-'))
chmodSync(dir, 0o755) // as root, the embedded PostgreSQL runs as another account
const service = spawn(process.execPath, ['src/main.ts', 'all'], {
  env: {
    PATH: process.env['PATH'],
    OCPCTL_DATA_DIR: dir,
    PORT: '0',
    OCPCTL_SIM_SPEED: '120',
    OCPCTL_LOG_LEVEL: 'warn',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
})
const { url, token } = await new Promise<{ url: string; token: string }>((resolve) => {
  let text = ''
  service.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    const url = /listens at (\S+),/.exec(text)?.[1]
    const token = /only this once: (\S+)/.exec(text)?.[1]
    if (url && token) resolve({ url, token })
  })
})

async function request(name: string, profile: string, team: string, ttlHours: number): Promise<string> {
  const response = await fetch(`${url}/api/v1/clusters`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': randomUUID(),
      'content-type': 'application/json',
    },
    body: JSON.stringify({ name, profile, team, ttlHours, platform: profile.split('-')[0] }),
  })
  const { cluster } = (await response.json()) as { cluster: { id: string } } // as this operation answers
  return cluster.id
}

const STYLE = `
  body { margin: 0; background: #16181d; }
  pre { margin: 0; padding: 22px 26px; width: max-content; color: #d7dae0; font: 14px/1.5 'DejaVu Sans Mono', monospace; }
  .bold { font-weight: 700; color: #fff; } .dim { color: #8b919c; }
  .green { color: #7fd18b; } .yellow { color: #e6c36a; } .red { color: #f08a84; }`

/** What a person sees who lists the clusters, asks for another one and waits for it, half way through. */
async function printed(): Promise<string> {
  const home = openHome({ COLORTERM: 'truecolor' })
  try {
    const signedIn = await home.run(['login', url, '--token-stdin'], { stdin: token })
    if (signedIn.code !== 0) throw new Error(signedIn.stderr)
    const shown = (args: string[], stdout: string) =>
      `<span class="dim">$</span> ocpctl ${args.join(' ')}\n${screenOf(stdout).trimEnd()}\n`
    const list = ['ls']
    const wait = ['create', 'release-check', '--profile', 'aws-minimal-test', '--team', 'platform', '--wait']
    const listed = shown(list, (await home.onTerminal(list).ended).stdout)
    const waiting = home.onTerminal(wait)
    await eventually(() => waiting.stdout().includes('● initialize') || waiting.child.exitCode !== null)
    const waited = shown(wait, waiting.stdout())
    waiting.child.kill()
    return `${listed}${waited}`
  } finally {
    home.remove()
  }
}

const browser = await openBrowser()
try {
  await request('checkout-e2e', 'aws-standard', 'payments', 72)
  await request('upgrade-4-20', 'gcp-standard', 'platform', 20)
  await request('nightly-perf', 'azure-standard', 'performance', 8)
  const last = await request('docs-demo', 'aws-single-node', 'docs', 1)
  const page = await browser.newPage({ viewport: { width: 1360, height: 620 }, deviceScaleFactor: 1.25 })
  await page.goto(`${url}/sign-in`)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page
    .locator('[data-row]', { has: page.locator(`a[href="/clusters/${last}"]`) })
    .getByText('Ready')
    .waitFor()
  await request('ci-smoke', 'aws-minimal-test', 'security', 6)
  await request('ibm-smoke', 'ibmcloud-minimal-test', 'platform', 4)
  await page.getByRole('button', { name: /new: show/ }).click()
  await page.locator('.row-progress').nth(1).waitFor()
  await page.getByText('Bootstrap, ').first().waitFor()
  await page.screenshot({ path: 'docs/console.png' })

  const terminal = await browser.newPage({ viewport: { width: 1180, height: 620 }, deviceScaleFactor: 1.25 })
  await terminal.setContent(`<style>${STYLE}</style><pre>${await printed()}</pre>`)
  await terminal.locator('pre').screenshot({ path: 'docs/command-line.png' })
} finally {
  await browser.close()
  service.kill('SIGINT')
  await once(service, 'exit')
  rmSync(dir, { recursive: true, force: true })
}
