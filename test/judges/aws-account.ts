// An account of AWS, and what an install makes in it: a cluster's resources of every kind that the inventory knows, each
// with the tag or the name by which the installer and the cluster itself mark them.
import * as ec2 from '@aws-sdk/client-ec2'
import * as elb from '@aws-sdk/client-elastic-load-balancing'
import * as elbv2 from '@aws-sdk/client-elastic-load-balancing-v2'
import * as iam from '@aws-sdk/client-iam'
import * as tagging from '@aws-sdk/client-resource-groups-tagging-api'
import * as route53 from '@aws-sdk/client-route-53'
import * as s3 from '@aws-sdk/client-s3'

export const REGION = 'eu-west-1'
export const ACCOUNT = '123456789012'
export const CREDENTIALS = { accessKeyId: 'AKIAJUDGED', secretAccessKey: 'judged-secret' }
const TRUST = JSON.stringify({ Version: '2012-10-17', Statement: [] })

export function openAccount(endpoint: string) {
  const config = { endpoint, region: REGION, credentials: CREDENTIALS }
  const clients = {
    ec2: new ec2.EC2Client(config),
    elb: new elb.ElasticLoadBalancingClient(config),
    elbv2: new elbv2.ElasticLoadBalancingV2Client(config),
    iam: new iam.IAMClient({ ...config, region: 'us-east-1' }),
    route53: new route53.Route53Client({ ...config, region: 'us-east-1' }),
    s3: new s3.S3Client({ ...config, forcePathStyle: true }),
    tagging: new tagging.ResourceGroupsTaggingAPIClient(config),
  }
  const tagOf = (infraId: string) => ({ Key: `kubernetes.io/cluster/${infraId}`, Value: 'owned' })

  async function makeNetwork(infraId: string) {
    const tagged = <T extends string>(ResourceType: T) => ({ TagSpecifications: [{ ResourceType, Tags: [tagOf(infraId)] }] }) // prettier-ignore
    const vpc = idOf((await clients.ec2.send(new ec2.CreateVpcCommand({ CidrBlock: '10.0.0.0/16', ...tagged('vpc') }))).Vpc?.VpcId) // prettier-ignore
    const subnet = idOf((await clients.ec2.send(new ec2.CreateSubnetCommand({ VpcId: vpc, CidrBlock: '10.0.0.0/20', AvailabilityZone: `${REGION}a`, ...tagged('subnet') }))).Subnet?.SubnetId) // prettier-ignore
    const gateway = idOf((await clients.ec2.send(new ec2.CreateInternetGatewayCommand(tagged('internet-gateway')))).InternetGateway?.InternetGatewayId) // prettier-ignore
    await clients.ec2.send(new ec2.AttachInternetGatewayCommand({ InternetGatewayId: gateway, VpcId: vpc }))
    const table = idOf((await clients.ec2.send(new ec2.CreateRouteTableCommand({ VpcId: vpc, ...tagged('route-table') }))).RouteTable?.RouteTableId) // prettier-ignore
    const group = idOf((await clients.ec2.send(new ec2.CreateSecurityGroupCommand({ VpcId: vpc, GroupName: `${infraId}-node`, Description: 'nodes', ...tagged('security-group') }))).GroupId) // prettier-ignore
    const address = idOf((await clients.ec2.send(new ec2.AllocateAddressCommand({ Domain: 'vpc', ...tagged('elastic-ip') }))).AllocationId) // prettier-ignore
    const nat = idOf((await clients.ec2.send(new ec2.CreateNatGatewayCommand({ SubnetId: subnet, AllocationId: address, ...tagged('natgateway') }))).NatGateway?.NatGatewayId) // prettier-ignore
    const options = idOf((await clients.ec2.send(new ec2.CreateDhcpOptionsCommand({ DhcpConfigurations: [{ Key: 'domain-name', Values: ['ec2.internal'] }] }))).DhcpOptions?.DhcpOptionsId) // prettier-ignore
    await clients.ec2.send(new ec2.CreateTagsCommand({ Resources: [options], Tags: [tagOf(infraId)] }))
    const endpointId = idOf((await clients.ec2.send(new ec2.CreateVpcEndpointCommand({ VpcId: vpc, VpcEndpointType: 'Gateway', ServiceName: `com.amazonaws.${REGION}.s3`, RouteTableIds: [table], ...tagged('vpc-endpoint') }))).VpcEndpoint?.VpcEndpointId) // prettier-ignore
    const nic = idOf((await clients.ec2.send(new ec2.CreateNetworkInterfaceCommand({ SubnetId: subnet, ...tagged('network-interface') }))).NetworkInterface?.NetworkInterfaceId) // prettier-ignore
    const made = [`vpc ${vpc}`, `subnet ${subnet}`, `internet-gateway ${gateway}`, `route-table ${table}`, `security-group ${group}`, `elastic-ip ${address}`, `nat-gateway ${nat}`, `dhcp-options ${options}`, `vpc-endpoint ${endpointId}`, `network-interface ${nic}`] // prettier-ignore
    return { vpc, subnet, made }
  }

  async function makeMachines(infraId: string, SubnetId: string): Promise<string[]> {
    const tagged = <T extends string>(ResourceType: T) => ({ TagSpecifications: [{ ResourceType, Tags: [tagOf(infraId)] }] }) // prettier-ignore
    const { Images = [] } = await clients.ec2.send(new ec2.DescribeImagesCommand({ Owners: ['amazon'] }))
    const ImageId = idOf(Images[0]?.ImageId)
    const { Instances = [] } = await clients.ec2.send(new ec2.RunInstancesCommand({ ImageId, SubnetId, InstanceType: 'm6i.xlarge', MinCount: 2, MaxCount: 2, ...tagged('instance') })) // prettier-ignore
    const instances = Instances.map(({ InstanceId }) => idOf(InstanceId))
    const volume = idOf((await clients.ec2.send(new ec2.CreateVolumeCommand({ AvailabilityZone: `${REGION}a`, Size: 10, ...tagged('volume') }))).VolumeId) // prettier-ignore
    const snapshot = idOf((await clients.ec2.send(new ec2.CreateSnapshotCommand({ VolumeId: volume, ...tagged('snapshot') }))).SnapshotId) // prettier-ignore
    const image = idOf((await clients.ec2.send(new ec2.CreateImageCommand({ InstanceId: idOf(instances[0]), Name: `${infraId}-rhcos`, ...tagged('image') }))).ImageId) // prettier-ignore
    return [...instances.map((id) => `instance ${id}`), `volume ${volume}`, `snapshot ${snapshot}`, `image ${image}`]
  }

  async function makeBalancers(infraId: string, subnet: string, VpcId: string): Promise<string[]> {
    const Tags = [tagOf(infraId)]
    const Name = `${infraId}-int`
    const { LoadBalancers = [] } = await clients.elbv2.send(new elbv2.CreateLoadBalancerCommand({ Name, Type: 'network', Scheme: 'internal', Subnets: [subnet], Tags })) // prettier-ignore
    const { TargetGroups = [] } = await clients.elbv2.send(new elbv2.CreateTargetGroupCommand({ Name: `${infraId}-aint`, Protocol: 'TCP', Port: 6443, VpcId, Tags })) // prettier-ignore
    // The cluster makes the one of its ingress itself, under a name that tells nothing.
    const LoadBalancerName = `a${Buffer.from(infraId).toString('hex').slice(0, 30)}`
    await clients.elb.send(new elb.CreateLoadBalancerCommand({ LoadBalancerName, Listeners: [{ Protocol: 'TCP', LoadBalancerPort: 443, InstancePort: 30443 }], Subnets: [subnet], Tags })) // prettier-ignore
    return [
      `load-balancer ${LoadBalancers[0]?.LoadBalancerArn}`,
      `target-group ${TargetGroups[0]?.TargetGroupArn}`,
      `load-balancer ${LoadBalancerName}`,
    ]
  }

  async function makeIdentities(infraId: string): Promise<string[]> {
    const Tags = [tagOf(infraId)]
    const RoleName = `${infraId}-master-role`
    const { Role } = await clients.iam.send(new iam.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: TRUST, Tags })) // prettier-ignore
    const InstanceProfileName = `${infraId}-master-profile`
    const { InstanceProfile } = await clients.iam.send(new iam.CreateInstanceProfileCommand({ InstanceProfileName, Tags })) // prettier-ignore
    await clients.iam.send(new iam.AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName }))
    const { User } = await clients.iam.send(new iam.CreateUserCommand({ UserName: `${infraId}-openshift-ingress-abcde`, Tags })) // prettier-ignore
    return [`iam-role ${Role?.Arn}`, `instance-profile ${InstanceProfile?.Arn}`, `iam-user ${User?.Arn}`]
  }

  async function makeZone(name: string, VPCId?: string): Promise<string> {
    const { HostedZone } = await clients.route53.send(
      new route53.CreateHostedZoneCommand({
        Name: name,
        CallerReference: `${name} ${VPCId}`,
        ...(VPCId && { VPC: { VPCId, VPCRegion: REGION }, HostedZoneConfig: { PrivateZone: true } }),
      }),
    )
    return idOf(HostedZone?.Id).replace('/hostedzone/', '')
  }

  async function makeNames(name: string, infraId: string, baseDomain: string, vpc: string): Promise<string[]> {
    const domain = `${name}.${baseDomain}`
    const { HostedZones = [] } = await clients.route53.send(new route53.ListHostedZonesCommand({}))
    const publicZone = idOf(HostedZones.find(({ Name }) => Name === `${baseDomain}.`)?.Id).replace('/hostedzone/', '')
    const privateZone = await makeZone(domain, vpc)
    await clients.route53.send(new route53.ChangeTagsForResourceCommand({ ResourceType: 'hostedzone', ResourceId: privateZone, AddTags: [tagOf(infraId)] })) // prettier-ignore
    const addTo = async (zone: string, names: string[]) => {
      const Changes = names.map((Name) => ({
        Action: 'CREATE' as const,
        ResourceRecordSet: { Name, Type: 'CNAME' as const, TTL: 60, ResourceRecords: [{ Value: `${infraId}-int-1.elb.${REGION}.amazonaws.com` }] }, // prettier-ignore
      }))
      await clients.route53.send(new route53.ChangeResourceRecordSetsCommand({ HostedZoneId: zone, ChangeBatch: { Changes } })) // prettier-ignore
      return names.map((each) => `dns-record ${zone}/${each}/CNAME`)
    }
    return [
      `hosted-zone ${privateZone}`,
      ...(await addTo(publicZone, [`api.${domain}`, `*.apps.${domain}`])),
      ...(await addTo(privateZone, [`api.${domain}`, `api-int.${domain}`, `*.apps.${domain}`])),
    ]
  }

  async function makeBucket(infraId: string): Promise<string[]> {
    const Bucket = `${infraId}-image-registry-${REGION}`
    await clients.s3.send(new s3.CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: REGION } })) // prettier-ignore
    await clients.s3.send(new s3.PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [tagOf(infraId)] } }))
    return [`s3-bucket ${Bucket}`]
  }

  return {
    makeZone,

    /** As the installer tags it. */
    async makeMachine(infraId: string, name: string): Promise<void> {
      const { Images = [] } = await clients.ec2.send(new ec2.DescribeImagesCommand({ Owners: ['amazon'] }))
      const Tags = [tagOf(infraId), { Key: 'Name', Value: name }]
      await clients.ec2.send(new ec2.RunInstancesCommand({ ImageId: idOf(Images[0]?.ImageId), InstanceType: 'm6i.xlarge', MinCount: 1, MaxCount: 1, TagSpecifications: [{ ResourceType: 'instance', Tags }] })) // prettier-ignore
    },

    /** What an inventory of it must answer: a type and an id each. */
    async makeCluster(name: string, infraId: string, baseDomain: string): Promise<string[]> {
      const { vpc, subnet, made } = await makeNetwork(infraId)
      return [
        ...made,
        ...(await makeMachines(infraId, subnet)),
        ...(await makeBalancers(infraId, subnet, vpc)),
        ...(await makeIdentities(infraId)),
        ...(await makeNames(name, infraId, baseDomain, vpc)),
        ...(await makeBucket(infraId)),
      ].sort()
    },

    /** Deletes one thing of those that makeCluster has told. */
    takeAway: (thing: string): Promise<unknown> => {
      const [type = '', id = ''] = thing.split(' ')
      const remove = removers(clients)[type]
      if (!remove) throw new Error(`nobody knows how to delete a ${type}`)
      return remove(id)
    },

    /** Those that the server lists for the tag of the cluster. */
    async listNatGateways(infraId: string): Promise<string[]> {
      const Filter = [{ Name: `tag:${tagOf(infraId).Key}`, Values: ['owned'] }]
      const { NatGateways = [] } = await clients.ec2.send(new ec2.DescribeNatGatewaysCommand({ Filter }))
      return NatGateways.map(({ NatGatewayId }) => idOf(NatGatewayId))
    },

    /** The kinds, by their ARNs, that the tagging service lists for the cluster. */
    async listTagged(infraId: string): Promise<string[]> {
      const TagFilters = [{ Key: tagOf(infraId).Key, Values: ['owned'] }]
      const { ResourceTagMappingList = [] } = await clients.tagging.send(
        new tagging.GetResourcesCommand({ TagFilters }),
      )
      return ResourceTagMappingList.map(({ ResourceARN = '' }) => ResourceARN.split(':').slice(5).join(':').split(/[/:]/)[0] ?? '') // prettier-ignore
    },

    iam: {
      client: clients.iam,
      async assume(RoleName: string, session: string) {
        const { Role } = await clients.iam.send(new iam.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: TRUST })) // prettier-ignore
        return credentialsOf(endpoint, idOf(Role?.Arn), session)
      },
    },

    close() {
      for (const client of Object.values(clients)) client.destroy()
    },
  }
}

type Clients = { ec2: ec2.EC2Client; elb: elb.ElasticLoadBalancingClient; elbv2: elbv2.ElasticLoadBalancingV2Client; iam: iam.IAMClient; route53: route53.Route53Client; s3: s3.S3Client } // prettier-ignore

/** In the order of a destroy. */
export const removalOrder = ['instance', 'load-balancer', 'target-group', 'nat-gateway', 'elastic-ip', 'volume', 'snapshot', 'image', 'network-interface', 'vpc-endpoint', 'security-group', 'route-table', 'subnet', 'internet-gateway', 'dhcp-options', 'vpc', 'instance-profile', 'iam-role', 'iam-user', 's3-bucket', 'dns-record', 'hosted-zone'] // prettier-ignore

function removers(to: Clients): Record<string, (id: string) => Promise<unknown>> {
  const nameOf = (arn: string) => arn.split('/').at(-1) ?? ''
  return {
    instance: (id) => to.ec2.send(new ec2.TerminateInstancesCommand({ InstanceIds: [id] })),
    'load-balancer': (id) =>
      id.startsWith('arn:')
        ? to.elbv2.send(new elbv2.DeleteLoadBalancerCommand({ LoadBalancerArn: id }))
        : to.elb.send(new elb.DeleteLoadBalancerCommand({ LoadBalancerName: id })),
    'target-group': (id) => to.elbv2.send(new elbv2.DeleteTargetGroupCommand({ TargetGroupArn: id })),
    'nat-gateway': (id) => to.ec2.send(new ec2.DeleteNatGatewayCommand({ NatGatewayId: id })),
    'elastic-ip': (id) => to.ec2.send(new ec2.ReleaseAddressCommand({ AllocationId: id })),
    volume: (id) => to.ec2.send(new ec2.DeleteVolumeCommand({ VolumeId: id })),
    snapshot: (id) => to.ec2.send(new ec2.DeleteSnapshotCommand({ SnapshotId: id })),
    image: (id) => to.ec2.send(new ec2.DeregisterImageCommand({ ImageId: id })),
    'network-interface': (id) => to.ec2.send(new ec2.DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id })),
    'vpc-endpoint': (id) => to.ec2.send(new ec2.DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] })),
    'security-group': (id) => to.ec2.send(new ec2.DeleteSecurityGroupCommand({ GroupId: id })),
    'route-table': (id) => to.ec2.send(new ec2.DeleteRouteTableCommand({ RouteTableId: id })),
    subnet: (id) => to.ec2.send(new ec2.DeleteSubnetCommand({ SubnetId: id })),
    async 'internet-gateway'(id) {
      const { InternetGateways = [] } = await to.ec2.send(new ec2.DescribeInternetGatewaysCommand({ InternetGatewayIds: [id] })) // prettier-ignore
      for (const { VpcId } of InternetGateways[0]?.Attachments ?? [])
        await to.ec2.send(new ec2.DetachInternetGatewayCommand({ InternetGatewayId: id, VpcId }))
      return to.ec2.send(new ec2.DeleteInternetGatewayCommand({ InternetGatewayId: id }))
    },
    'dhcp-options': (id) => to.ec2.send(new ec2.DeleteDhcpOptionsCommand({ DhcpOptionsId: id })),
    vpc: (id) => to.ec2.send(new ec2.DeleteVpcCommand({ VpcId: id })),
    async 'instance-profile'(id) {
      const InstanceProfileName = nameOf(id)
      const { InstanceProfile } = await to.iam.send(new iam.GetInstanceProfileCommand({ InstanceProfileName }))
      for (const { RoleName } of InstanceProfile?.Roles ?? [])
        await to.iam.send(new iam.RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName }))
      return to.iam.send(new iam.DeleteInstanceProfileCommand({ InstanceProfileName }))
    },
    'iam-role': (id) => to.iam.send(new iam.DeleteRoleCommand({ RoleName: nameOf(id) })),
    'iam-user': (id) => to.iam.send(new iam.DeleteUserCommand({ UserName: nameOf(id) })),
    's3-bucket': (id) => to.s3.send(new s3.DeleteBucketCommand({ Bucket: id })),
    async 'dns-record'(id) {
      const [HostedZoneId, name = '', Type] = id.split('/')
      const { ResourceRecordSets = [] } = await to.route53.send(new route53.ListResourceRecordSetsCommand({ HostedZoneId })) // prettier-ignore
      const Changes = ResourceRecordSets.filter((each) => each.Type === Type && each.Name?.replace('\\052', '*') === `${name}.`).map((ResourceRecordSet) => ({ Action: 'DELETE' as const, ResourceRecordSet })) // prettier-ignore
      return to.route53.send(new route53.ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } }))
    },
    'hosted-zone': (id) => to.route53.send(new route53.DeleteHostedZoneCommand({ Id: id })),
  }
}

/** Asked without an SDK: the service needs no client of STS. */
async function credentialsOf(endpoint: string, role: string, session: string) {
  const authorization = `AWS4-HMAC-SHA256 Credential=${CREDENTIALS.accessKeyId}/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=none` // moto verifies none
  const body = new URLSearchParams({ Action: 'AssumeRole', Version: '2011-06-15', RoleArn: role, RoleSessionName: session }) // prettier-ignore
  const text = await (await fetch(endpoint, { method: 'POST', headers: { authorization }, body })).text()
  const of = (name: string) => idOf(new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1])
  return { accessKeyId: of('AccessKeyId'), secretAccessKey: of('SecretAccessKey'), sessionToken: of('SessionToken') }
}

/** Throws where the answer that should have named it does not. */
function idOf(id: string | undefined): string {
  if (!id) throw new Error('the server has not said what it made')
  return id
}
