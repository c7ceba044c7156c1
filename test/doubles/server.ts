/**
 * All four clouds at one address, each below its name. What their doubles tell is what stands in the simulated cloud at
 * that moment. What they are told to delete is deleted there, and what becomes of machines is written there.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { Platform } from '../../src/vocabulary.ts'
import { startAwsServer } from '../aws-server.ts'
import { startAzureServer } from '../azure-server.ts'
import { startGcpServer } from '../gcp-server.ts'
import { startIbmCloudServer } from '../ibmcloud-server.ts'
import { mapAws } from './aws.ts'
import { mapAzure } from './azure.ts'
import { mapGcp } from './gcp.ts'
import { mapIbmCloud } from './ibmcloud.ts'
import { removeMissing, saveMachines, type Base, type Mapped, type Thing } from './world.ts'

/** As the project's own profiles have it. */
const BASE: Base = { domain: 'clusters.example.com', azureGroup: 'clusters-dns', googleProject: 'clusters-test' }

/** For whoever asks, whatever is asked. */
export type CloudFault = 'busy' | 'reset'
export type Request = { platform: Platform; method: string; url: string; headers: IncomingMessage['headers'] }

export type CloudDoubles = Awaited<ReturnType<typeof startCloudDoubles>>

/** `read`: all that stands, in whatever cloud. `delayMs`: how long each answer takes. */
export async function startCloudDoubles(read: () => Thing[], { base = BASE, itemsPerPage = 50, delayMs = 0 } = {}) {
  const requests: Request[] = []
  /** When an answer was held back, by performance.now. */
  const waits: { from: number; to: number }[] = []
  const trouble: { fault: CloudFault | undefined } = { fault: undefined }
  const told = new Map<Platform, Mapped<unknown>>()

  /** Makes a double's state anew where something stands or has gone since. */
  const refresher = <State extends object>(
    platform: Platform,
    stateOf: () => State,
    map: (things: Thing[], base: Base) => Mapped<State>,
  ) => {
    let last: Thing[] | undefined
    return () => {
      const things = read().filter((each) => (each.platform ?? platform) === platform)
      if (last?.length === things.length && things.every((each, n) => each === last?.[n])) return
      last = things
      const state = stateOf()
      const mapped = map(things, base)
      for (const key of Object.keys(state)) Reflect.deleteProperty(state, key)
      Object.assign(state, mapped.state)
      told.set(platform, { ...mapped, state })
    }
  }
  const aws = await startAwsServer({ itemsPerPage, refresh: refresher('aws', () => aws.account, mapAws) })
  const azure = await startAzureServer({
    itemsPerPage,
    refresh: refresher('azure', () => azure.subscription, mapAzure),
  })
  const gcp = await startGcpServer({ refresh: refresher('gcp', () => gcp.projects, mapGcp) })
  gcp.pages.size = itemsPerPage
  const ibmcloud = await startIbmCloudServer({
    itemsPerPage,
    refresh: refresher('ibmcloud', () => ibmcloud.account, mapIbmCloud),
  })
  const servers: Record<Platform, Server> = {
    aws: aws.server,
    azure: azure.server,
    gcp: gcp.server,
    ibmcloud: ibmcloud.server,
  }

  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const [, name = '', rest = ''] = /^\/(\w+)(\/.*)?$/.exec(request.url ?? '') ?? []
    if (!isPlatform(name)) return response.writeHead(404).end()
    requests.push({ platform: name, method: request.method ?? '', url: rest, headers: request.headers })
    if (trouble.fault === 'reset') return request.socket.destroy()
    if (trouble.fault === 'busy') return response.writeHead(503, { 'retry-after': '1' }).end('{}')
    const from = performance.now()
    if (delayMs > 0) await setTimeout(delayMs)
    waits.push({ from, to: performance.now() })
    request.url = rest || '/'
    request.headers['x-forwarded-prefix'] = `/${name}`
    response.once('finish', () => {
      const mapped = told.get(name)
      if (!mapped || request.method === 'GET') return
      removeMissing(mapped)
      saveMachines(mapped)
    })
    return servers[name].emit('request', request, response)
  }
  const isPlatform = (name: string): name is Platform => Object.hasOwn(servers, name)
  const server = createServer((request, response) => void respond(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    requests,
    waits,
    trouble,
    async close() {
      server.closeAllConnections()
      server.close()
      gcp.close()
      await Promise.all([once(server, 'close'), aws.close(), azure.close(), ibmcloud.close()])
    },
  }
}
