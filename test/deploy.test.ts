// The manifests: what they give to the program it takes, and what they name is there. test/judges/kubernetes.ts asks the
// published schemas.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readConfig } from '../src/config.ts'
import { INTERRUPT_GRACE_MS } from '../src/worker/operation.ts'
import { ROOT } from './harness.ts'
import { readDockerfile, readStart } from './image.ts'

const HOME = join(ROOT, 'deploy/kubernetes')
const SECRET = {
  DATABASE_URL: 'postgres://ocpctl:secret@postgres/ocpctl',
  OCPCTL_SECRETS_KEY: Buffer.alloc(32).toString('base64'),
  OCPCTL_ADMIN_TOKEN: 'an-administrator-of-this-test',
}
/** What a stopped worker needs after its installers have ended: the last snapshots and the settles. */
const SETTLE_SECONDS = 25

type Labels = Record<string, string>
type Selector = { matchLabels?: Labels; matchExpressions?: object[] }
type Container = {
  name: string
  image: string
  args: string[]
  env?: { name: string; value: string }[]
  envFrom: { configMapRef?: { name: string }; secretRef?: { name: string } }[]
  ports?: { name: string; containerPort: number }[]
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[]
  securityContext: object
  resources: { requests: object; limits: object }
  [probe: `${string}Probe`]: {
    httpGet: { path: string; port: string }
    periodSeconds: number
    failureThreshold: number
  }
}
type Pod = {
  metadata: { labels: Labels }
  spec: {
    containers: Container[]
    volumes: { name: string; emptyDir?: { sizeLimit?: string }; [kind: string]: unknown }[]
    securityContext: object
    terminationGracePeriodSeconds?: number
    serviceAccountName: string
    automountServiceAccountToken: boolean
    [name: string]: unknown
  }
}
type Manifest = {
  kind: string
  metadata: { name: string; labels?: Labels }
  data?: Record<string, string>
  spec: {
    template: Pod
    selector: Selector & Labels
    podSelector: Selector
    ports: { name: string; targetPort: string }[]
    policyTypes: string[]
    ingress?: { ports: { port: string | number }[] }[]
    [name: string]: unknown
  }
}
type Kustomization = {
  kind: string
  resources?: string[]
  components?: string[]
  patches?: { patch: string; target: { kind: string; name: string } }[]
}

const read = <T>(file: string): T[] => parseAllDocuments(readFileSync(join(HOME, file), 'utf8')).map((document) => document.toJS() as T) // prettier-ignore
const directories = readdirSync(HOME, { recursive: true, encoding: 'utf8' }).filter((name) => existsSync(join(HOME, name, 'kustomization.yaml'))) // prettier-ignore
const kustomizations = directories.map((dir) => ({
  dir,
  ...(read<Kustomization>(join(dir, 'kustomization.yaml'))[0] as Kustomization),
})) // one in each
const manifests = kustomizations.flatMap(({ dir, resources = [] }) => resources.filter((name) => name.endsWith('.yaml')).flatMap((name) => read<Manifest>(join(dir, name)))) // prettier-ignore
const patches = kustomizations.flatMap(({ patches: of = [] }) => of.map(({ patch, target }) => ({ target, ...(parseAllDocuments(patch)[0]?.toJS() as Manifest) }))) // prettier-ignore
const ofKind = (kind: string) => manifests.filter((each) => each.kind === kind)
const workloads = [...ofKind('Deployment'), ...ofKind('Job')]
const config = ofKind('ConfigMap')[0]?.data ?? {}
const podOf = (name: string): Pod => {
  const found = workloads.find(({ metadata }) => metadata.name === name)
  if (!found) throw new Error(`there is no ${name}`)
  return found.spec.template
}
const fits = ({ matchLabels = {} }: Selector, { metadata }: Pod) =>
  Object.entries(matchLabels).every(([name, value]) => metadata.labels[name] === value)
const environmentOf = ({ env = [] }: Pick<Container, 'env'>) => Object.fromEntries(env.map(({ name, value }) => [name, value])) // prettier-ignore

it('every file is a part of something, and every part is there', () => {
  for (const { dir, resources = [], components = [] } of kustomizations) {
    const named = [...resources, ...components]
    expect(
      named.filter((name) => !existsSync(join(HOME, dir, name))),
      dir,
    ).toEqual([])
    const here = readdirSync(join(HOME, dir)).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
    expect(
      here.filter((name) => !named.includes(name)),
      dir,
    ).toEqual([])
  }
  expect(directories.toSorted()).toEqual(['base', 'components/fast-lane', 'components/monitoring', 'components/openshift', 'overlays/openshift', 'overlays/production']) // prettier-ignore
  for (const { target } of patches)
    expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toContain(`${target.kind} ${target.name}`)
})

describe.each(workloads.map((workload) => [workload.metadata.name, workload] as const))(
  '%s',
  (name, { kind, spec }) => {
    const pod = spec.template
    const [container] = pod.spec.containers
    if (!container || pod.spec.containers.length > 1) throw new Error('each has one container')

    it('has an environment that the program takes, also with what overlays say', () => {
      const given = { ...SECRET, ...config, ...environmentOf(container) }
      expect(() => readConfig(given)).not.toThrow()
      for (const { data = {} } of patches) expect(() => readConfig({ ...given, ...data })).not.toThrow()
      expect(() => readConfig({ ...given, OCPCTL_NOTHING: '1' })).toThrow('OCPCTL_NOTHING')
    })

    it('starts a command of the program', () => {
      expect(container.args).toHaveLength(1)
      expect(readFileSync(join(ROOT, 'src/main.ts'), 'utf8')).toContain(`case '${container.args[0]}':`)
    })

    it('is restricted, whoever the cluster has it run as', () => {
      expect(pod.spec.securityContext).toEqual({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      expect(container.securityContext).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }) // prettier-ignore
      expect(pod.spec.automountServiceAccountToken).toBe(false)
      expect(ofKind('ServiceAccount').map(({ metadata }) => metadata.name)).toContain(pod.spec.serviceAccountName)
      for (const word of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod.spec).not.toHaveProperty(word)
      expect(container.resources).toMatchObject({ requests: { cpu: expect.anything(), memory: expect.anything() }, limits: { memory: expect.anything() } }) // prettier-ignore
    })

    it('writes where there is room, with a limit, and has what its environment names', () => {
      const { volumes } = pod.spec
      expect(container.volumeMounts.map((mount) => mount.name).sort()).toEqual(
        volumes.map((volume) => volume.name).sort(),
      )
      for (const { name: of, mountPath, readOnly } of container.volumeMounts) {
        const { emptyDir, ...rest } = volumes.find((volume) => volume.name === of) ?? {}
        expect(rest, 'a path of the host').not.toHaveProperty('hostPath')
        if (readOnly) expect(emptyDir, mountPath).toBeUndefined()
        else expect(emptyDir?.sizeLimit, mountPath).toMatch(/^\d+[MG]i$/)
      }
      const mounted = (path: string) => container.volumeMounts.some(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`)) // prettier-ignore
      const last = readDockerfile().at(-1)
      const { OCPCTL_DATA_DIR, HOME: home } = last ? readStart(last).env : {}
      for (const path of ['/tmp', OCPCTL_DATA_DIR, home]) expect(mounted(path ?? ''), path).toBe(true)
      const needs = container.args[0] === 'work' ? ['OCPCTL_INSTALLER', 'OCPCTL_PROFILES', 'OCPCTL_PULL_SECRET_FILE'] : container.args[0] === 'serve' ? ['OCPCTL_PROFILES'] : [] // prettier-ignore
      for (const variable of needs) expect(mounted(config[variable] ?? ''), variable).toBe(true)
    })

    it.runIf(kind === 'Deployment')('selects its own pods, and is asked where it answers', () => {
      expect(spec.selector.matchLabels).toEqual(pod.metadata.labels)
      const { OCPCTL_METRICS_PORT, PORT } = readConfigPorts()
      const ports = Object.fromEntries((container.ports ?? []).map((port) => [port.name, port.containerPort]))
      expect(ports).toEqual(
        name === 'ocpctl-api' ? { http: PORT, metrics: OCPCTL_METRICS_PORT } : { metrics: OCPCTL_METRICS_PORT },
      )
      const { paths } = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as { paths: object } // ours
      for (const which of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
        const probe = container[which]
        if (!probe) expect([name, which]).toEqual(['ocpctl-worker', 'readinessProbe'])
        else if (probe.httpGet.port === 'http')
          expect(Object.keys(paths)).toContain(probe.httpGet.path.replace(/\?.*/, ''))
        else expect(probe.httpGet).toEqual({ path: '/healthz', port: 'metrics' })
      }
      expect(container.livenessProbe?.httpGet.path).toBe('/healthz')
    })
  },
)

const readConfigPorts = () => ({
  PORT: readConfig({}).port,
  OCPCTL_METRICS_PORT: Number(config['OCPCTL_METRICS_PORT']),
})

it('a worker is given longer than its drain takes, in the fast lane too', () => {
  const worker = podOf('ocpctl-worker').spec
  const fast = patches.find(({ target, spec }) => target.name === 'ocpctl-worker' && spec)?.spec.template.spec
  for (const { containers, terminationGracePeriodSeconds = 30 } of [worker, fast ?? worker]) {
    const drain = Number(environmentOf(containers[0] ?? {})['OCPCTL_DRAIN_TIMEOUT'])
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(drain + INTERRUPT_GRACE_MS / 1000 + SETTLE_SECONDS)
  }
  expect(fast?.terminationGracePeriodSeconds).toBe(90)
})

it('services, budgets and policies select pods that there are, and ports that they have', () => {
  const pods = workloads.map(({ spec }) => spec.template)
  const chosen = (selector: Selector) => pods.filter((pod) => fits(selector, pod))
  const names = (of: Pod[]) => of.flatMap(({ spec }) => (spec.containers[0]?.ports ?? []).map((port) => port.name))
  for (const { metadata, spec } of ofKind('Service')) {
    const found = chosen({ matchLabels: spec.selector })
    expect(found, metadata.name).not.toEqual([])
    for (const { targetPort } of spec.ports) expect(names(found), metadata.name).toContain(targetPort)
  }
  for (const { metadata, spec } of ofKind('PodDisruptionBudget'))
    expect(chosen(spec.selector), metadata.name).toHaveLength(1)
  for (const { metadata, spec } of ofKind('NetworkPolicy')) {
    const found = chosen(spec.podSelector)
    expect(found, metadata.name).not.toEqual([])
    for (const { port } of (spec.ingress ?? []).flatMap((rule) => rule.ports))
      expect(names(found), metadata.name).toContain(port)
  }
  const [monitor] = ofKind('ServiceMonitor')
  const watched = ofKind('Service').filter(({ metadata }) => Object.entries(monitor?.spec.selector.matchLabels ?? {}).every(([name, value]) => metadata.labels?.[name] === value)) // prettier-ignore
  expect(watched.map(({ metadata }) => metadata.name)).toEqual(['ocpctl-metrics'])
  const [route] = ofKind('Route')
  expect(ofKind('Service').map(({ metadata }) => metadata.name)).toContain((route?.spec as { to?: { name: string } } | undefined)?.to?.name) // prettier-ignore
})

it('nothing comes in or goes out that no policy allows', () => {
  const [deny, ...others] = ofKind('NetworkPolicy').filter(({ spec }) => Object.keys(spec.podSelector).length === 0)
  expect(deny?.spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
  expect(others).toEqual([])
})

it('docs/deployment.md says how to make what they need and do not bring', () => {
  const text = readFileSync(join(ROOT, 'docs/deployment.md'), 'utf8')
  const needed = new Set<string>()
  for (const { spec } of workloads) {
    for (const { envFrom } of spec.template.spec.containers)
      for (const { configMapRef, secretRef } of envFrom) needed.add(configMapRef?.name ?? secretRef?.name ?? '')
    for (const volume of spec.template.spec.volumes as Record<
      string,
      { name?: string; secretName?: string; claimName?: string } | undefined
    >[])
      // prettier-ignore
      needed.add(volume['configMap']?.name ?? volume['secret']?.secretName ?? volume['persistentVolumeClaim']?.claimName ?? '')
  }
  needed.delete('')
  expect([...needed].filter((name) => !text.split(/[\s`]/).includes(name))).toEqual([])
})
