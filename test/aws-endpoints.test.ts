// What the AWS SDK reads from the environment must not lead the inventory away from AWS.
import { GetResourcesCommand } from '@aws-sdk/client-resource-groups-tagging-api'
import { DescribeVpcsCommand } from '@aws-sdk/client-ec2'
import { DescribeLoadBalancersCommand as DescribeClassicCommand } from '@aws-sdk/client-elastic-load-balancing'
import { DescribeLoadBalancersCommand } from '@aws-sdk/client-elastic-load-balancing-v2'
import { ListRolesCommand } from '@aws-sdk/client-iam'
import { ListHostedZonesCommand } from '@aws-sdk/client-route-53'
import { ListBucketsCommand } from '@aws-sdk/client-s3'
import { afterEach, expect, it, vi } from 'vitest'
import { openSession } from '../src/clouds/aws/session.ts'

const ELSEWHERE = 'http://store.example:9000'
const SERVICES = ['S3', 'EC2', 'IAM', 'ROUTE_53', 'ELASTIC_LOAD_BALANCING', 'ELASTIC_LOAD_BALANCING_V2', 'RESOURCE_GROUPS_TAGGING_API'] // prettier-ignore

afterEach(() => void vi.unstubAllEnvs())

it('every service is asked at AWS, whatever AWS_ENDPOINT_URL and its kin say', async () => {
  for (const name of ['AWS_ENDPOINT_URL', ...SERVICES.map((service) => `AWS_ENDPOINT_URL_${service}`)])
    vi.stubEnv(name, ELSEWHERE)
  const session = await openSession(
    { region: 'eu-west-1', infraIds: [], names: [] } as never, // nothing of the query but its region is read here
    { credentials: { accessKeyId: 'AKIA', secretAccessKey: 'x' } },
  )
  const { clients } = session
  const hostOf = async (send: (client: never) => Promise<unknown>, client: (typeof clients)[keyof typeof clients]) => {
    let host = ''
    const stack = client.middlewareStack as unknown as { add: (middleware: unknown, options: object) => void } // each client has its own types
    const look = () => async (args: { request: { hostname: string } }) => {
      host = args.request.hostname
      throw new Error('not sent')
    }
    stack.add(look, { step: 'finalizeRequest', priority: 'low', name: 'look' })
    await expect(send(client as never)).rejects.toThrow('not sent')
    return host
  }
  try {
    expect({
      tagging: await hostOf(() => clients.tagging.send(new GetResourcesCommand({})), clients.tagging),
      globalTagging: await hostOf(() => clients.globalTagging.send(new GetResourcesCommand({})), clients.globalTagging),
      ec2: await hostOf(() => clients.ec2.send(new DescribeVpcsCommand({})), clients.ec2),
      elb: await hostOf(() => clients.elb.send(new DescribeClassicCommand({})), clients.elb),
      elbv2: await hostOf(() => clients.elbv2.send(new DescribeLoadBalancersCommand({})), clients.elbv2),
      iam: await hostOf(() => clients.iam.send(new ListRolesCommand({})), clients.iam),
      s3: await hostOf(() => clients.s3.send(new ListBucketsCommand({})), clients.s3),
      route53: await hostOf(() => clients.route53.send(new ListHostedZonesCommand({})), clients.route53),
    }).toEqual({
      tagging: 'tagging.eu-west-1.amazonaws.com',
      globalTagging: 'tagging.us-east-1.amazonaws.com',
      ec2: 'ec2.eu-west-1.amazonaws.com',
      elb: 'elasticloadbalancing.eu-west-1.amazonaws.com',
      elbv2: 'elasticloadbalancing.eu-west-1.amazonaws.com',
      iam: 'iam.amazonaws.com',
      s3: 's3.eu-west-1.amazonaws.com',
      route53: 'route53.amazonaws.com',
    })
  } finally {
    session.close()
  }
})
