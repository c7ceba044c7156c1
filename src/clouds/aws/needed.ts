// What the installer and this service's own look need in AWS. The installer's are its own published lists, without those
// for what profiles cannot ask for.
import { bringsNetwork, namesIn, needsOf, type Needs, type Places } from '../rights.ts'

const install = `
  ec2: AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CopyImage CreateNetworkInterface AttachNetworkInterface CreateSecurityGroup CreateTags CreateVolume DeleteSecurityGroup DeleteSnapshot DeregisterImage ModifyInstanceAttribute ModifyNetworkInterfaceAttribute RevokeSecurityGroupEgress RevokeSecurityGroupIngress RunInstances TerminateInstances
  ec2: DescribeAccountAttributes DescribeAddresses DescribeAvailabilityZones DescribeDhcpOptions DescribeImages DescribeInstanceAttribute DescribeInstanceCreditSpecifications DescribeInstanceTypeOfferings DescribeInstanceTypes DescribeInstances DescribeInternetGateways DescribeKeyPairs DescribeNatGateways DescribeNetworkAcls DescribeNetworkInterfaces DescribePrefixLists DescribeRegions DescribeRouteTables DescribeSecurityGroupRules DescribeSecurityGroups DescribeSubnets DescribeTags DescribeVolumes DescribeVpcAttribute DescribeVpcClassicLink DescribeVpcClassicLinkDnsSupport DescribeVpcEndpoints DescribeVpcs GetConsoleOutput GetEbsDefaultKmsKeyId
  elasticloadbalancing: AddTags ApplySecurityGroupsToLoadBalancer AttachLoadBalancerToSubnets ConfigureHealthCheck CreateListener CreateLoadBalancer CreateLoadBalancerListeners CreateTargetGroup DeleteLoadBalancer DeregisterInstancesFromLoadBalancer DeregisterTargets DescribeInstanceHealth DescribeListeners DescribeLoadBalancerAttributes DescribeLoadBalancers DescribeTags DescribeTargetGroupAttributes DescribeTargetHealth ModifyLoadBalancerAttributes ModifyTargetGroup ModifyTargetGroupAttributes RegisterInstancesWithLoadBalancer RegisterTargets SetLoadBalancerPoliciesOfListener SetSecurityGroups
  iam: AddRoleToInstanceProfile CreateInstanceProfile CreateRole DeleteInstanceProfile DeleteRole DeleteRolePolicy GetInstanceProfile GetRole GetRolePolicy GetUser ListInstanceProfilesForRole ListRoles ListUsers PassRole PutRolePolicy RemoveRoleFromInstanceProfile SimulatePrincipalPolicy TagInstanceProfile TagRole
  route53: ChangeResourceRecordSets ChangeTagsForResource CreateHostedZone GetChange GetHostedZone ListHostedZones ListHostedZonesByName ListResourceRecordSets ListTagsForResource UpdateHostedZoneComment
  s3: CreateBucket DeleteBucket DeleteObject GetAccelerateConfiguration GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketObjectLockConfiguration GetBucketPolicy GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration GetLifecycleConfiguration GetReplicationConfiguration ListBucket PutBucketAcl PutBucketPolicy PutBucketTagging PutEncryptionConfiguration GetObject GetObjectAcl GetObjectTagging GetObjectVersion PutObject PutObjectAcl PutObjectTagging`

const destroy = `
  autoscaling: DescribeAutoScalingGroups
  ec2: DeleteNetworkInterface DeletePlacementGroup DeleteSecurityGroup DeleteSnapshot DeleteTags DeleteVolume DeregisterImage TerminateInstances
  elasticloadbalancing: DeleteLoadBalancer DeleteTargetGroup DescribeLoadBalancers DescribeTargetGroups
  iam: DeleteAccessKey DeleteInstanceProfile DeleteRole DeleteRolePolicy DeleteUser ListAttachedRolePolicies ListInstanceProfiles ListRolePolicies ListRoles ListUserPolicies ListUsers RemoveRoleFromInstanceProfile
  route53: ChangeResourceRecordSets DeleteHostedZone ListHostedZones ListResourceRecordSets
  s3: DeleteBucket DeleteObject ListBucket ListBucketVersions
  tag: GetResources`

const installNetwork = `
  ec2: AllocateAddress AssociateAddress AssociateDhcpOptions AssociateRouteTable AttachInternetGateway CreateDhcpOptions CreateInternetGateway CreateNatGateway CreateRoute CreateRouteTable CreateSubnet CreateVpc CreateVpcEndpoint ModifySubnetAttribute ModifyVpcAttribute`

const destroyNetwork = `
  ec2: DeleteDhcpOptions DeleteInternetGateway DeleteNatGateway DeleteRoute DeleteRouteTable DeleteSubnet DeleteVpc DeleteVpcEndpoints DetachInternetGateway DisassociateRouteTable ReleaseAddress ReplaceRouteTableAssociation`

/** Tags of what is shared are taken off again. */
const destroyShared = `
  tag: UntagResources`

/** The same as in the policy of docs/security.md. */
const proof = `
  tag: GetResources
  ec2: DescribeAddresses DescribeDhcpOptions DescribeImages DescribeInstances DescribeInternetGateways DescribeManagedPrefixLists DescribeNatGateways DescribeNetworkInterfaces DescribeRouteTables DescribeSecurityGroups DescribeSnapshots DescribeSpotInstanceRequests DescribeSubnets DescribeTags DescribeVolumes DescribeVpcEndpoints DescribeVpcPeeringConnections DescribeVpcs
  elasticloadbalancing: DescribeLoadBalancers DescribeTags DescribeTargetGroups
  iam: GetAccountAuthorizationDetails ListInstanceProfiles
  kms: DescribeKey
  route53: ListHostedZones ListResourceRecordSets
  s3: ListAllMyBuckets`

const sleep = `
  ec2: DescribeInstances StartInstances StopInstances TerminateInstances`

export const proofActions = namesIn(proof, ':')

export function awsNeeds(places: Places): Needs {
  const isShared = bringsNetwork(places)
  const all = (...texts: string[]) => texts.flatMap((text) => namesIn(text, ':'))
  const roles = places.some(({ hostedZoneRole }) => hostedZoneRole !== undefined) ? ['sts:AssumeRole'] : []
  return needsOf({
    install: isShared ? all(install) : all(install, installNetwork),
    destroy: isShared ? all(destroy, destroyShared) : all(destroy, destroyNetwork),
    proof: [...proofActions, ...roles],
    sleep: all(sleep),
  })
}
