// Makes docs/console.png, the picture of the README, from the real page: node test/console-picture.ts
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBrowser } from './chromium.ts'

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
  await page.getByText('Bootstrap, ').nth(1).waitFor()
  await page.screenshot({ path: 'docs/console.png' })
} finally {
  await browser.close()
  service.kill('SIGINT')
  await once(service, 'exit')
  rmSync(dir, { recursive: true, force: true })
}
