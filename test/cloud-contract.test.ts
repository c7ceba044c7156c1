// What every cloud's inventory keeps to, whatever stands between it and the cloud: the same cases for each of the four, with
// something between them that throttles, cuts, holds back and changes.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openAwsInventory } from '../src/clouds/aws/inventory.ts'
import { openAzureInventory } from '../src/clouds/azure/inventory.ts'
import { neededActions } from '../src/clouds/azure/permissions.ts'
import { openGcpInventory } from '../src/clouds/gcp/inventory.ts'
import { openIbmCloudInventory } from '../src/clouds/ibmcloud/inventory.ts'
import { isProvedEmpty, type Inventory, type InventoryQuery } from '../src/clouds/inventory.ts'
import type { Platform } from '../src/vocabulary.ts'
import { whyNot } from './answers.ts'
import { emptyAccount, startAwsServer } from './aws-server.ts'
import { emptySubscription, startAzureServer, SUBSCRIPTION } from './azure-server.ts'
import { emptyProject, startGcpServer } from './gcp-server.ts'
import { API_KEY, emptyAccount as emptyIbmAccount, REGION, startIbmCloudServer } from './ibmcloud-server.ts'

const infraId = 'demo-abcde'

/** A double with an account in which only the cluster's disks and one machine of it can be. */
type Cloud = {
  platform: Platform
  query: InventoryQuery
  origin: string
  close: () => Promise<void>
  empty: () => void
  /** All disks that there are, by name. */
  putDisks: (names: string[]) => void
  putMachine: (name: string) => void
  /** Something of a kind that nobody knows, with the cluster's tag, where the cloud tells of such. */
  putOdd?: () => void
  /** The list of disks, as a request reads. */
  listsDisks: RegExp
  /** What it takes to be told of disks. */
  permission: string
  /** What it takes to be told that there is none. Default: the same. */
  permissionOfNone?: string
  refuseDisks: () => void
  open: (origin: string, timeoutMs: number) => Inventory
}

const place = {
  name: 'demo',
  baseDomain: 'example.com',
  clusterId: 'clu_01',
  infraIds: [infraId],
  records: 'all',
} as const

async function startAws(): Promise<Cloud> {
  const server = await startAwsServer()
  const { account, credentials, faults } = server
  const tags = { [`kubernetes.io/cluster/${infraId}`]: 'owned' }
  const region = 'eu-west-1'
  const permission = 'ec2:DescribeVolumes'
  return {
    platform: 'aws',
    query: { ...place, infraIds: [infraId], platform: 'aws', region },
    origin: server.endpoint,
    close: async () => server.close(),
    empty() {
      faults.length = 0
      Object.assign(account, emptyAccount(), {
        zones: [{ id: 'Z1', name: 'example.com.', isPrivate: false, records: [] }],
      })
    },
    putDisks: (names) =>
      void (account.ec2['volume'] = names.map((id) => ({
        id,
        tags: { ...(id.startsWith(`${infraId}-`) ? tags : {}), Name: id },
      }))),
    putMachine: (name) => void (account.ec2['instance'] = [{ id: name, tags: { ...tags, Name: name } }]),
    putOdd: () => account.tagged.push({ arn: `arn:aws:odd:${region}:000000000000:thing/1`, tags, region }),
    listsDisks: /Action=DescribeVolumes/,
    permission,
    permissionOfNone: 'ec2:DescribeTags',
    refuseDisks: () => faults.push({ how: 'deny', times: 999, action: permission }),
    open: (endpoint, timeoutMs) => openAwsInventory({ endpoint, credentials, timeoutMs }),
  }
}

async function startAzure(): Promise<Cloud> {
  const server = await startAzureServer()
  const { subscription } = server
  const permission = 'Microsoft.Compute/disks/read'
  const thing = (type: string, name: string) => ({ type, name, group: 'elsewhere' })
  const replace = (type: string, names: string[]) => {
    const others = subscription.things.filter((each) => each.type !== type)
    subscription.things = [...names.map((name) => thing(type, name)), ...others]
  }
  return {
    platform: 'azure',
    query: { ...place, infraIds: [infraId], platform: 'azure', region: 'westeurope' },
    origin: server.endpoint,
    close: async () => server.close(),
    empty: () =>
      void Object.assign(subscription, emptySubscription(), {
        zones: [{ name: 'example.com', group: 'dns', isPrivate: false, records: [] }],
      }),
    putDisks: (names) => replace('Microsoft.Compute/disks', names),
    putMachine: (name) => replace('Microsoft.Compute/virtualMachines', [name]),
    putOdd: () => subscription.things.push(thing('Microsoft.Odd/things', `${infraId}-odd`)),
    listsDisks: /\/resources\?/,
    permission,
    refuseDisks: () =>
      void (subscription.permissions = [
        { actions: neededActions.filter((each) => each !== permission), notActions: [] },
      ]),
    open: (resourceManager, timeoutMs) =>
      openAzureInventory({
        environment: {},
        timeoutMs,
        instead: {
          resourceManager,
          signIn: async () => ({ subscriptionId: SUBSCRIPTION, token: async () => 'loopback' }),
        },
      }),
  }
}

async function startGcp(): Promise<Cloud> {
  const server = await startGcpServer()
  const permission = 'compute.disks.list'
  let project = emptyProject()
  return {
    platform: 'gcp',
    query: { ...place, infraIds: [infraId], platform: 'gcp', region: 'us-central1', project: 'p1' },
    origin: server.endpoint,
    close: async () => server.close(),
    empty() {
      project = emptyProject()
      server.projects['p1'] = project
      server.pages.size = 2
      server.faults.length = 0
    },
    putDisks: (names) => void (project.compute['disks'] = names.map((name) => ({ name }))),
    putMachine: (name) => void (project.compute['instances'] = [{ name }]),
    listsDisks: /aggregated\/disks/,
    permission,
    refuseDisks: () => server.faults.push({ how: 'deny', permission, times: 999 }),
    open: (endpoint, timeoutMs) => openGcpInventory({ environment: server.environment, endpoint, timeoutMs }),
  }
}

async function startIbm(): Promise<Cloud> {
  const server = await startIbmCloudServer()
  const { account, endpoints, faults } = server
  const { origin } = new URL(endpoints.iam)
  const thing = (name: string) => ({ id: `id-${name}`, name, resource_group: { id: 'default' } })
  return {
    platform: 'ibmcloud',
    query: { ...place, infraIds: [infraId], platform: 'ibmcloud', region: REGION },
    origin,
    close: async () => server.close(),
    empty() {
      faults.length = 0
      Object.assign(account, emptyIbmAccount())
    },
    putDisks: (names) => void (account.things['volumes'] = names.map(thing)),
    putMachine: (name) => {
      account.things['instances'] = [thing(name)]
      account.indexed.push({ crn: `crn:v1:bluemix:public:is:${REGION}:a/1::instance:1`, name, type: 'instance', region: REGION, tags: [] }) // prettier-ignore
    },
    putOdd: () =>
      account.indexed.push({
        crn: `crn:v1:bluemix:public:odd:${REGION}:a/1:i-1:thing:1`,
        name: `${infraId}-odd`,
        type: 'thing',
        region: REGION,
        tags: [],
      }),
    listsDisks: /\/v1\/volumes\?/,
    permission: 'Viewer of is/volumes',
    refuseDisks: () => faults.push({ at: /volumes/, how: 'deny', times: Infinity }),
    open: (at, timeoutMs) => {
      const moved = (url: string) => url.replace(origin, at)
      const { vpc, ...others } = endpoints
      const all = Object.fromEntries(Object.entries(others).map(([name, url]) => [name, moved(url)])) as typeof others // the same names
      return openIbmCloudInventory({
        environment: { IC_API_KEY: API_KEY },
        endpoints: { ...all, vpc: (region) => moved(vpc(region)) },
        timeoutMs,
      })
    },
  }
}

/** What happens to the n-th request (from 0) of those that read so. */
type Mishap = { at: RegExp; n: number; how: 'throttle' | 'fail' | 'cut' | 'stall' | (() => void) }

/** Passes everything on, but for one mishap after the other. */
async function startBetween(target: string) {
  const mishaps: Mishap[] = []
  let seen = 0
  const pass = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer) // a server's chunks
    const body = Buffer.concat(chunks)
    const [first] = mishaps
    const isMet = first !== undefined && first.at.test(`${request.url} ${body.toString()}`) && seen++ === first.n
    if (isMet) {
      mishaps.shift()
      seen = 0
      if (typeof first.how === 'function') first.how()
      else if (first.how === 'throttle') return void response.writeHead(429, { 'retry-after': '0' }).end()
      else if (first.how === 'fail') return void response.writeHead(503, { 'retry-after': '0' }).end()
      else if (first.how === 'stall') return
    }
    const { host: _, connection: __, ...headers } = request.headers
    const answer = await fetch(`${target}${request.url}`, {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>, // no header comes twice here
      ...(body.length > 0 ? { body } : {}),
    })
    const text = (await answer.text()).replaceAll(target, here())
    const { 'content-encoding': ___, 'transfer-encoding': ____, ...others } = Object.fromEntries(answer.headers)
    response.writeHead(answer.status, { ...others, 'content-length': String(Buffer.byteLength(text)) })
    if (!isMet || first.how !== 'cut') return void response.end(text)
    response.write(text.slice(0, text.length / 2), () => response.socket?.resetAndDestroy())
  }
  const server = createServer((request, response) => void pass(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on a port
  const here = () => `http://127.0.0.1:${port}`
  return {
    origin: here(),
    mishaps,
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
  }
}

describe.each([
  ['AWS', startAws],
  ['Azure', startAzure],
  ['Google Cloud', startGcp],
  ['IBM Cloud', startIbm],
])('%s', (_, start) => {
  let cloud: Cloud
  let between: Awaited<ReturnType<typeof startBetween>>
  beforeAll(async () => {
    cloud = await start()
    between = await startBetween(cloud.origin)
  })
  afterAll(async () => {
    await between.close()
    await cloud.close()
  })
  beforeEach(() => cloud.empty())
  afterEach(() => {
    expect(between.mishaps.splice(0)).toEqual([])
  })

  const disks = [1, 2, 3, 4, 5].map((n) => `${infraId}-disk-${n}`)
  const find = (timeoutMs = 30_000) => cloud.open(between.origin, timeoutMs).find(cloud.query)
  const namesIn = ({ found }: { found: { name: string }[] }) => found.map(({ name }) => name)

  it('an empty account is proved empty, and is told', async () => {
    const answer = await find()
    expect(answer).toSatisfy(isProvedEmpty)
    expect(answer.checked).toContain(cloud.permissionOfNone ?? cloud.permission)
    expect(answer.zones).toEqual(expect.arrayContaining([expect.stringMatching(/^example\.com \(/)]))
  })

  it('every page is read, and each thing is told once, with its key and its price', async () => {
    cloud.putDisks([...disks, 'foreign', `${infraId}2-disk`])
    const answer = await find()
    expect(namesIn(answer)).toEqual(disks)
    for (const each of answer.found) expect(each).toMatchObject({ key: expect.any(String), usdPerHour: expect.any(Number), link: expect.stringMatching(/^https:/) }) // prettier-ignore
    expect(whyNot(cloud.platform, answer)).toBe('verified')
  })

  it.each(['throttle', 'fail', 'cut'] as const)('what %ss, on whatever page, is asked again', async (how) => {
    cloud.putDisks(disks)
    for (const n of [0, 1, 1]) between.mishaps.push({ at: cloud.listsDisks, n, how })
    expect(namesIn(await find())).toEqual(disks)
  })

  it('one kind that is refused is not checked, by its permission, and what else is found is told', async () => {
    cloud.putDisks(disks)
    cloud.putMachine(`${infraId}-machine`)
    cloud.refuseDisks()
    const answer = await find()
    expect(answer).not.toSatisfy(isProvedEmpty)
    expect(answer.notChecked).toContainEqual(expect.objectContaining({ kind: cloud.permission, isDenied: true }))
    expect(answer.checked).not.toContain(cloud.permission)
    expect(namesIn(answer)).toEqual([`${infraId}-machine`])
  })

  it('what is held back for longer than may be waited is not checked', async () => {
    cloud.putDisks(disks)
    between.mishaps.push({ at: cloud.listsDisks, n: 0, how: 'stall' })
    const answer = await find(1500)
    expect(answer).not.toSatisfy(isProvedEmpty)
    expect(whyNot(cloud.platform, answer)).toContain('no answer within 1.5 s')
  })

  it('a kind that nobody knows is told all the same', async () => {
    if (!cloud.putOdd) return expect(cloud.platform).toBe('gcp') // Google Cloud has a list for each kind, and none for all.
    cloud.putOdd()
    const { found } = await find()
    expect(found).toHaveLength(1)
    expect(found[0]).not.toHaveProperty('usdPerHour')
  })

  it('what changes while it is read is never called empty, and the next look is right', async () => {
    cloud.putDisks(disks)
    between.mishaps.push({ at: cloud.listsDisks, n: 1, how: () => cloud.putDisks(disks.slice(4)) })
    const first = await find()
    expect(first).not.toSatisfy(isProvedEmpty)
    const second = await find()
    expect(namesIn(second)).toEqual(disks.slice(4))
    cloud.putDisks([])
    expect(await find()).toSatisfy(isProvedEmpty)
  })
})
