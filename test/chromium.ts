// Debian's Chromium, driven by Playwright, and the console at a real socket.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AxeResults } from 'axe-core'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { createHttp } from '../src/http/app.ts'
import { createServer } from '../src/http/server.ts'
import type { Harness } from './harness.ts'

// Without windows and their frame it takes two fifths of the whole browser's time.
const SHELL = 'chromium-headless-shell'
const PLACES = [`/usr/bin/${SHELL}`, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export async function openBrowser(): Promise<Browser> {
  const executablePath = process.env['TEST_CHROMIUM'] ?? findBrowser()
  // Chromium's own sandbox refuses to run as root. The pages are our own.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
}

function findBrowser(): string {
  const find = () => PLACES.find((place) => existsSync(place))
  const found = find()
  if (found?.endsWith(SHELL)) return found
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get'))
    try {
      install(SHELL)
    } catch (error) {
      if (found === undefined) throw error
    }
  const place = find()
  if (place === undefined)
    throw new Error('install Chromium, or say in TEST_CHROMIUM where it is: the console is tested with it')
  return place
}

function install(debianPackage: string): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  execFileSync('apt-get', ['update', '-qq'], { env, stdio: 'ignore' })
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', debianPackage], { env, stdio: 'ignore' })
}

export type Console = { url: string; stop: () => Promise<void>; start: () => Promise<void> }

/** The API of the harness on loopback, which can be stopped and started again at the same port. */
export async function openConsole(h: Harness): Promise<Console> {
  let server: Server | undefined
  let port = 0
  const start = async () => {
    server = createServer(createHttp(h.app)).listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port // listens on TCP
  }
  await start()
  return {
    url: `http://127.0.0.1:${port}`,
    start,
    async stop() {
      const stopped = server && once(server, 'close')
      server?.close()
      server?.closeAllConnections()
      await stopped
    },
  }
}

export type Watched = { page: Page; context: BrowserContext; troubles: string[] }

/** A page whose every failure is noted: errors in the console, violations of the policy, answers of 500 and more. */
export async function openPage(
  browser: Browser,
  at: Console,
  options: { width?: number; height?: number } = {},
): Promise<Watched> {
  const { width = 1280, height = 800 } = options
  const context = await browser.newContext({
    baseURL: at.url,
    viewport: { width, height },
    timezoneId: 'Europe/Berlin',
    locale: 'en-GB',
  })
  const page = await context.newPage()
  const troubles: string[] = []
  page.on('pageerror', (error) => troubles.push(`${page.url()}: ${error.message}`))
  page.on('console', (message) => {
    // What the API refuses is an answer. The browser notes each of them.
    if (message.type() === 'error' && !/status of 4\d\d|ERR_CONNECTION_REFUSED/.test(message.text()))
      troubles.push(`${page.url()}: ${message.text()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 500) troubles.push(`${response.status()} ${response.url()}`)
  })
  return { page, context, troubles }
}

export async function signIn(page: Page, token: string, to = '/clusters'): Promise<void> {
  await page.goto(`/sign-in?to=${encodeURIComponent(to)}`)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.locator('.page-head').waitFor()
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core calls serious or critical on the page, in words. */
export async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const { violations } = (await page.evaluate("axe.run({ resultTypes: ['violations'] })")) as AxeResults
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`))
}
