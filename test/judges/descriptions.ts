// What the inventories of Azure, Google Cloud and IBM Cloud and their power over machines ask, held against the vendors' published descriptions of their
// APIs: Google's discovery documents, and the clients that Microsoft and IBM generate from theirs. AWS is asked by its own
// client, and judged by moto.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { instancesOfSimulator, inventoriesOfSimulator } from '../../src/clouds/doubles.ts'
import { unansweredOf, type InventoryQuery, type Place } from '../../src/clouds/inventory.ts'
import { NotAnswered } from '../../src/clouds/asking.ts'
import { planResidue } from '../../src/clouds/residue.ts'
import { openInstances, openInventory } from '../../src/clouds/by-platform.ts'
import { readInstallConfig } from '../../src/simulator/install-config.ts'
import { newIdentity } from '../../src/simulator/metadata.ts'
import { planResources } from '../../src/simulator/resources.ts'
import type { Platform } from '../../src/vocabulary.ts'
import { startCloudDoubles } from '../doubles/server.ts'
import type { Thing } from '../doubles/world.ts'
import { ask, installPython, openVerdict, type Judge } from './judge.ts'

type Operation = {
  method: string
  path: RegExp
  parameters: Set<string>
  required: string[]
  /** undefined: any. */
  version: string | undefined
  /** The fields of its body; empty: it has none. */
  body: Set<string>
}
type Asked = { method: string; path: string; parameters: URLSearchParams; body: Record<string, unknown> }
type Described = {
  platform: Exclude<Platform, 'aws'>
  packages: string[]
  block: object
  /** Where the service is whose description has the path. */
  homes: RegExp
  /** What takes a version in its query. */
  versionKey?: string
  /** What is asked although no description has it. */
  undescribed?: RegExp
  read: (site: string) => Operation[]
}

const IBM_SERVICES = ['ibm_vpc/vpc_v1.py', ...['resource_controller_v2', 'resource_manager_v2', 'iam_policy_management_v1', 'iam_identity_v1', 'global_search_v2'].map((name) => `ibm_platform_services/${name}.py`), ...['zones_v1', 'dns_records_v1', 'dns_svcs_v1'].map((name) => `ibm_cloud_networking_services/${name}.py`)] // prettier-ignore
const GOOGLE_SERVICES = ['compute', 'dns', 'storage', 'iam', 'cloudresourcemanager', 'file']

const described: Described[] = [
  {
    platform: 'azure',
    packages: ['azure-mgmt-resource==23.1.1', 'azure-mgmt-compute==34.1.0', 'azure-mgmt-dns==8.1.0', 'azure-mgmt-privatedns==1.1.0', 'azure-mgmt-keyvault==10.3.1', 'azure-mgmt-authorization==4.0.0'], // prettier-ignore
    block: { region: 'eastus', baseDomainResourceGroupName: 'clusters-dns' },
    homes: /^\/azure(?=\/)/,
    versionKey: 'api-version',
    // The same question about a group or a resource is described, and the one about a subscription is widely used.
    undescribed: /^GET \/subscriptions\/[^/]+\/providers\/Microsoft\.Authorization\/permissions /,
    read: (site) => filesUnder(join(site, 'azure/mgmt')).filter((file) => file.endsWith('_operations.py') && !file.includes('/aio/')).flatMap(readPython), // prettier-ignore
  },
  {
    platform: 'gcp',
    packages: ['google-api-python-client==2.202.0'],
    block: { region: 'us-central1', projectID: 'clusters-test' },
    homes: /^\/gcp(?=\/)/,
    read: (site) => GOOGLE_SERVICES.flatMap((name) => readDiscovery(join(site, `googleapiclient/discovery_cache/documents/${name}.v1.json`))), // prettier-ignore
  },
  {
    platform: 'ibmcloud',
    packages: ['ibm-vpc==0.36.0', 'ibm-platform-services==0.77.1', 'ibm-cloud-networking-services==0.36.1'],
    block: { region: 'us-south' },
    // The addresses of two services end with the version.
    homes: /^\/ibmcloud\/(iam|resources|search|cis|dns\/v1|vpc\/us-south\/v1)(?=\/)/,
    read: (site) => IBM_SERVICES.flatMap((file) => readPython(join(site, file))),
  },
]

export const descriptions: Judge[] = described.map((each) => ({
  name: `${each.packages.join(', ')}: what is asked of ${each.platform}`,
  async judge(dir) {
    const bin = await installPython(dir, '--no-deps', ...each.packages)
    const { text } = await ask(join(bin, 'python'), ['-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])'])
    const operations = each.read(text.trim())
    const verdict = openVerdict()
    verdict.hold('the descriptions are read', operations.length > 50, operations.length)
    const all = (await recordLooks(each)).filter(({ path }) => !/\/(token|identity\/token)$/.test(path))
    verdict.hold('something was asked', all.length > 8, all.length)
    const told = new Map(all.map((asked) => [describe(asked), asked]))
    for (const [what, asked] of told) {
      const problems = operations.map((operation) => problemsOf(asked, operation, each.versionKey))
      if (each.undescribed?.test(what)) {
        verdict.hold(`${what} is not described`, problems.every((found) => found === undefined), problems.flat()) // prettier-ignore
        continue
      }
      const fewest = problems.filter((found) => found !== undefined).sort((a, b) => a.length - b.length)[0]
      verdict.hold(what, fewest?.length === 0, fewest ?? 'no operation has this method and path')
    }
    return verdict
  },
}))

/** By the path and what is asked for in it, whatever the page. */
const describe = ({ method, path, parameters, body }: Asked) =>
  `${method} ${path} ${[...parameters.keys()].sort().join(' ')} ${Object.keys(body).sort().join(' ')}`.trim()

/** undefined: it is another operation. */
function problemsOf(asked: Asked, operation: Operation, versionKey?: string): string[] | undefined {
  if (operation.method !== asked.method || !operation.path.test(asked.path)) return undefined
  const { parameters, required, version, body } = operation
  const given = [...asked.parameters.keys()]
  const link = versionKey === undefined ? [] : ['$skiptoken'] // of a link to the next page, which is the server's
  return [
    ...given.filter((name) => !parameters.has(name) && !link.includes(name)).map((name) => `no parameter ${name}`),
    ...required.filter((name) => !given.includes(name)).map((name) => `without the parameter ${name}`),
    ...Object.keys(asked.body).filter((name) => !body.has(name)).map((name) => `no field ${name}`), // prettier-ignore
    ...(versionKey !== undefined && asked.parameters.get(versionKey) !== version ? [`described is ${version}`] : []),
  ]
}

/** All questions that an inventory has, with several pages of each list. */
async function recordLooks({ platform, block, homes }: Described): Promise<Asked[]> {
  const config = readInstallConfig({
    apiVersion: 'v1',
    metadata: { name: 'judged' },
    baseDomain: 'clusters.example.com',
    controlPlane: { replicas: 3 },
    platform: { [platform]: block },
    pullSecret: '{"auths":{"registry.example":{}}}',
  })
  const identity = newIdentity('judged')
  const { network, machines, initialize } = planResources(config, identity, true)
  const things: Thing[] = [...network, ...machines, ...initialize].map(({ file, resource }) => ({ ...resource, file }))
  const doubles = await startCloudDoubles(() => things, { itemsPerPage: 2 })
  const asked: Asked[] = []
  const { fetch: original } = globalThis
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const text = typeof init?.body === 'string' && init.body.startsWith('{') ? init.body : '{}'
    asked.push({
      method: init?.method ?? 'GET',
      path: partsOf(url.pathname.replace(homes, '')).join('/'),
      parameters: url.searchParams,
      body: JSON.parse(text) as Record<string, unknown>, // as it begins
    })
    return original(input, init)
  }
  try {
    const inventory = openInventory(inventoriesOfSimulator({ cloudDir: '', doubles: doubles.origin }))
    const place: Place = {
      platform,
      region: config.region,
      name: 'judged',
      baseDomain: 'clusters.example.com',
      project: 'clusters-test',
    }
    const query: InventoryQuery = { ...place, clusterId: 'clu_judged', infraIds: [identity.infraID], records: 'all' }
    const { found, notChecked } = await inventory.find(query)
    const unanswered = unansweredOf({ notChecked })
    if (found.length === 0 || unanswered.length > 0) throw new Error(`not everything was asked: ${JSON.stringify(unanswered)}`) // prettier-ignore
    const power = openInstances(instancesOfSimulator({ cloudDir: '', doubles: doubles.origin }))
    const { instances } = await power.list(query)
    if (instances.length === 0) throw new Error('there is no machine')
    for (const verb of ['stop', 'start', 'terminate'] as const) {
      const [refused] = (await power[verb](query, instances.slice(0, 2))).filter(({ outcome }) => outcome !== 'accepted') // prettier-ignore
      if (refused) throw new Error(`${verb}: ${JSON.stringify(refused)}`)
    }
    await inventory.findRecords(place)
    await Array.fromAsync(inventory.findOwned?.({ installationId: 'ins_judged', offered: [place] }) ?? [])
    for (const { resource } of planResidue(place, found, new Date(0)))
      await inventory.remove?.(place, resource).catch((error: unknown) => {
        // Another went with it, and the double has it no more.
        if (!(error instanceof NotAnswered)) throw error
      })
  } finally {
    globalThis.fetch = original
    await doubles.close()
  }
  return asked
}

/** A part may have a slash of its own. */
const partsOf = (path: string) => path.split('/').map((part) => decodeURIComponent(part).replaceAll('/', '%2F'))

type Parameter = { location?: string; required?: boolean }
type Method = { httpMethod: string; path: string; flatPath?: string; parameters?: Record<string, Parameter>; request?: { $ref: string } } // prettier-ignore
type Node = { methods?: Record<string, Method>; resources?: Record<string, Node> }
type Discovery = Node & { servicePath: string; parameters: Record<string, Parameter>; schemas: Record<string, { properties?: object }> } // prettier-ignore

function readDiscovery(file: string): Operation[] {
  const document = JSON.parse(readFileSync(file, 'utf8')) as Discovery // the form of all discovery documents
  const methodsOf = ({ methods = {}, resources = {} }: Node): Method[] => [
    ...Object.values(methods),
    ...Object.values(resources).flatMap(methodsOf),
  ]
  return methodsOf(document).flatMap(({ httpMethod, path, flatPath = path, parameters = {}, request }) => {
    const inQuery = Object.entries(parameters).filter(([, { location }]) => location === 'query')
    return [path, flatPath].map((each) => ({
      method: httpMethod,
      path: templateOf(`/${document.servicePath}${each}`),
      parameters: new Set([...inQuery.map(([name]) => name), ...Object.keys(document.parameters)]),
      required: inQuery.filter(([, { required }]) => required).map(([name]) => name),
      version: undefined,
      body: new Set(Object.keys(document.schemas[request?.$ref ?? '']?.properties ?? {})),
    }))
  })
}

/** The generated clients write each operation in one form: its URL, its parameters by name, its method. */
function readPython(file: string): Operation[] {
  return readFileSync(file, 'utf8')
    .split(/^ {0,4}def /m)
    .flatMap((text) => {
      const url = /\burl = (?:kwargs\.pop\(\s*"template_url",\s*)?['"]([^'"]+)['"]/.exec(
        text.replaceAll('_url =', 'url ='),
      )?.[1]
      const method = /method=['"]([A-Z]+)['"]/.exec(text)?.[1]
      if (url === undefined || method === undefined) return []
      const keysIn = (name: string) => [...(new RegExp(`\\b${name} = \\{([^}]*)\\}`).exec(text)?.[1] ?? '').matchAll(/'([^']+)':/g)].map(([, key = '']) => key) // prettier-ignore
      const named = [...text.matchAll(/_params\["([^"]+)"\] =/g)].map(([, key = '']) => key)
      return {
        method,
        path: templateOf(url),
        parameters: new Set([...keysIn('params'), ...named]),
        required: [...text.matchAll(/'(\w+)': self\.(?:version|generation)/g)].map(([, key = '']) => key),
        version: /"api-version", "([^"]+)"/.exec(text)?.[1],
        body: new Set(keysIn('data')),
      }
    })
}

/** A name in braces stands for one part of the path, and with a plus for several. Azure compares without case. */
function templateOf(template: string): RegExp {
  const pattern = template
    .split(/(\{[^}]+\})/)
    .map((part) =>
      part.startsWith('{') ? (part.startsWith('{+') ? '.+' : '[^/]+') : part.replaceAll(/[.()*$]/g, String.raw`\$&`),
    )
  return new RegExp(`^${pattern.join('')}$`, 'i')
}

const filesUnder = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
