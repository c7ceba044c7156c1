// Google Cloud. Quotas appear in three forms: the installer's own check, the sentence of the API, and its code. A refusal
// may have its code lines below its sentence.
import { never, upTo, type Reason } from './entry.ts'

export const gcpReasons: Reason[] = [
  {
    reason: 'GCPInvalidProjectID',
    category: 'input',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: false,
    remedy:
      'No project was named, it does not exist, or these credentials may not see it. Correct the project id of the profile.',
    source: 'Hive',
    patterns: [
      /platform\.gcp\.(?:project|projectID|networkProjectID): [^\n]{0,200}invalid project ID/i,
      /googleapis\.com\/\S{0,80}\/projects\/\/|projects\/\/managedZones/i,
      /\bunknown project id\b|Failed to find project|Project '[^'\n]{1,80}' not found|project [^\n]{0,80}has been deleted|\bUSER_PROJECT_DENIED\b/i,
      /could not retrieve base domains: googleapi: Error 40[04]: Invalid resource field value/i,
    ],
  },
  {
    reason: 'GCPInstanceTypeNotFound',
    category: 'input',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The machine type does not exist in this region or zone. Choose another one.',
    source: 'Hive',
    patterns: [
      /\bgcp(?:\.defaultMachinePlatform)?\.type: (?:Not found|Invalid value: [^\n]{0,600}(?:not found|not available in zones))/i,
      /\bmachineTypes\/[\w-]{1,60}'? (?:was not found|does not exist)|Machine type with name '[^'\n]{1,60}' does not exist/i,
    ],
  },
  {
    reason: 'GCPDeniedByOrgPolicy',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A policy of the organization forbids something that an installation does; the evidence names the constraint. Have it lifted for the project, or change what was asked for.',
    source: 'Google',
    patterns: [
      /\bconstraints\/[\w.]{3,100}|denied by org(?:anization)? policy|violates org(?:anization)? policy|\bVPC_SERVICE_CONTROLS\b|prohibited by organization's policy/i,
      /Key creation is not allowed on this service account/i,
    ],
  },
  {
    reason: 'GCPAPINotEnabled',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'An API that an installation needs is not enabled in the project; the evidence names it. Enable it, and wait some minutes until that is in effect.',
    source: 'Google',
    patterns: [
      /\baccessNotConfigured\b|\bSERVICE_DISABLED\b|has not been used in project \S{1,80} before or it is disabled/i,
      /required services are not enabled in this project/i,
    ],
  },
  {
    reason: 'GCPInsufficientCapacity',
    category: 'capacity',
    actor: 'cloud-provider',
    retry: upTo(3, 900),
    infrastructureMayExist: true,
    remedy:
      'The zone has no machines of this type at the moment. Try again later, or choose another zone or machine type.',
    source: 'Google',
    patterns: [
      /\b(?:ZONE|REGION|ZONAL|REGIONAL)_RESOURCE_POOL_EXHAUSTED|\bSTOCKOUT\b|\bresource_availability\b/i,
      /does not have enough resources available to fulfill/i,
    ],
  },
  {
    reason: 'GCPPreconditionFailed',
    category: 'cloud-flake',
    actor: 'cloud-provider',
    retry: upTo(2, 120),
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'Google refused a change because somebody else had changed the same thing at that moment. Another attempt usually succeeds.',
    source: 'Hive',
    patterns: [/\bgoogleapi: (?:Error|got HTTP response code) 412\b/i],
  },
  {
    reason: 'GCPQuotaSSDTotalGBExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The SSD storage of the region is used up. Destroy clusters that are not needed, use other disks, or have the quota raised.',
    source: 'Hive',
    patterns: [
      /\bQuota .{0,3}SSD_TOTAL_GB.{0,3} exceeded|\bQUOTA_EXCEEDED\b[^\n]{0,300}SSD_TOTAL_GB/i,
      /compute\.googleapis\.com\/ssd_total_storage is not available/i,
    ],
  },
  {
    reason: 'GCPComputeQuotaExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A compute quota of the project is used up, most often CPUs. Destroy clusters that are not needed, use smaller machines, or have the quota raised.',
    source: 'Hive',
    patterns: [
      /compute\.googleapis\.com\/[\w-]{1,60} is not available in \S{1,40} because the required number of resources/i,
      /\bQuota .{0,3}[A-Z0-9_]{0,40}CPUS[A-Z0-9_]{0,40}.{0,3} exceeded|\bQUOTA_EXCEEDED\b[^\n]{0,300}CPUS/i,
    ],
  },
  {
    reason: 'GCPServiceAccountQuotaExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The project holds as many service accounts as it may. Delete those of clusters that are gone, or have the quota raised.',
    source: 'Hive',
    patterns: [
      /iam\.googleapis\.com\/quota\/service-account-count is not available/i,
      /Maximum number of service accounts on project reached/i,
    ],
  },
  {
    reason: 'GCPAPIRateLimitExceeded',
    category: 'throttling',
    actor: 'platform-team',
    retry: upTo(4, 900),
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'Google throttled the requests of this project. Try again later, and run fewer operations in the project at a time.',
    source: 'Google',
    patterns: [
      /\b(?:userRateLimitExceeded|rateLimitExceeded|RATE_LIMIT_EXCEEDED)\b|Rate Limit Exceeded/i,
      /Quota exceeded for quota (?:metric|group) [^\n]{0,160}per (?:minute|second|user)/i,
      /\bgoogleapi: (?:Error|got HTTP response code) 429\b/i,
    ],
    unless: /rate limiter|registry|Docker Hub/i,
  },
  {
    reason: 'GCPQuotaExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A quota of the project is used up; the evidence names its metric. Destroy clusters that are not needed, or have it raised.',
    source: 'Google',
    patterns: [
      /\bQuota .{0,3}[A-Z][A-Z0-9_]{2,60}.{0,3} exceeded\.? {1,2}Limit: /i,
      /\bgoogleapi: Error 40[03]: [^\n]{0,600}\bquotaExceeded\b|\bQUOTA_EXCEEDED\b/i,
      /[a-z]{2,30}\.googleapis\.com\/[\w/-]{1,80} is not available in \S{1,40} because the required number of resources/i,
    ],
  },
  {
    reason: 'GCPInsufficientPermissions',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The service account lacks rights that an installation needs. Grant it the role or permission that the evidence names.',
    source: 'Google',
    patterns: [
      /\b(?:AUTH_PERMISSION_DENIED|IAM_PERMISSION_DENIED|PERMISSION_DENIED)\b|\bPermission '[\w.]{5,80}' denied/i,
      /Required '[\w.]{5,80}' permission|The caller does not have permission|does not have \S{5,80} access to /i,
      /\bgoogleapi: (?:Error|got HTTP response code) 403\b[^\n]{0,800}(?:permission|forbidden)/i,
      /platform\.gcp\.\S{0,60}: [^\n]{0,400}(?:missing|insufficient) permissions?|current credentials (?:do not have|lack)/i,
    ],
  },
  {
    reason: 'GCPDNSZoneNotFound',
    category: 'dns',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The project has no public zone for the base domain. Correct the base domain, or have the zone made.',
    source: 'installer',
    patterns: [
      /no matching (?:public|private) DNS zone|baseDomain: Not found: "?(?:Public|Private) DNS Zone|failed to find (?:a )?(?:public|private) (?:DNS |managed )?zone/i,
      /'parameters\.managedZone' resource named '[^'\n]{1,120}' does not exist/i,
    ],
    errorsOnly: true,
  },
]
