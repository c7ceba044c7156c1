// Load balancers of both generations, and target groups.
import { timeOf } from '../asking.ts'
import { isMissing } from './answers.ts'
import { listSubnets, listVpcs } from './ec2.ts'
import { chunksOf, onePage, type Arn, type Search, type Session, type Tagged } from './session.ts'

const TAGS_BATCH = 20

type Listed = { id: string; name: string | undefined; vpc: string | undefined; madeAt?: string }

type Balancing = {
  type: string
  /** The beginning of the resource part of its ARN. */
  resource: RegExp
  /** Its network can be deleted before it. */
  outlivesNetwork?: true
  idOf: (arn: Arn) => string
  list: () => Promise<Listed[]>
  tagsOf: (ids: string[]) => Promise<(Tagged & { id: string | undefined })[]>
}

/** `networks`: the ids of the cluster's own. */
export function balancerSearches(session: Session, networks: string[]): Search[] {
  const { sdk: { elb, elbv2 }, clients, ask, stop, query, isOwned, isNamed } = session // prettier-ignore
  const { subnets = [] } = query
  let brought: ReturnType<typeof listSubnets> | undefined
  /** Nothing of the cluster's is in another network than its own, or the one that the profile brings. */
  const listNetworks = async () => {
    brought ??= subnets.length === 0 ? Promise.resolve([]) : listSubnets(session, subnets)
    return new Set([...networks, ...(await brought).map(({ vpc }) => vpc)])
  }
  const searchFor = ({ type, resource, outlivesNetwork, idOf, list, tagsOf }: Balancing): Search => {
    /** One id that has gone meanwhile fails its whole batch. Then each id is asked for alone. */
    const listTags = (ids: string[]): ReturnType<typeof tagsOf> =>
      tagsOf(ids).catch(async (error: unknown) => {
        if (!isMissing(error)) throw error
        return ids.length === 1 ? [] : (await Promise.all(ids.map((id) => listTags([id])))).flat()
      })
    return {
      knows: (arn) =>
        arn.service === 'elasticloadbalancing' && arn.region === query.region && resource.test(arn.resource),
      async run(candidates) {
        const listed = await list()
        const candidateIds = new Set<string | undefined>(candidates.map(idOf))
        const vpcs = await listNetworks()
        const others = new Set(listed.flatMap(({ vpc }) => (vpc === undefined || vpcs.has(vpc) ? [] : [vpc])))
        const there = outlivesNetwork ? await listVpcs(session, [...others]) : others
        const near = listed.filter(
          ({ id, name = id, vpc }) => vpc === undefined || !there.has(vpc) || candidateIds.has(id) || isNamed(name),
        )
        const tagsById = new Map<string | undefined, Tagged>()
        for (const batch of chunksOf(TAGS_BATCH, near))
          for (const each of await listTags(batch.map(({ id }) => id))) tagsById.set(each.id, each)
        return near.flatMap(({ id, name = id, madeAt }) => {
          const tags = tagsById.get(id)
          const isTagged = candidateIds.has(id) || (tags !== undefined && isOwned(tags))
          // One without tags in the answer has gone meanwhile.
          if (!isTagged && !(tags && isNamed(name, tags))) return []
          return [
            {
              id,
              type,
              name,
              region: query.region,
              key: isTagged ? ('tag' as const) : ('name' as const),
              ...timeOf(madeAt),
            },
          ]
        })
      },
    }
  }
  const tagsByArn = (ResourceArns: string[]) =>
    ask(
      'elasticloadbalancing:DescribeTags',
      onePage(() => clients.elbv2.send(new elbv2.DescribeTagsCommand({ ResourceArns }), stop)),
      ({ TagDescriptions }) => TagDescriptions?.map(({ ResourceArn, Tags }) => ({ id: ResourceArn, Tags })),
    )
  return [
    searchFor({
      type: 'load-balancer',
      resource: /^loadbalancer\/[^/]+$/,
      idOf: (arn) => arn.resource.slice('loadbalancer/'.length),
      list: () =>
        ask(
          'elasticloadbalancing:DescribeLoadBalancers',
          elb.paginateDescribeLoadBalancers({ client: clients.elb }, {}, stop),
          (page) =>
            page.LoadBalancerDescriptions?.map(({ LoadBalancerName = 'unknown', VPCId, CreatedTime }) => ({
              id: LoadBalancerName,
              vpc: VPCId,
              name: LoadBalancerName,
              ...timeOf(CreatedTime),
            })),
        ),
      tagsOf: (LoadBalancerNames) =>
        ask(
          'elasticloadbalancing:DescribeTags',
          onePage(() => clients.elb.send(new elb.DescribeTagsCommand({ LoadBalancerNames }), stop)),
          (page) => page.TagDescriptions?.map(({ LoadBalancerName, Tags }) => ({ id: LoadBalancerName, Tags })),
        ),
    }),
    searchFor({
      type: 'load-balancer',
      resource: /^(loadbalancer|listener|listener-rule)\/(app|net|gwy)\//,
      // A listener goes with its load balancer. The listener's ARN contains the balancer's name.
      idOf: ({ text }) => text.replace(/:listener(?:-rule)?\/(\w+\/[^/]+\/[^/]+).*/, ':loadbalancer/$1'),
      list: () =>
        ask(
          'elasticloadbalancing:DescribeLoadBalancers',
          elbv2.paginateDescribeLoadBalancers({ client: clients.elbv2 }, {}, stop),
          (page) =>
            page.LoadBalancers?.map(({ LoadBalancerArn = 'unknown', LoadBalancerName, VpcId, CreatedTime }) => ({
              id: LoadBalancerArn,
              vpc: VpcId,
              name: LoadBalancerName ?? LoadBalancerArn.split('/').at(-2),
              ...timeOf(CreatedTime),
            })),
        ),
      tagsOf: tagsByArn,
    }),
    searchFor({
      type: 'target-group',
      resource: /^targetgroup\//,
      outlivesNetwork: true,
      idOf: ({ text }) => text,
      list: () =>
        ask(
          'elasticloadbalancing:DescribeTargetGroups',
          elbv2.paginateDescribeTargetGroups({ client: clients.elbv2 }, {}, stop),
          (page) =>
            page.TargetGroups?.map(({ TargetGroupArn = 'unknown', TargetGroupName, VpcId }) => ({
              id: TargetGroupArn,
              vpc: VpcId,
              name: TargetGroupName ?? TargetGroupArn.split('/').at(-2),
            })),
        ),
      tagsOf: tagsByArn,
    }),
  ]
}
