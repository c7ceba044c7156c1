// The console in a real browser against the real service: nothing between them is made up.
import { readFileSync } from 'node:fs'
import { eq } from 'drizzle-orm'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { Role } from '../src/vocabulary.ts'
import { clusters } from '../src/clusters/tables.ts'
import { startOperations } from '../src/cron/operations.ts'
import { openBrowser, openConsole, openPage, seriousFaults, signIn, type Console, type Watched } from './chromium.ts'
import { newId } from '../src/ids.ts'
import { type Harness, openHarness } from './harness.ts'

let h: Harness
let browser: Browser
let at: Console
let sample = ''
let stopOperations = async () => undefined as void
const opened: Watched[] = []

async function open(token: string, to?: string, options?: { width?: number; height?: number }): Promise<Watched> {
  const watched = await openPage(browser, at, options)
  opened.push(watched)
  await signIn(watched.page, token, to)
  return watched
}

beforeAll(async () => {
  // Forty minutes of an installation are three seconds, so that there is something to follow.
  h = await openHarness({ speed: 800 })
  await h.startWorker()
  stopOperations = await startOperations(h.app)
  at = await openConsole(h)
  const { cluster } = await h.requestCluster('sample', { team: 'red' })
  sample = cluster.id
  browser = await openBrowser()
  await h.reach(sample, 'READY')
}, 300_000)
// A page that stays open goes on following what happens.
afterEach(async () => {
  for (const { context } of opened.splice(0)) await context.close()
})
afterAll(async () => {
  await browser.close()
  await stopOperations()
  await at.stop()
  await h.close()
})

it('from the request to the proved end', async () => {
  const token = await h.tokenFor([{ team: 'red', role: 'requester' }])
  const { page, troubles } = await open(token)
  await page.getByRole('link', { name: 'Request a cluster' }).first().click()
  await page.getByLabel('Name').fill('Walk!')
  await page.getByText('must be a DNS label').waitFor()
  await page.getByLabel('Name').fill('walk')
  await page.getByLabel('Ends after, in hours').fill('5000')
  await page.getByRole('button', { name: /^Use \d/ }).click()
  await page.getByText('install-config.yaml').click()
  await page.getByText('baseDomain: clusters.example.com').waitFor()
  await page.getByRole('button', { name: 'Request the cluster' }).dblclick()

  await page.getByRole('heading', { name: 'walk', level: 1 }).waitFor()
  await page.getByText('Creating infrastructure resources...').waitFor()
  await page.locator('h1 ~ .lead .pill', { hasText: 'Ready' }).waitFor()
  await page.getByText('Install complete!').waitFor()
  await page.getByLabel('Search in the log').fill('install complete')
  await page.getByText(/^1 of \d+ lines/).waitFor()
  // By the one that was there before.
  await page.getByRole('complementary', { name: 'Stages' }).getByText('usually').first().waitFor()

  await page.getByRole('link', { name: 'Overview', exact: true }).click()
  await page.getByText(/^usually .*, at times /).waitFor()
  await page.getByRole('link', { name: 'Activity', exact: true }).click()
  await page.getByText('CREATE, attempt 1: SUCCEEDED after').waitFor()
  await page.getByText('It became').first().waitFor()

  await page.getByRole('link', { name: 'Access', exact: true }).click()
  const waiting = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download' }).click()
  expect(readFileSync(await (await waiting).path(), 'utf8')).toContain('apiVersion')
  await page.getByRole('button', { name: 'Show the password' }).click()
  await page
    .getByRole('button', { name: /^Copy .{10,}/ })
    .last()
    .waitFor()

  await page.getByRole('button', { name: 'Extend…' }).click()
  await page.getByLabel('Hours from now').fill('5')
  await page.getByRole('button', { name: 'Move the end' }).click()
  await page.getByText(/^walk ends .* for \$/).waitFor()
  await page
    .getByText(/^in (4 h 59 min|5 h)/)
    .first()
    .waitFor()

  await page.getByRole('button', { name: 'Actions of walk' }).click()
  await page.getByRole('menuitem', { name: 'Destroy…' }).click()
  const destroy = page.getByRole('button', { name: 'Destroy it' })
  expect(await destroy.isDisabled()).toBe(true)
  await page.getByLabel('Type walk to go on').fill('walk')
  await destroy.click()
  await page.locator('h1 ~ .lead .pill', { hasText: 'Destroyed' }).waitFor()
  expect(await h.rows(`select name from clusters where name = 'walk'`)).toHaveLength(1)
  expect(h.resources().filter((name) => name.includes('walk'))).toEqual([])
  expect(troubles).toEqual([])
})

const PAGES = [
  '/clusters',
  '/request',
  '/jobs',
  '/jobs?tab=operations',
  '/usage',
  '/profiles',
  '/tokens',
  '/command-line',
]
const OF_ROLE: Record<Role, string[]> = {
  requester: [],
  team_admin: ['/access', '/access?tab=webhooks'],
  auditor: ['/findings', '/findings?tab=leaks', '/audit'],
  platform_admin: [
    '/findings',
    '/audit',
    '/access',
    '/access?tab=tokens',
    '/jobs?tab=queue',
    '/jobs?tab=workers',
    '/jobs?tab=schedules',
  ],
}
const TABS = ['', '?tab=activity', '?tab=log', '?tab=access', '?tab=cost', '?tab=stored']

/** As a link of the page does, without loading the files again. */
async function goTo(page: Page, path: string): Promise<void> {
  await page.evaluate(`history.pushState(null, '', ${JSON.stringify(path)})`)
  await page.locator('main .loading').first().waitFor({ state: 'detached' })
  await page.locator('.page-head').waitFor()
}

/** Presses every button of the page that is not pressed yet, and leaves what opens by Escape. */
async function pressAll(page: Page, path: string, pressed: Set<string>): Promise<void> {
  const buttons = page.locator('main button:enabled:visible:not([role=menuitem])')
  const names = await buttons.evaluateAll((all) => all.map((each) => each.ariaLabel ?? each.textContent ?? ''))
  for (const [index, name] of names.entries()) {
    if (pressed.has(name)) continue
    pressed.add(name)
    await buttons
      .nth(index)
      .dispatchEvent('click', {}, { timeout: 500 })
      .catch(() => undefined) // gone with what another one did
    if ((await page.locator('dialog[open], [popover]:popover-open').count()) > 0) await page.keyboard.press('Escape')
    if (new URL(page.url()).pathname !== path.split('?')[0]) await goTo(page, path)
  }
}

it.each(Object.keys(OF_ROLE) as Role[])('as a %s, everything may be pressed', { timeout: 180_000 }, async (role) => {
  const token = await h.tokenFor([{ team: role === 'platform_admin' ? '*' : 'red', role }])
  const { page, troubles } = await open(token)
  const paths = [...PAGES, ...OF_ROLE[role], ...TABS.map((tab) => `/clusters/${sample}${tab}`)]
  const pressed = new Set<string>()
  const faults: string[] = []
  for (const path of paths) {
    await goTo(page, path)
    // Each page once is enough, and the administrator sees the most of it.
    if (role === 'platform_admin') faults.push(...(await seriousFaults(page)).map((fault) => `${path} ${fault}`))
    await pressAll(page, path, pressed)
  }
  expect(pressed.size).toBeGreaterThan(20)
  expect(faults).toEqual([])
  expect(troubles).toEqual([])
})

it('what one may not see is not there, and what one may not do says why', async () => {
  const stranger = await open(await h.tokenFor([{ team: 'blue', role: 'requester' }]), '/clusters')
  await stranger.page.goto(`/clusters/${sample}`)
  await stranger.page.getByText('There is nothing here that you may see').waitFor()
  const auditor = await open(await h.tokenFor([{ team: 'red', role: 'auditor' }]), `/clusters/${sample}`)
  await auditor.page.getByRole('button', { name: 'Actions of sample' }).click()
  const destroy = auditor.page.getByRole('menuitem', { name: 'Destroy…' })
  await expect.poll(() => destroy.getAttribute('aria-disabled')).toBe('true')
  expect(await destroy.textContent()).toContain('the role auditor may not')
})

it('a page outlives the API, and says while it cannot hear it', async () => {
  const { page } = await open(h.admin, '/clusters')
  await page.getByRole('link', { name: 'sample' }).waitFor()
  await at.stop()
  await page.getByRole('button', { name: 'Reconnecting' }).waitFor()
  expect(await page.getByRole('link', { name: 'sample' }).isVisible()).toBe(true)
  await at.start()
  await page.getByRole('button', { name: 'Live' }).waitFor()
  await h.requestCluster('while-open', { team: 'red' })
  await page.getByRole('button', { name: '1 new: show' }).click()
  await page.getByRole('link', { name: 'while-open' }).waitFor()
})

it('what changes is on the page by the stream alone', async () => {
  const { page, troubles } = await open(h.admin, '/clusters?q=sample')
  await page.getByRole('link', { name: 'sample' }).waitFor()
  await page.getByRole('button', { name: 'Live' }).waitFor()
  // From here on no question of the page is answered.
  await page.route(/\/api\/v1\/(?!events\/)/, () => undefined)
  const { body } = await h.call('POST', `/clusters/${sample}/extend`, { key: 'later', body: { hours: 30 } })
  await page.locator(`.until[datetime="${body.cluster.destroyAt}"]`).waitFor()
  expect(troubles).toEqual([])
})

it('a token that is revoked under a page leads to the sign-in, and from there back', async () => {
  const token = await h.tokenFor([{ team: 'red', role: 'requester' }])
  const { page } = await open(token, `/clusters/${sample}?tab=cost`)
  const { body } = await h.call('GET', '/api/v1/whoami', { token })
  await h.call('DELETE', `/api/v1/api-tokens/${body.principal.id}`)
  await page.getByRole('heading', { name: 'Sign in to ocpctl' }).waitFor()
  await page.getByLabel('Token').fill(h.admin)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByText('USD by day and state').first().waitFor()
})

it('a laptop that slept for two hours shows the time of now', async () => {
  const watched = await openPage(browser, at)
  opened.push(watched)
  await watched.page.clock.install()
  await signIn(watched.page, h.admin, `/clusters/${sample}`)
  const left = watched.page.locator('.lead .until')
  const before = await left.textContent()
  await watched.page.clock.fastForward('02:00:00')
  await expect.poll(() => left.textContent()).not.toBe(before)
  await watched.page.getByRole('button', { name: 'Live' }).waitFor()
  expect(watched.troubles).toEqual([])
})

it('several at once: more than five are destroyed only for their number in words', async () => {
  for (let n = 1; n <= 6; n++) await h.requestCluster(`bulk-${n}`, { team: 'red' })
  const { page, troubles } = await open(h.admin, '/clusters?q=bulk')
  await page.getByLabel('Select bulk-6').click()
  await page.getByLabel('Select bulk-1').click({ modifiers: ['Shift'] })
  await page.getByRole('region', { name: 'Selected clusters' }).getByRole('button', { name: 'Destroy…' }).click()
  const destroy = page.getByRole('button', { name: 'Destroy 6 clusters' })
  await page.getByLabel('Type six to go on').fill('seven')
  expect(await destroy.isDisabled()).toBe(true)
  await page.getByLabel('Type six to go on').fill('six')
  await destroy.click()
  await page.waitForURL(/operations\/ops_/)
  // What is done is the server's, and not this page's.
  await page.reload()
  await page.getByText('6 of 6 done').waitFor()
  const waiting = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Save the result' }).click()
  const result = JSON.parse(readFileSync(await (await waiting).path(), 'utf8')) as { items: { outcome: string }[] } // written by the page
  expect(result.items.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 6 }, () => 'DONE'))
  expect(troubles).toEqual([])
})

it.each([320, 1920])('at %i pixels nothing is cut off', async (width) => {
  const { page } = await open(h.admin, '/clusters', { width, height: 900 })
  const seen = async () =>
    (await page.locator('th:visible').allTextContents()).map((text) => text.trim()).filter((text) => text !== '')
  await page.getByRole('link', { name: 'sample' }).waitFor()
  const all = ['Cluster', 'State', 'Region', 'Version', 'Profile', 'Owner', 'Ends', 'Cost', 'Actions']
  expect(await seen()).toEqual(width === 320 ? ['Cluster', 'State', 'Ends', 'Actions'] : all)
  for (const path of [
    '/clusters',
    '/request',
    '/jobs',
    '/jobs?tab=operations',
    '/jobs?tab=queue',
    '/jobs?tab=workers',
    '/usage',
    '/command-line',
    ...TABS.map((tab) => `/clusters/${sample}${tab}`),
  ]) {
    await goTo(page, path)
    const wide = (await page.evaluate('document.documentElement.scrollWidth')) as number // of the page
    expect([path, wide]).toEqual([path, width])
  }
})

it('in the dark nothing is harder to read', async () => {
  const { page } = await open(h.admin, '/clusters')
  await page.emulateMedia({ colorScheme: 'dark' })
  for (const path of ['/clusters', '/request', '/usage', `/clusters/${sample}`, `/clusters/${sample}?tab=log`]) {
    await goTo(page, path)
    expect([path, await seriousFaults(page)]).toEqual([path, []])
  }
})

it('the keyboard is enough', async () => {
  const { page } = await open(h.admin, '/jobs')
  await page.keyboard.press('Control+k')
  await page.getByLabel('Command, page, or name of a cluster').fill('samp')
  await page.getByRole('option', { name: /^sample\./ }).waitFor()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'sample', level: 1 }).waitFor()
  await page.keyboard.press('Control+k')
  await page.getByLabel('Command, page, or name of a cluster').fill('command line')
  await page.keyboard.press('Enter')
  await page.getByText(/[0-9a-f]{64} {2}ocpctl\.mjs/).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('c')
  await page.getByRole('link', { name: 'sample' }).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('sample')
  await page.waitForURL(/q=sample/)
  await page.keyboard.press('Tab')
  await page.evaluate('document.activeElement.blur()')
  await page.keyboard.press('?')
  const sheet = page.getByRole('heading', { name: 'Keyboard shortcuts' })
  await sheet.waitFor()
  await page.keyboard.press('Escape')
  await sheet.waitFor({ state: 'detached' })
  await page.keyboard.press('j')
  await page.keyboard.press('d')
  const question = page.getByRole('heading', { name: 'Destroy sample' })
  await question.waitFor()
  await page.keyboard.press('Escape')
  await question.waitFor({ state: 'detached' })
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'sample', level: 1 }).waitFor()
})

// Near the end, since what it makes fills the first page of the list.
it('all that match, on all pages, with what is refused and why', async () => {
  await copySample(53)
  await h.rows(
    `update clusters set protected = true, protected_until = now() + interval '5 days', protected_reason = 'a fair' where name = 'copy-7'`,
  )
  const { page, troubles } = await open(h.admin, '/clusters?q=copy')
  await page.getByLabel('Select all on this page').click()
  const bar = page.getByRole('region', { name: 'Selected clusters' })
  await bar.getByText('50 selected').waitFor()
  await bar.getByRole('button', { name: 'Select all 53 that match' }).click()
  await bar.getByText('All 53 that match').waitFor()
  await bar.getByRole('button', { name: 'Destroy…' }).click()
  await page.getByLabel('Type fifty-two to go on').waitFor()
  await page.getByText(/^copy-7: the cluster is protected until .* \(a fair\)/).waitFor()
  expect(await seriousFaults(page)).toEqual([])
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await bar.getByRole('button', { name: 'Extend…' }).click()
  await page.getByLabel('Hours from now').fill('30')
  await page.getByRole('button', { name: 'Move the end of 53 clusters' }).click()
  await page.getByText('53 of 53 done').waitFor()
  expect(await seriousFaults(page)).toEqual([])
  await goTo(page, '/jobs?tab=operations')
  await page.getByRole('link', { name: 'Move the end of 53 clusters' }).waitFor()
  expect(await h.rows(`select count(*)::int as moved from clusters where name like 'copy-%' and destroy_at > now() + interval '29 hours'`)).toEqual([{ moved: 53 }]) // prettier-ignore
  expect(troubles).toEqual([])
})

it(
  'a log of a million lines is read, searched and linked to, a screen of it at a time',
  { timeout: 120_000 },
  async () => {
    const [job] = await h.rows<{ id: string; seq: number }>(
      `select j.id, max(l.last_seq) as seq from jobs j join job_log_chunks l on l.job_id = j.id where j.cluster_id = '${sample}' group by j.id`,
    )
    const before = job?.seq ?? 0
    // Text that becomes JSON once is written in a third of the time.
    await h.rows(`
    insert into job_log_chunks (job_id, first_seq, last_seq, lines)
      select '${job?.id}', ${before} + c * 500 + 1, ${before} + c * 500 + 500,
        (select '[' || string_agg('{"seq":' || ${before} + c * 500 + n || ',"at":"2026-01-01T00:00:00Z","level":"' ||
          case when n = 7 then 'warning' else 'debug' end || '","message":"step ' || c * 500 + n || '"}', ',' order by n) || ']'
        from generate_series(1, 500) n)::jsonb
      from generate_series(0, 1999) c`)
    const counted = new Intl.NumberFormat('en-US').format(before + 1_000_000)
    const { page, troubles } = await open(h.admin, `/clusters/${sample}`)
    await page.goto(`/clusters/${sample}?tab=log#L${before + 500_000}`)
    await page.getByText(`${counted} lines`, { exact: true }).waitFor({ timeout: 0 })
    const lines = page.locator('.lines .line')
    const line = (step: number) => lines.filter({ hasText: `step ${step}` }).filter({ visible: true })
    const areFew = async () => expect(await lines.count()).toBeLessThan(150)
    expect(await page.locator('.line[data-marked=true]').textContent()).toContain('step 500000')
    await areFew()
    await page.getByRole('button', { name: 'Follow' }).click()
    await line(1_000_000).waitFor()
    await areFew()
    await page.getByLabel('Search in the log').fill('STEP 77777')
    await page.getByText(`11 of ${counted} lines`).waitFor()
    const steps = [77_777, ...Array.from({ length: 10 }, (_, n) => 777_770 + n)]
    await expect
      .poll(async () => (await lines.locator('span').allTextContents()).toSorted())
      .toEqual(steps.map((step) => `step ${step}`).toSorted())
    await page.getByLabel('Search in the log').fill('step')
    await page.getByLabel('Least level').selectOption('warning')
    await page.getByText(`2,000 of ${counted} lines`).waitFor()
    await line(999_507).waitFor()
    await areFew()
    expect(troubles).toEqual([])
  },
)

/** Rows without jobs, which nothing was made for. */
async function copySample(count: number): Promise<void> {
  const [row] = await h.app.db.select().from(clusters).where(eq(clusters.id, sample))
  if (!row) throw new Error('the sample is gone')
  const destroyAt = new Date(Date.now() + 20 * 3_600_000)
  const copies = Array.from({ length: count }, (_, n) => ({
    ...row,
    id: newId('clu'),
    name: `copy-${n + 1}`,
    destroyAt,
  }))
  await h.app.db.insert(clusters).values(copies)
}
