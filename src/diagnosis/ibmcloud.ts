// IBM Cloud, by the codes of its VPC API and the sentences of the installer.
import { never, upTo, type Reason } from './entry.ts'

export const ibmcloudReasons: Reason[] = [
  {
    reason: 'IBMCloudInsufficientCapacity',
    category: 'capacity',
    actor: 'cloud-provider',
    retry: upTo(3, 900),
    infrastructureMayExist: true,
    remedy:
      'The zone has no machines of this profile at the moment. Try again later, or choose another zone or profile.',
    source: 'IBM',
    patterns: [
      /\b(?:cannot_start_capacity|cannot_start_compute|out_of_capacity|insufficient_capacity)\b|insufficient (?:compute )?capacity/i,
    ],
  },
  {
    reason: 'IBMCloudQuotaExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A quota of the account is used up; the evidence names it. Destroy clusters that are not needed, or have it raised.',
    source: 'IBM',
    patterns: [/\bover_quota\b|will put the user over quota/i],
  },
  {
    reason: 'IBMCloudInsufficientPermissions',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The API key may not do what an installation needs. Grant its owner the roles for VPC, DNS, object storage and IAM.',
    source: 'IBM',
    // A service may not act for another until their authorization is in effect, whatever the key may do.
    patterns: [
      /\bcode[\\"'=:\s]{1,8}not_authorized\b|\bThe request is not authorized\b|\bBXNIM0513E\b/i,
      /\bYou (?:are not authorized|do not have (?:the required |sufficient )?(?:permission|access))/i,
    ],
    unless: /access the Cloud Object Storage/i,
  },
  {
    reason: 'IBMCloudAPIRateLimitExceeded',
    category: 'throttling',
    actor: 'platform-team',
    retry: upTo(4, 900),
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'IBM Cloud throttled the requests of this account. Try again later, and run fewer operations in the account at a time.',
    source: 'IBM',
    patterns: [
      /(?:cloud\.ibm\.com|\bibm|\bvpc\b|\bcis\b)[^\n]{0,300}\bToo Many Requests\b(?! and has asked)/i,
      /\brate_limit_exceeded\b|consider throttling your request speed/i,
    ],
  },
  {
    reason: 'IBMCloudDNSZoneNotFound',
    category: 'dns',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'No active zone of Internet Services or DNS Services serves the base domain. Correct the base domain, or have the zone activated.',
    source: 'IBM',
    patterns: [/\bDNS zone "[^"\n]{1,255}" not found|failed to get (?:DNS Zone ID|(?:cis|dns) instance)\b/i],
    unless: /\bEOF\b|time(?:d )?out|deadline|connection re|handshake|Internal|unavailable/i,
  },
]
