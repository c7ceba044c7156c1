// The AWS inventory, the power over machines and the sign-in with AWS against moto, whose services know each other: what is made by one is tagged,
// listed and deleted as AWS has it.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import * as iam from '@aws-sdk/client-iam'
import { openAwsIam } from '../../src/auth/aws-iam.ts'
import { openAwsInventory } from '../../src/clouds/aws/inventory.ts'
import { openAwsInstances } from '../../src/clouds/aws/power.ts'
import { describeUnanswered } from '../../src/clouds/inventory.ts'
import { makeAwsToken } from '../../src/commands/token.ts'
import { openLog } from '../../src/observability/log.ts'
import { ACCOUNT, CREDENTIALS, openAccount, REGION, removalOrder } from './aws-account.ts'
import { installPython, openVerdict, startProgram, type Judge } from './judge.ts'

const MOTO = '5.2.5'
const DOMAIN = 'judged.example'
const SERVER_ID = 'judged'

/** Gaps of moto: kinds that carry the tag, and as what the tagging service of AWS lists them. */
const untagged = {
  'elastic-ip': 'elastic-ip',
  'hosted-zone': 'hostedzone',
  'vpc-endpoint': 'vpc-endpoint',
  'instance-profile': 'instance-profile',
}

const startMoto = async (dir: string) => {
  const bin = await installPython(dir, `moto[server]==${MOTO}`)
  return startProgram(join(bin, 'moto_server'), (port) => ['-H', '127.0.0.1', '-p', String(port)])
}

const inventory: Judge = {
  name: `moto ${MOTO}, the AWS inventory`,
  async judge(dir) {
    const moto = await startMoto(dir)
    const verdict = openVerdict()
    const { hold } = verdict
    const account = openAccount(moto.url)
    const relay = await startRelay(moto.url, askByList)
    const { find } = openAwsInventory({ endpoint: relay.origin, credentials: CREDENTIALS })
    const ask = async (name: string, infraIds: string[], region = REGION) => {
      const answer = await find({ clusterId: `clu_${name}`, platform: 'aws', region, infraIds, name, baseDomain: DOMAIN, records: 'all' }) // prettier-ignore
      const unanswered = describeUnanswered('aws', answer)
      return unanswered === undefined
        ? answer.found.map(({ type, id }) => `${type} ${id}`).sort()
        : [`not verified: ${unanswered}`]
    }
    const holdExactly = (what: string, found: string[], wanted: string[]) => {
      const missed = wanted.filter((each) => !found.includes(each))
      const foreign = found.filter((each) => !wanted.includes(each))
      hold(`${what}: all is found`, missed.length === 0, { missed })
      hold(`${what}: nothing else is`, foreign.length === 0, { foreign })
    }
    try {
      const before = await ask('demo', ['demo-x7k2p'])
      hold('without its public zone an account is not believed', before.join().startsWith('not verified'), before)
      await account.makeZone(DOMAIN)
      holdExactly('an account without clusters', await ask('demo', ['demo-x7k2p']), [])

      const neighbours = await account.makeCluster('demo2', 'demo2-abcde', DOMAIN)
      // Its infraID begins as ours does.
      const twins = await account.makeCluster('demo-x7k2p', 'demo-x7k2p2-fghij', DOMAIN)
      holdExactly('beside neighbours alone', await ask('demo', ['demo-x7k2p']), [])

      const ours = await account.makeCluster('demo', 'demo-x7k2p', DOMAIN)
      const kinds = new Set(ours.map((each) => each.split(' ')[0]))
      hold('every kind is made', kinds.size === removalOrder.length, [...kinds])
      holdExactly('a cluster', await ask('demo', ['demo-x7k2p']), ours)
      holdExactly('a neighbour', await ask('demo2', ['demo2-abcde']), neighbours)
      holdExactly('a neighbour with a name like ours', await ask('demo-x7k2p', ['demo-x7k2p2-fghij']), twins)
      const listed = await account.listTagged('demo-x7k2p')
      for (const [kind, arn] of Object.entries(untagged))
        hold(`moto's tagging service does not list a ${kind}, which is found all the same`, !listed.includes(arn), listed) // prettier-ignore

      const gateways = await account.listNatGateways('demo-x7k2p')
      hold('moto lists the NAT gateways of others for our tag, which are told apart all the same', gateways.length > 1, gateways) // prettier-ignore

      const left = new Set(ours)
      for (const type of removalOrder) {
        for (const thing of ours.filter((each) => each.startsWith(`${type} `))) {
          await account.takeAway(thing)
          left.delete(thing)
        }
        holdExactly(`without its ${type}`, await ask('demo', ['demo-x7k2p']), [...left])
      }
      holdExactly('the neighbour with a name like ours, after that', await ask('demo-x7k2p', ['demo-x7k2p2-fghij']), twins) // prettier-ignore
    } finally {
      account.close()
      await relay.stop()
      await moto.stop()
    }
    return verdict
  },
}

const signIn: Judge = {
  name: `moto ${MOTO}, sign-in with AWS`,
  async judge(dir) {
    const moto = await startMoto(dir)
    const verdict = openVerdict()
    const { hold } = verdict
    const seen: unknown[] = []
    const relay = await startRelay(moto.url, (asked) => {
      seen.push(asked.headers['x-ocpctl-server-id'])
      signByHeader(asked)
    })
    const account = openAccount(moto.url)
    try {
      const owner = `aws:${ACCOUNT}`
      const { identityOf } = openAwsIam({
        serverId: SERVER_ID,
        stsEndpoints: [relay.origin],
        groupOwners: async () => new Set([owner]),
        iam: { endpoint: moto.url, region: REGION, credentials: CREDENTIALS },
        log: openLog('silent'),
      })
      const { client } = account.iam
      await client.send(new iam.CreateUserCommand({ UserName: 'ada', Path: '/people/' }))
      await client.send(new iam.CreateGroupCommand({ GroupName: 'platform' }))
      await client.send(new iam.AddUserToGroupCommand({ UserName: 'ada', GroupName: 'platform' }))
      const { AccessKey } = await client.send(new iam.CreateAccessKeyCommand({ UserName: 'ada' }))
      const ada = { accessKeyId: AccessKey?.AccessKeyId ?? '', secretAccessKey: AccessKey?.SecretAccessKey ?? '' }
      const endOf = async (credentials: typeof ada & { sessionToken?: string }) => {
        const token = await makeAwsToken({ serverId: SERVER_ID, endpoint: relay.origin, region: REGION, credentials })
        return identityOf(token).then(({ principal, groups, session }) => JSON.stringify({ principal, groups, session }), String) // prettier-ignore
      }
      const user = await endOf(ada)
      hold('a user signs in, with its groups', user === JSON.stringify({ principal: { type: 'iam_user', id: `arn:aws:iam::${ACCOUNT}:user/people/ada` }, groups: [{ type: 'iam_group', id: `arn:aws:iam::${ACCOUNT}:group/platform` }] }), user) // prettier-ignore
      const role = await endOf(await account.iam.assume('pipelines', 'build-7'))
      hold('an assumed role signs in, with its session', role === JSON.stringify({ principal: { type: 'iam_role', id: `arn:aws:iam::${ACCOUNT}:role/pipelines` }, groups: [], session: 'session:build-7' }), role) // prettier-ignore
      hold('STS has the signed header', seen.every((id) => id === SERVER_ID) && seen.length === 2, seen) // prettier-ignore
    } finally {
      account.close()
      await relay.stop()
      await moto.stop()
    }
    return verdict
  },
}

const power: Judge = {
  name: `moto ${MOTO}, machines of AWS`,
  async judge(dir) {
    const moto = await startMoto(dir)
    const verdict = openVerdict()
    const { hold } = verdict
    const account = openAccount(moto.url)
    const { list, stop, start, terminate } = openAwsInstances({ endpoint: moto.url, credentials: CREDENTIALS })
    const queryOf = (infraId: string) => ({ clusterId: `clu_${infraId}`, platform: 'aws' as const, region: REGION, infraIds: [infraId], name: 'demo', baseDomain: DOMAIN }) // prettier-ignore
    const ours = queryOf('demo-x7k2p')
    const statesOf = async (query = ours) => {
      const { instances, notChecked } = await list(query)
      return [...instances.map(({ name, state }) => `${name} ${state}`), ...notChecked.map(({ why }) => why)].sort()
    }
    const names = ['demo-x7k2p-master-0', 'demo-x7k2p-worker-a-h4jkl']
    const all = (state: string) => names.map((name) => `${name} ${state}`)
    const holdStates = async (what: string, wanted: string[], query = ours) => {
      const told = await statesOf(query)
      hold(what, JSON.stringify(told) === JSON.stringify(wanted), told)
    }
    const outcomes = (ordered: { outcome: string }[]) => ordered.map(({ outcome }) => outcome).join()
    try {
      await account.makeMachine('demo-x7k2p', names[0] ?? '')
      await account.makeMachine('demo-x7k2p', names[1] ?? '')
      await account.makeMachine('demo-x7k2p-fghjk', 'demo-x7k2p-fghjk-master-0')
      const neighbour = queryOf('demo-x7k2p-fghjk')
      await holdStates('machines run, and those of a neighbour are not among them', all('running'))
      const { instances } = await list(ours)
      hold('a machine has its zone, type and role', instances[0]?.role === 'control-plane' && instances[0].zone?.startsWith(REGION) === true && instances[0].machineType === 'm6i.xlarge', instances[0]) // prettier-ignore

      hold('both are stopped', outcomes(await stop(ours, instances)) === 'accepted,accepted')
      await holdStates('both are listed as stopped', all('stopped'))
      hold('stopping them again is no error', outcomes(await stop(ours, instances)) === 'accepted,accepted')
      hold('both are started', outcomes(await start(ours, instances)) === 'accepted,accepted')
      await holdStates('both run again', all('running'))

      const { instances: theirs } = await list(neighbour)
      hold('a machine of the neighbour is none of ours', outcomes(await terminate(ours, theirs)) === 'gone')
      await holdStates('it runs on', ['demo-x7k2p-fghjk-master-0 running'], neighbour)

      // Behind our back, so that the batch is refused as a whole.
      const relay = await startRelay(moto.url, (asked) => {
        const params = new URLSearchParams(asked.body)
        if (params.get('Action') === 'StopInstances' && params.has('InstanceId.2')) {
          params.set('InstanceId.3', 'i-0123456789abcdef0')
          asked.body = params.toString()
        }
      })
      const through = openAwsInstances({ endpoint: relay.origin, credentials: CREDENTIALS })
      hold('one that is gone keeps nobody from the others', outcomes(await through.stop(ours, instances)) === 'accepted,accepted') // prettier-ignore
      await holdStates('they are stopped', all('stopped'))
      await relay.stop()

      hold('one is terminated', outcomes(await terminate(ours, instances.slice(1))) === 'accepted')
      await holdStates('which the list tells', [`${names[0]} stopped`, `${names[1]} terminated`])
      hold('and is gone then', outcomes(await start(ours, instances)) === 'accepted,gone')
    } finally {
      account.close()
      await moto.stop()
    }
    return verdict
  },
}

export const aws: Judge[] = [inventory, power, signIn]

type Asked = { url: URL; method: string; headers: Record<string, string>; body: string }

/** What it passes on is changed first. */
async function startRelay(target: string, change: (asked: Asked) => void) {
  const pass = async (request: IncomingMessage, response: ServerResponse) => {
    const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers
    const { method = 'GET', url = '/' } = request
    const asked: Asked = { url: new URL(url, target), method, headers: headers as Record<string, string>, body: await text(request) } // prettier-ignore
    change(asked)
    const answer = await fetch(asked.url, { method, headers: asked.headers, ...(asked.body && { body: asked.body }) })
    const { 'content-encoding': ____, 'content-length': _____, ...others } = Object.fromEntries(answer.headers)
    response.writeHead(answer.status, others).end(await answer.text())
  }
  const server = createServer((request, response) => {
    pass(request, response).catch((error: unknown) => response.writeHead(502).end(String(error)))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on a port, so the address is not a pipe's name.
  const stop = async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return { origin: `http://127.0.0.1:${port}`, stop }
}

/** moto lacks the filter of endpoints by their ids, and knows these in a list of their own alone. */
function askByList(asked: Asked): void {
  const params = new URLSearchParams(asked.body)
  if (params.get('Action') !== 'DescribeVpcEndpoints' || params.get('Filter.1.Name') !== 'vpc-endpoint-id') return
  params.delete('Filter.1.Name')
  for (const [key, id] of [...params])
    if (key.startsWith('Filter.1.Value.')) {
      params.delete(key)
      params.set(`VpcEndpointId.${key.slice('Filter.1.Value.'.length)}`, id)
    }
  asked.body = params.toString()
}

/**
 * moto knows the service and the caller of a request by its header Authorization alone, where a presigned request has
 * both in its query. And it answers in JSON when the query says so, where STS goes by the header Accept.
 */
function signByHeader({ url, headers }: Asked): void {
  const of = (name: string) => url.searchParams.get(name) ?? ''
  if (headers['accept'] === 'application/json') url.searchParams.set('ContentType', 'JSON')
  headers['authorization'] = `AWS4-HMAC-SHA256 Credential=${of('X-Amz-Credential')}, SignedHeaders=${of('X-Amz-SignedHeaders')}, Signature=${of('X-Amz-Signature')}` // prettier-ignore
}
