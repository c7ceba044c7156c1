// Azure. Its code appears in many forms: Code="…" from Terraform, ERROR CODE: … from the Cluster API controllers, and
// "code": "…" inside nested JSON with any number of backslashes.
import { never, once, upTo, type Reason } from './entry.ts'

export const azureReasons: Reason[] = [
  {
    reason: 'AzureQuotaExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A quota of the subscription is used up; the evidence names it. Destroy clusters that are not needed, use smaller machines, or have it raised.',
    source: 'Azure',
    patterns: [
      /results in exceeding (?:approved [^\n]{1,80}? quota|quota limits? of)|\bResource quota of \S{1,40} exceeded/i,
      /\bcode[\\"'=:\s]{1,8}(?:Resource|Subscription)?QuotaExceeded\b/i,
      /\b[a-z]{2,40}CountLimitReached\b|\bMaxStorageAccountsCountPerSubscriptionExceeded\b/i,
    ],
  },
  {
    reason: 'AzureInsufficientCapacity',
    category: 'capacity',
    actor: 'cloud-provider',
    retry: upTo(3, 900),
    infrastructureMayExist: true,
    remedy:
      'The region or zone has no machines of this size at the moment. Try again later, or choose another zone, region or size.',
    source: 'Azure',
    patterns: [/\b(?:Zonal)?AllocationFailed\b|\bOverconstrained(?:Zonal)?AllocationRequest\b/i],
  },
  {
    reason: 'AzureSkuNotAvailable',
    category: 'capacity',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'This subscription may not use this machine size in this region or zone. Choose another size, or have the restriction lifted.',
    source: 'Azure',
    patterns: [
      /\bSkuNotAvailable\b|\bNotAvailableForSubscription\b|\bLocationNotAvailableForResourceType\b|\bAvailabilityZoneNotSupported\b/i,
      /requested (?:VM )?size [^\n]{0,160}(?:not available|not supported|cannot)|\bOnly \S{1,60} sizes are supported/i,
    ],
  },
  {
    reason: 'AzureInsufficientPermissions',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The service principal lacks rights that are needed. Grant it the action that the evidence names.',
    source: 'Azure',
    patterns: [
      /\b(?:Linked)?AuthorizationFailed\b|\bAuthorization_RequestDenied\b/i,
      /does not have authorization to perform action '|\bAuthorizationPermissionMismatch\b|Insufficient privileges to complete the operation/i,
    ],
  },
  {
    reason: 'AzureDeniedByPolicy',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'An Azure policy forbids a resource that an installation makes. Have an exemption made, or change what was asked for.',
    source: 'Azure',
    patterns: [/\bRequestDisallowedBy(?:Policy|Azure)\b|was disallowed by (?:policy|Azure)/i],
  },
  {
    reason: 'AzureScopeLocked',
    category: 'conflict',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'A lock stands on something that had to be changed or deleted; the evidence names its scope. Remove the lock, or have the zone or group left unlocked for installations, then do it again.',
    source: 'reports',
    patterns: [/\bScopeLocked\b|because (?:the )?following scope\(s\) are locked/i],
  },
  {
    reason: 'AzureProviderNotRegistered',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The subscription is not registered for a provider or feature that an installation needs; the evidence names it. Register it, and wait until that is done.',
    source: 'Azure',
    patterns: [
      /\b(?:MissingSubscriptionRegistration|SubscriptionNotRegistered(?:ForFeature)?|FeatureNotRegistered)\b|is not registered to use namespace/i,
    ],
  },
  {
    reason: 'AzureSubscriptionDisabled',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The subscription is disabled and may only be read. Put it in order with Azure before anything is tried again.',
    source: 'Azure',
    patterns: [
      /\b(?:ReadOnlyDisabledSubscription|SubscriptionDisabled|DisabledSubscription)\b|subscription \S{1,80} is disabled/i,
    ],
  },
  {
    reason: 'AzureImageCopyTimeout',
    category: 'cloud-flake',
    actor: 'cloud-provider',
    retry: upTo(3, 600),
    infrastructureMayExist: true,
    remedy:
      'Azure copied the image of the machines too slowly and it was not there in time. Another attempt usually succeeds; later versions copy nothing.',
    source: 'reports',
    patterns: [
      /Copying the VHD to user environment was too slow|Error copy\/waiting|\bcopying blob[^\n]{0,300}(?:timeout|deadline|timed out)|\bCopyStatus[^\n]{0,100}(?:pending|aborted|failed)/i,
      /creating Blob "[^"\n]{0,60}\.vhd"[^\n]{0,600}(?:timeout|deadline exceeded|timed out|cancelled)|(?:create page blob|create blob|upload vhd|upload image|copy vhd|copy blob)\b[^\n]{0,300}(?:timeout|deadline exceeded)/i,
    ],
    errorsOnly: true,
  },
  {
    reason: 'AzureDNSZoneNotFound',
    category: 'dns',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The resource group that was named has no zone of the base domain. Correct the base domain or its resource group, or have the zone made.',
    source: 'Azure',
    patterns: [
      /Parent resource '[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}' not found|dnszones\/[^'\s]{1,255}'?[^\n]{0,120} (?:was|could) not (?:be )?found/i,
      /no (?:public )?dns ?zones? found|could not find (?:a )?(?:public )?DNS zone/i,
    ],
    errorsOnly: true,
  },
  {
    reason: 'AzureResourceGroupNotFound',
    category: 'input',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      "A resource group that was named does not exist in the subscription, most often the one of the base domain's zone. Correct its name.",
    // A group whose name ends like an infraID is the cluster's own, which Azure sometimes does not show at once.
    source: 'Azure',
    patterns: [/\bResource ?group '(?![^'\n]{0,90}-[a-z0-9]{5}-rg')[^'\n]{1,90}' could not be found/i],
    errorsOnly: true,
  },
  {
    reason: 'AzureAPIRateLimitExceeded',
    category: 'throttling',
    actor: 'platform-team',
    retry: once(900),
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'Azure throttled the requests of this subscription. Try again later, and run fewer operations in the subscription at a time.',
    source: 'Azure',
    patterns: [
      /\b(?:Subscription|Resource|Tenant)RequestsThrottled\b|\bThrottlingLimitExceeded\b/i,
      /\bRESPONSE 429\b|\bStatusCode=429\b|\bStatus=429\b/i,
      /\bcode[\\"'=:\s]{1,8}(?:OperationNotAllowed_)?TooManyRequests\b/i,
    ],
  },
]
