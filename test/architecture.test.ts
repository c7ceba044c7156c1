// The map of the house, enforced: imports never go up a floor, never in a circle; each vendor has one owner; some rooms
// are pure. Type-only imports vanish and may cross.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from './harness.ts'

const SRC = join(ROOT, 'src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !name.startsWith('simulator/'),
)

type Import = { from: string; to: string; types: boolean }
const imports: Import[] = files.flatMap((from) => {
  const text = readFileSync(join(SRC, from), 'utf8')
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)/gms)].map(
    (match) => {
      const target = match[2] ?? match[3] ?? ''
      return {
        from,
        to: target.startsWith('.') ? relative(SRC, join(SRC, dirname(from), target)) : target,
        types: match[1] !== undefined,
      }
    },
  )
})
const real = imports.filter((each) => !each.types)
const room = (file: string) => (file.includes('/') ? file.split('/')[0] : file) ?? file

const floors: Record<string, number> = {
  ...{
    db: 0,
    'config.ts': 0,
    'errors.ts': 0,
    'ids.ts': 0,
    'secrets.ts': 0,
    observability: 0,
    'events.ts': 0,
    'uptime.ts': 0,
  },
  ...{ artifacts: 1, clouds: 1, installer: 1 },
  ...{ 'app.ts': 2, audit: 2, 'idempotency.ts': 2, auth: 2, profiles: 2, policy: 2, clusters: 2, jobs: 2 },
  ...{ 'installation.ts': 2, reconcile: 2, 'install-config': 2 },
  ...{ http: 3, worker: 3, cron: 3 },
  ...{ 'main.ts': 4, 'diagnose.ts': 4, 'lint-file.ts': 4, 'recover.ts': 4, 'token.ts': 4 },
}
const doors = ['http', 'worker', 'cron']

it('every room stands on a floor', () => {
  expect(real.length).toBeGreaterThan(100)
  expect(files.map(room).filter((name) => floors[name] === undefined)).toEqual([])
})

it('imports never go up a floor', () => {
  const up = real.filter(
    ({ from, to }) => floors[room(to)] !== undefined && (floors[room(to)] ?? 0) > (floors[room(from)] ?? 0),
  )
  expect(up).toEqual([])
})

it('imports never go in a circle', () => {
  const graph = Map.groupBy(real, (each) => each.from)
  const circles: string[] = []
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    else for (const { to } of graph.get(file) ?? []) if (!done.has(to)) visit(to, [...path, file])
    done.add(file)
  }
  const done = new Set<string>()
  for (const file of files) visit(file, [])
  expect(circles).toEqual([])
})

it('doors do not import each other, nor Drizzle', () => {
  const wrong = real.filter(
    ({ from, to }) =>
      doors.includes(room(from)) &&
      ((doors.includes(room(to)) && room(to) !== room(from)) ||
        (to.startsWith('drizzle-orm') && from !== 'http/health.ts')),
  )
  expect(wrong).toEqual([])
})

it.each([
  ['pg-boss', ['jobs/queue.ts']],
  ['node:child_process', ['db/embedded.ts', 'installer/openshift-install.ts']],
  ['pg', ['db/client.ts', 'db/embedded.ts', 'db/migrate.ts', 'events.ts', 'jobs/queue.ts']],
  ['@aws-sdk/', ['artifacts/s3.ts', 'auth/aws-iam.ts', 'clouds/aws.ts', 'token.ts']],
  ['@smithy/', ['token.ts']],
  ['jose', ['auth/oidc.ts']],
  ['pino', ['observability/log.ts']],
  ['swagger-ui-dist', []],
  ['rate-limiter-flexible', ['http/limits.ts']],
  ['@fastify/proxy-addr', ['config.ts', 'http/limits.ts']],
  ['jsonc-parser', ['http/input.ts']],
])('%s has its owner', (vendor, owners) => {
  const users = imports
    .filter(({ to }) => to === vendor || (vendor.endsWith('/') && to.startsWith(vendor)))
    .map((each) => each.from)
  expect([...new Set(users)].filter((file) => !owners.includes(file))).toEqual([])
})

it('policy, install-config and metadata are pure', () => {
  const pure = [
    'policy/policy.ts',
    ...files.filter((file) => file.startsWith('install-config/')),
    'profiles/profile.ts',
    'profiles/footprint.ts',
    'profiles/quotas.ts',
    'installer/metadata.ts',
    'installer/stages.ts',
    'clusters/cluster.ts',
  ]
  const impure = real.filter(
    ({ from, to }) =>
      pure.includes(from) &&
      ((to.startsWith('node:') && to !== 'node:crypto') ||
        (room(to) === 'db' && to !== 'db/schema.ts') ||
        to.startsWith('drizzle')),
  )
  expect(impure).toEqual([])
})

it('the environment is read in one place, and the simulator is a program of its own', () => {
  const readers = files.filter((file) => /process\.env\b/.test(readFileSync(join(SRC, file), 'utf8')))
  expect(readers).toEqual(['main.ts'])
  expect(imports.filter(({ to }) => to.startsWith('simulator'))).toEqual([])
  const simulator = readdirSync(join(SRC, 'simulator'))
    .map((name) => readFileSync(join(SRC, 'simulator', name), 'utf8'))
    .join('\n')
  expect(simulator).not.toMatch(/from '\.\.\//)
})
