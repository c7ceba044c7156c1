// What the installer and this service's own look need in Google Cloud. The installer's are what its documentation lists.
import { needsOf, type Needs } from '../rights.ts'

/** Lines such as `compute.disks: create delete`. */
const permissionsIn = (text: string): string[] =>
  text
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [kind = '', verbs = ''] = line.trim().split(': ')
      return verbs.split(' ').map((verb) => `${kind}.${verb}`)
    })

const install = `
  compute.addresses: create createInternal delete get list use useInternal
  compute.disks: create get list setLabels
  compute.firewalls: create delete get list
  compute.forwardingRules: create get list setLabels
  compute.globalOperations: get
  compute.healthChecks: create get list useReadOnly
  compute.httpHealthChecks: create get list useReadOnly
  compute.images: list
  compute.instanceGroups: create delete get list update use
  compute.instances: create delete get getSerialPortOutput list setLabels setMetadata setServiceAccount setTags use
  compute.machineTypes: get list
  compute.networks: create get list updatePolicy
  compute.regionBackendServices: create get list update use
  compute.regionOperations: get
  compute.regions: list
  compute.routers: create get list update
  compute.routes: list
  compute.subnetworks: create get list use useExternalIp
  compute.targetPools: addInstance create get list removeInstance use
  compute.zoneOperations: get
  compute.zones: get list
  dns.changes: create get
  dns.managedZones: create get list
  dns.networks: bindPrivateDNSZone
  dns.resourceRecordSets: create list
  iam.roles: get
  iam.serviceAccountKeys: create delete get list
  iam.serviceAccounts: actAs create delete get list
  monitoring.timeSeries: list
  resourcemanager.projects: get getIamPolicy setIamPolicy
  serviceusage.quotas: get
  serviceusage.services: list
  storage.buckets: create delete get list
  storage.objects: create delete get list`

const destroy = `
  compute.addresses: delete deleteInternal list
  compute.disks: delete list
  compute.firewalls: delete list
  compute.forwardingRules: delete list
  compute.healthChecks: delete list
  compute.httpHealthChecks: delete list
  compute.images: list
  compute.instanceGroups: delete list
  compute.instances: delete list stop
  compute.machineTypes: list
  compute.networks: delete list updatePolicy
  compute.regionBackendServices: delete list
  compute.routers: delete list
  compute.routes: list
  compute.subnetworks: delete list
  compute.targetPools: delete list
  dns.changes: create
  dns.managedZones: delete get list
  dns.resourceRecordSets: delete list
  iam.serviceAccounts: delete get list
  resourcemanager.projects: getIamPolicy setIamPolicy
  storage.buckets: delete getIamPolicy list
  storage.objects: delete list`

/** The same as in docs/security.md. */
const proof = `
  compute.addresses: list
  compute.backendServices: list
  compute.disks: list
  compute.firewalls: list
  compute.forwardingRules: list
  compute.healthChecks: list
  compute.httpHealthChecks: list
  compute.images: list
  compute.instanceGroups: list
  compute.instances: list
  compute.networkEndpointGroups: list
  compute.networks: list
  compute.resourcePolicies: list
  compute.routers: list
  compute.routes: list
  compute.snapshots: list
  compute.targetPools: list
  compute.targetTcpProxies: list
  dns.managedZones: list
  dns.resourceRecordSets: list
  file.instances: list
  iam.serviceAccounts: list
  resourcemanager.projects: get getIamPolicy
  storage.buckets: list`

const sleep = `
  compute.instances: delete list start stop
  compute.zoneOperations: get`

/** In the project that shares its network. */
const shared = {
  install: 'compute.networks: get list\ncompute.subnetworks: get list use\ndns.managedZones: list',
  destroy: 'compute.networks: list\ncompute.subnetworks: list\ndns.managedZones: list',
  proof: 'compute.firewalls: list\ncompute.networks: list\ndns.managedZones: list\ndns.resourceRecordSets: list',
}

export const proofPermissions = permissionsIn(proof)
export const sleepPermissions = permissionsIn(sleep)

/** `isHost`: of the project that shares its network. */
export const gcpNeeds = (isHost: boolean): Needs =>
  needsOf(
    isHost
      ? { install: permissionsIn(shared.install), destroy: permissionsIn(shared.destroy), proof: permissionsIn(shared.proof), sleep: [] } // prettier-ignore
      : { install: permissionsIn(install), destroy: permissionsIn(destroy), proof: proofPermissions, sleep: sleepPermissions }, // prettier-ignore
  )
