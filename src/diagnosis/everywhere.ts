// Causes that are of no one cloud: names that are taken, images and directories that cannot be used, and the host on
// which the installer runs.
import { never, once, type Reason } from './entry.ts'

export const causesEverywhere: Reason[] = [
  {
    reason: 'DNSAlreadyExists',
    category: 'dns',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A DNS record of this cluster name exists already: another cluster uses the name, or one that is gone left it behind. Find out which before anything is deleted; choose another name meanwhile.',
    source: 'Hive',
    patterns: [
      /Tried to create resource record set [^\n]{0,300}but it already exists/i,
      /already exists in [^\n]{1,300}? and might be in use by another cluster/i,
      /the zone already has record sets for the domain of the cluster/i,
      /entity\.change\.additions[^\n]{0,300}already exists/i,
      /dns_?zones?\/[^\n]{0,300}already exists - to be managed via Terraform/i,
      /An identical record already exists|CNAME record with that host already exists/i,
    ],
  },
  {
    reason: 'NameTaken',
    category: 'conflict',
    actor: 'platform-team',
    retry: once(60),
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A name that the installation needs is taken: something that is gone left it behind, or somebody else uses it. A new attempt has another infraID and may do; find out whose it is before anything is deleted.',
    source: 'reports',
    patterns: [
      /\b(?:EntityAlreadyExists|BucketAlreadyExists|BucketAlreadyOwnedByYou|ConflictingDomainExists|HostedZoneAlreadyExists|DuplicateLoadBalancerName|DuplicateTargetGroupName)\b/i,
      /\bInvalid(?:Group|KeyPair|Permission)\.Duplicate\b/i,
      /\bStorageAccount(?:AlreadyTaken|AlreadyExists|InAnotherResourceGroup)\b|\b(?:DnsRecordInUse|ResourceGroupAlreadyExists)\b/i,
      /\bname\b[^\n]{0,160}\b(?:is not unique|must be unique|already in use)\b|\bvalidation_unique_failed\b/i,
      /\bgoogleapi: Error 409: [^\n]{0,600}\balready ?exists\b/i,
      /already exists - to be managed via Terraform/i,
    ],
  },
  {
    reason: 'MarketplaceTermsNotAccepted',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The image is one of the marketplace, whose terms this account has not accepted, or whose plan the profile does not name. Accept the terms once for the account, or correct the plan.',
    source: 'reports',
    patterns: [
      /\b(?:MarketplacePurchaseEligibilityFailed|ResourcePurchaseValidationFailed|VMMarketplaceInvalidInput|PlanNotFound)\b/i,
      /not accepted the legal terms|legal terms have not been accepted|license terms [^\n]{0,120}not (?:been )?accepted|accept terms and subscribe/i,
    ],
  },
  {
    reason: 'ImageNotUsable',
    category: 'input',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The image that the machines should start from does not exist in this region, or this account may not use it. Correct the image of the profile, or choose another version.',
    source: 'reports',
    patterns: [
      /\bInvalidAMIID\.(?:NotFound|Malformed|Unavailable)\b|AuthFailure: Not authorized for images|no EBS returned when looking up/i,
      /\bPlatformImageNotFound\b|\bGalleryImageNotFound\b|The Image '[^'\n]{1,300}' cannot be found|The platform image '[^'\n]{1,300}' is not available/i,
      /\bNo (?:aws|azure|gcp|ibmcloud) build found|\bno AMI (?:for|found)\b/i,
      /Invalid value for field 'resource\.disks\[\d+\]\.initializeParams\.sourceImage'|The resource 'projects\/[^'\n]{1,200}\/images\/(?![^'\n]{0,80}-[bcdfghjklmnpqrstvwxz2456789]{5}-)[^'\n]{1,120}' was not found/i,
    ],
  },
  {
    reason: 'ExpiredIgnition',
    category: 'conflict',
    actor: 'platform-team',
    retry: once(10),
    infrastructureMayExist: true,
    remedy:
      'The ignition files were older than 24 hours when the machines booted, so their certificates had expired. Begin anew in a fresh directory; that may be done at once.',
    source: 'reports',
    patterns: [
      /(?::6443|:22623|Kubernetes API|bootstrap)[^\n]{0,400}x509: certificate has expired or is not yet valid/i,
      /state file certificate \S{1,120} expired at|Bootstrap Ignition-Config (?:Certificate \S{1,120} )?expired at/i,
    ],
    errorsOnly: true,
  },
  {
    reason: 'APINameNotResolved',
    category: 'dns',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      "The name of the cluster's API could not be resolved from the worker until the wait ended. See that the zone of the base domain is delegated, and that the worker's name service can see it.",
    source: 'reports',
    patterns: [
      /(?:Bootstrap failed to complete|waiting for Kubernetes API)[^\n]{0,400}\blookup api\.[^\n]{0,300}: no such host/i,
    ],
    errorsOnly: true,
  },
  {
    reason: 'StaleAssetDirectory',
    category: 'conflict',
    actor: 'platform-team',
    retry: once(10),
    infrastructureMayExist: true,
    remedy:
      'The installer ran in a directory of an earlier run, which it cannot go on with. Destroy what that run made, then begin anew in a fresh directory.',
    source: 'installer',
    patterns: [
      /terraform state files already exist|"?terraform\.tfstate"? already exists|provisioning artifacts already exist|There may already be a running cluster/i,
      /The source blob \S{1,300} is not accessible/i,
    ],
  },
  {
    reason: 'FIPSNotPossible',
    category: 'worker',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: false,
    remedy:
      'A cluster in FIPS mode needs openshift-install-fips on a host that is in FIPS mode itself, and this worker has not both. Run such jobs on a worker that can.',
    source: 'installer',
    patterns: [/FIPS-capable installer binary|target cluster is in FIPS mode|enable FIPS mode on (?:the|this) host/i],
  },
  {
    reason: 'NoSpaceLeft',
    category: 'worker',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: "The worker's disk is full. Make room in its work directory and in TMPDIR, which the installer unpacks to.",
    source: 'reports',
    patterns: [/no space left on device|disk quota exceeded/i],
    errorsOnly: true,
  },
  {
    reason: 'ReleaseImageNotPulled',
    category: 'network',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'The bootstrap machine could not pull the release image: the pull secret does not fit, or the registry or its mirror cannot be reached from there. Correct that first.',
    source: 'installer',
    patterns: [
      /bootstrap machine (?:failed to download|is having trouble pulling|was unable to pull) the release image|failed to download the release image/i,
      /unable to retrieve auth token: invalid username\/password/i,
    ],
    errorsOnly: true,
  },
  {
    reason: 'LibvirtSSHKeyPermissionDenied',
    category: 'credentials',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The hypervisor refused the SSH key. Check the key, its passphrase and the account on the host.',
    source: 'Hive',
    patterns: [/libvirt[^\n]{0,300}(?:Permission denied|publickey)/i],
  },
  {
    reason: 'LibvirtConnectionFailed',
    category: 'network',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The hypervisor could not be reached. Check its address, its libvirt daemon and the network between.',
    source: 'Hive',
    patterns: [
      /could not connect to libvirt|failed to connect to libvirt|failed to dial libvirt|\bvirError\(Code=38\b/i,
    ],
  },
  {
    reason: 'ProxyInvalidCABundle',
    category: 'network',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      "The proxy's certificate is signed by an authority that the cluster does not trust. Add that authority to additionalTrustBundle.",
    source: 'Hive',
    patterns: [
      /proxyconnect tcp: (?:tls: failed to verify certificate: )?x509: certificate signed by unknown authority/i,
    ],
  },
  {
    reason: 'ProxyTimeout',
    category: 'network',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The proxy does not answer. Check that it runs, and that the machines of the cluster may reach it at the address given.',
    source: 'Hive',
    patterns: [
      /proxyconnect tcp: dial tcp[^\n]{1,160}?: (?:i\/o timeout|no such host|connect: (?:connection refused|connection timed out|no route to host))/i,
    ],
  },
  {
    reason: 'InstallConfigNetworkAuthFail',
    category: 'credentials',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: false,
    remedy: 'OpenStack refused the credentials when its network service was asked. Correct clouds.yaml.',
    source: 'Hive',
    patterns: [/failed to create a network client: Authentication failed/i],
  },
  {
    reason: 'InstallConfigNetworkBadCACert',
    category: 'input',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: false,
    remedy: 'The CA file that clouds.yaml names is missing or is no certificate. Correct the path or the file.',
    source: 'Hive',
    patterns: [/failed to create a network client: Error parsing CA Cert/i],
  },
]

/** The installer only warns of it and goes on, so it counts where nothing else ended the run. */
export const unknownField: Reason = {
  reason: 'UnknownInstallConfigField',
  category: 'input',
  actor: 'platform-team',
  retry: never,
  infrastructureMayExist: 'by-exit-code',
  remedy:
    'The profile sets a field of install-config.yaml that this version of the installer does not know and throws away, so the cluster would be another one. Choose a version that knows it, or correct the profile.',
  source: 'installer',
  patterns: [/first occurrence of unknown field|unmarshal(?:ing)? install-config\.yaml[^\n]{0,300}unknown field/i],
}
