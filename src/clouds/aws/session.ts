// One look into an account: the clients of its services, and a way to ask them within a time limit.
import { once } from 'node:events'
import type { EC2Client } from '@aws-sdk/client-ec2'
import type { fromIni } from '@aws-sdk/credential-provider-ini'
import type { InventoryQuery } from '../inventory.ts'
import { hearNothing, NotAnswered, type Seen } from '../asking.ts'
import { isDenial, missingAction, NO_CAPACITY, reasonOf } from './answers.ts'

type StaticKeys = { accessKeyId: string; secretAccessKey: string; sessionToken?: string }

export type AwsInventoryOptions = {
  /** Every service is asked at this address instead of at AWS. */
  endpoint?: string
  /** Default: the credentials that the AWS SDK finds. */
  credentials?: StaticKeys | ReturnType<typeof fromIni>
  /** The time for one whole answer, retries included. Default two minutes. */
  timeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 5_000

const SILENCE_TIMEOUT_MS = 20_000

const MAX_ATTEMPTS = 8

/** The keys that name a cluster as the owner. */
const OWNER_KEY = /^(kubernetes\.io|sigs\.k8s\.io\/cluster-api-provider-aws)\/cluster\//

export type Tag = { Key?: string | undefined; Value?: string | undefined }

export type Tagged = { Tags?: Tag[] | undefined }

export type Arn = {
  text: string
  service: string
  region: string
  type: string
  resource: string
  /** Only a name says that it may be the cluster's, so the service is asked what else it carries. Default: a tag does. */
  by?: 'name'
}

/** What it is called in the answers of its service. */
export const idOf = ({ resource }: Arn): string => resource.slice(resource.indexOf('/') + 1)

export type Search = {
  /** Whether this search can tell if the resource exists. */
  knows: (arn: Arn) => boolean
  /**
   * What exists: the resources that the service itself says are the cluster's, and those candidates that the service
   * still has. A service may leave out a filter, so what it lists by one is looked at again.
   */
  run: (candidates: Arn[]) => Promise<Seen[]>
}

export type Session = Awaited<ReturnType<typeof openSession>>

export async function openSession(query: InventoryQuery, options: AwsInventoryOptions) {
  const [tagging, ec2, elb, elbv2, iam, s3, route53, sts, kms] = await Promise.all([
    import('@aws-sdk/client-resource-groups-tagging-api'),
    import('@aws-sdk/client-ec2'),
    import('@aws-sdk/client-elastic-load-balancing'),
    import('@aws-sdk/client-elastic-load-balancing-v2'),
    import('@aws-sdk/client-iam'),
    import('@aws-sdk/client-s3'),
    import('@aws-sdk/client-route-53'),
    import('@aws-sdk/client-sts'),
    import('@aws-sdk/client-kms'),
  ])
  const timeoutMs = options.timeoutMs ?? 120_000
  const stopping = new AbortController()
  const { signal: abortSignal } = stopping
  const timer = setTimeout(() => stopping.abort(), timeoutMs)
  const stopped = once(abortSignal, 'abort').then(() => Promise.reject(abortSignal.reason))
  stopped.catch(() => undefined) // Nobody may be asking when it stops.

  const config = {
    region: query.region,
    ...(options.endpoint && { endpoint: options.endpoint }),
    // AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3 may name another service, such as the one that has the artifacts. It would
    // answer that nothing is there. An address in private networks is found by its DNS name.
    ignoreConfiguredEndpointUrls: true,
    ...(options.credentials && { credentials: options.credentials }),
    maxAttempts: MAX_ATTEMPTS,
    retryMode: 'adaptive',
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SILENCE_TIMEOUT_MS },
  }
  const first = new tagging.ResourceGroupsTaggingAPIClient(config)
  const shared = { ...config, credentials: first.config.credentials } // so that they are fetched once
  const global = { ...shared, region: globalRegionOf(query.region) }
  const clients = {
    tagging: first,
    globalTagging: new tagging.ResourceGroupsTaggingAPIClient(global),
    ec2: new ec2.EC2Client(shared),
    elb: new elb.ElasticLoadBalancingClient(shared),
    elbv2: new elbv2.ElasticLoadBalancingV2Client(shared),
    iam: new iam.IAMClient(global),
    s3: new s3.S3Client(shared),
    route53: new route53.Route53Client(global),
    sts: new sts.STSClient(shared),
    kms: new kms.KMSClient(shared),
  }
  takeAtItsWord(await clients.ec2.config.retryStrategy())
  const closers: { destroy: () => void }[] = Object.values(clients)
  const owners = [
    ...(query.clusterId === undefined ? [] : [{ key: 'ocpctl-cluster-id', value: query.clusterId }]),
    ...query.infraIds.flatMap((infraId) => [
      { key: `kubernetes.io/cluster/${infraId}`, value: 'owned' },
      { key: `sigs.k8s.io/cluster-api-provider-aws/cluster/${infraId}`, value: 'owned' },
    ]),
  ]

  const heard = hearNothing()
  const isOwned = ({ Tags = [] }: Tagged) =>
    Tags.some(({ Key, Value }) => owners.some(({ key, value }) => Key === key && Value === value))

  return {
    query,
    heard,
    owners,
    clients,
    sdk: { tagging, ec2, elb, elbv2, iam, s3, route53, sts, kms },
    stop: { abortSignal },

    isOwned,

    /** By its name alone, which counts unless a tag says that it is another cluster's. */
    isNamed: (name: string | undefined, { Tags = [] }: Tagged = {}) =>
      query.infraIds.some((infraId) => name?.startsWith(`${infraId}-`)) &&
      (isOwned({ Tags }) || !Tags.some(({ Key = '', Value }) => OWNER_KEY.test(Key) && Value === 'owned')),

    route53As: (credentials: StaticKeys) => {
      const client = new route53.Route53Client({ ...global, credentials })
      closers.push(client)
      return client
    },

    /** Every item of every page. A page without a list is no answer. */
    ask: async <Page, Item>(
      action: string,
      pages: AsyncIterable<Page>,
      listOf: (page: Page) => Item[] | undefined,
    ): Promise<Item[]> => {
      const readPages = async () => {
        const items: Item[] = []
        for await (const page of pages) {
          const list = listOf(page)
          if (!list) throw new Error('the answer has no list')
          items.push(...list)
        }
        return items
      }
      try {
        abortSignal.throwIfAborted()
        const items = await Promise.race([readPages(), stopped])
        heard.checked.add(action)
        return items
      } catch (error) {
        const why = abortSignal.aborted ? `no answer within ${timeoutMs / 1000} s` : reasonOf(error)
        throw new NotAnswered(missingAction(error) ?? action, why, {
          cause: error,
          isDenied: isDenial(error),
          code: error instanceof Error ? error.name : undefined,
        })
      }
    },

    close() {
      clearTimeout(timer)
      stopping.abort()
      for (const client of closers) client.destroy()
    },
  }
}

/** EC2 tells by 500 that it has no machine to give, which the SDK takes for a failure that passes within seconds. */
function takeAtItsWord(strategy: Awaited<ReturnType<EC2Client['config']['retryStrategy']>>): void {
  if (!('refreshRetryTokenForRetry' in strategy)) return
  const retry = strategy.refreshRetryTokenForRetry.bind(strategy)
  strategy.refreshRetryTokenForRetry = async (token, info) => {
    if (NO_CAPACITY.test(info.error?.name ?? '')) throw info.error
    return retry(token, info)
  }
}

/** The region that answers for IAM, Route 53 and the tags of what has no region. */
export function globalRegionOf(region: string): string {
  if (region.startsWith('cn-')) return 'cn-northwest-1'
  if (region.startsWith('us-gov-')) return 'us-gov-west-1'
  return 'us-east-1'
}

export async function* onePage<T>(send: () => Promise<T>): AsyncIterable<T> {
  yield await send()
}

export function chunksOf<T>(size: number, items: T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size))
}
