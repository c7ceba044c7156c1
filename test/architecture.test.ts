// The map of the house, enforced: imports never go up a floor, never in a circle, types included; each vendor has one owner;
// some rooms are pure.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from './harness.ts'

const SRC = join(ROOT, 'src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !name.startsWith('simulator/'),
)
const textOf = (file: string) => readFileSync(join(SRC, file), 'utf8')

type Import = { from: string; to: string; types: boolean }
const imports: Import[] = files.flatMap((from) =>
  [...textOf(from).matchAll(/^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)/gms)].map(
    (match) => {
      const target = match[2] ?? match[3] ?? ''
      return {
        from,
        to: target.startsWith('.') ? relative(SRC, join(SRC, dirname(from), target)) : target,
        types: match[1] !== undefined,
      }
    },
  ),
)
const inside = imports.filter(({ to }) => files.includes(to))
const real = imports.filter((each) => !each.types)
const room = (file: string) => (file.includes('/') ? file.split('/')[0] : file) ?? file

/** From the ground up. A file that is named stands where it is named, and not with its room. */
const floors = [
  [
    'config.ts',
    'config-values.ts',
    'config-variables.ts',
    'db',
    'errors.ts',
    'events.ts',
    'ids.ts',
    'observability',
    'quick-imports.ts',
    'secrets.ts',
    'uptime.ts',
    'version.ts',
    'vocabulary.ts',
  ],
  // The ports with their vendors, and what is pure.
  [
    'artifacts',
    'clouds',
    'diagnosis',
    'hours',
    'install-config',
    'installer',
    'kubernetes',
    'outbound',
    'profiles',
    'queue',
  ],
  // What rows and requests look like.
  [
    'clusters/request.ts',
    'clusters/tables.ts',
    'usage/tables.ts',
    'workers/table.ts',
    'intake/table.ts',
    'clusters/infra-tables.ts',
    'emptiness/tables.ts',
    'jobs/tables.ts',
    'notices/forms.ts',
    'notices/notices.ts',
    'notices/tables.ts',
    'policy',
  ],
  ['audit', 'auth', 'idempotency.ts'],
  ['app.ts'],
  [
    'clusters',
    'emptiness',
    'gauges',
    'installation.ts',
    'intake',
    'jobs',
    'notices',
    'operations',
    'reconcile',
    'schedules.ts',
    'usage',
    'workers',
  ],
  ['cron', 'http', 'worker'],
  ['wiring.ts'],
  ['commands'],
  ['main.ts'],
]
const floorOf = (file: string) => {
  const named = floors.findIndex((floor) => floor.includes(file))
  return named >= 0 ? named : floors.findIndex((floor) => floor.includes(room(file)))
}
const doors = ['http', 'worker', 'cron']

it('every room stands on a floor', () => {
  expect(inside.length).toBeGreaterThan(400)
  expect(files.filter((file) => floorOf(file) < 0)).toEqual([])
})

it('imports never go up a floor', () => {
  expect(inside.filter(({ from, to }) => floorOf(to) > floorOf(from))).toEqual([])
})

it('imports never go in a circle', () => {
  const graph = Map.groupBy(inside, (each) => each.from)
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    else for (const { to } of graph.get(file) ?? []) if (!done.has(to)) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  expect(circles).toEqual([])
})

it('doors do not import each other, nor Drizzle', () => {
  const wrong = real.filter(
    ({ from, to }) =>
      doors.includes(room(from)) &&
      ((doors.includes(room(to)) && room(to) !== room(from)) || to.startsWith('drizzle-orm')),
  )
  expect(wrong).toEqual([])
})

it.each([
  [
    'pg-boss',
    [
      'queue/pg-boss.ts',
      'queue/schedules.ts',
      'queue/errands.ts',
      'queue/standing.ts',
      'queue/telling.ts',
      'queue/setup.ts',
    ],
  ],
  ['node:child_process', ['db/embedded.ts', 'installer/openshift-install.ts']],
  ['pg', ['db/client.ts', 'db/together.ts', 'db/embedded.ts', 'db/migrate.ts', 'events.ts']],
  [
    '@aws-sdk/',
    [
      'artifacts/s3.ts',
      'auth/aws-iam.ts',
      ...files.filter((file) => file.startsWith('clouds/aws/')),
      'commands/token.ts',
    ],
  ],
  ['@smithy/', ['commands/token.ts']],
  ['@azure/identity', ['clouds/azure/sign-in.ts']],
  ['undici', ['kubernetes/client.ts']],
  ['nodemailer', ['outbound/mailer.ts']],
  ['jose', ['auth/oidc.ts', 'clouds/gcp/sign-in.ts', 'emptiness/signature.ts']],
  ['google-auth-library', ['clouds/gcp/sign-in.ts']],
  ['openid-client', ['auth/oidc-code.ts']],
  ['pino', ['observability/log.ts']],
  ['pino-pretty', ['observability/log.ts']],
  ['@opentelemetry/', ['observability/traces.ts']],
  ['swagger-ui-dist', []],
  ['rate-limiter-flexible', ['http/limits.ts']],
  ['@fastify/proxy-addr', ['config-values.ts', 'http/limits.ts']],
  ['jsonc-parser', ['http/input.ts']],
])('%s has its owner', (vendor, owners) => {
  const users = imports
    .filter(({ to }) => to === vendor || (vendor.endsWith('/') && to.startsWith(vendor)))
    .map((each) => each.from)
  expect([...new Set(users)].filter((file) => !owners.includes(file))).toEqual([])
})

it('policy, diagnosis, hours, install-config and metadata are pure', () => {
  const isPure = (file: string) =>
    ['policy', 'diagnosis', 'hours', 'install-config'].includes(room(file)) ||
    [
      'clusters/request.ts',
      'installer/metadata.ts',
      'installer/stages.ts',
      'profiles/footprint.ts',
      'profiles/parts.ts',
      'profiles/profile.ts',
      'profiles/quotas.ts',
    ].includes(file)
  const impure = real.filter(
    ({ from, to }) =>
      isPure(from) &&
      ((to.startsWith('node:') && to !== 'node:crypto') || room(to) === 'db' || to.startsWith('drizzle')),
  )
  expect(impure).toEqual([])
})

it('no file is longer than 300 lines', () => {
  const lines = (file: string) => textOf(file).trimEnd().split('\n').length
  expect(files.filter((file) => lines(file) > 300)).toEqual([])
})

it('the console is a program of its own, which knows the service by HTTP alone', () => {
  const home = join(ROOT, 'web/src')
  const pages = readdirSync(home, { recursive: true, encoding: 'utf8' }).filter((name) => /(?<!\.d)\.tsx?$/.test(name))
  expect(pages.length).toBeGreaterThan(30)
  const text = (page: string) => readFileSync(join(home, page), 'utf8')
  expect(pages.filter((page) => text(page).trimEnd().split('\n').length > 300)).toEqual([])
  const outward = pages.flatMap((page) =>
    [...text(page).matchAll(/(?:from|import\() ?'(\.[^']*)'/g)].flatMap(([, to = '']) =>
      relative(home, join(home, dirname(page), to)).startsWith('..') ? [`${page} ${to}`] : [],
    ),
  )
  expect(outward).toEqual([])
})

it('the environment is read in one place, and the simulator is a program of its own', () => {
  const readers = files.filter((file) => /process\.env\b/.test(textOf(file)))
  expect(readers).toEqual(['main.ts'])
  expect(imports.filter(({ to }) => to.startsWith('simulator'))).toEqual([])
  const simulator = readdirSync(join(SRC, 'simulator'))
    .map((name) => readFileSync(join(SRC, 'simulator', name), 'utf8'))
    .join('\n')
  expect(simulator).not.toMatch(/from '\.\.\//)
})
