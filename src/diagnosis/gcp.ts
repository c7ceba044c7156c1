// Google Cloud. Quotas appear in three forms: the installer's own check, the sentence of the API, and its code.
import { never, upTo, type Reason } from './entry.ts'

export const gcpReasons: Reason[] = [
  {
    reason: 'GCPInvalidProjectID',
    category: 'input',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: false,
    remedy: 'The project does not exist, or these credentials may not see it. Correct the project id.',
    patterns: [/platform\.gcp\.(?:project|projectID|networkProjectID): [^\n]{0,200}invalid project ID/i],
  },
  {
    reason: 'GCPInstanceTypeNotFound',
    category: 'input',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The machine type does not exist in this region or zone. Choose another one.',
    patterns: [
      /\bgcp(?:\.defaultMachinePlatform)?\.type: (?:Not found|Invalid value: [^\n]{0,600}(?:not found|not available in zones))/i,
      /\bmachineTypes\/[\w-]{1,60}'? (?:was not found|does not exist)/i,
    ],
  },
  {
    reason: 'GCPPreconditionFailed',
    category: 'permissions',
    actor: 'platform-team',
    retry: upTo(2, 120),
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'Google refused a change because a condition did not hold: a policy of the organization, or a change made by somebody else at the same time. If the evidence names a constraint, have it lifted for the project.',
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
    patterns: [
      /iam\.googleapis\.com\/quota\/service-account-count is not available/i,
      /Maximum number of service accounts on project reached/i,
    ],
  },
]
