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
    patterns: [/\bSkuNotAvailable\b|\bNotAvailableForSubscription\b/i],
  },
  {
    reason: 'AzureInsufficientPermissions',
    category: 'permissions',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The service principal lacks rights that are needed. Grant it the action that the evidence names.',
    patterns: [
      /\b(?:Linked)?AuthorizationFailed\b|\bAuthorization_RequestDenied\b/i,
      /does not have authorization to perform action '/i,
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
    patterns: [/\bRequestDisallowedByPolicy\b/i],
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
    patterns: [
      /\b(?:Subscription|Resource|Tenant)RequestsThrottled\b|\bThrottlingLimitExceeded\b/i,
      /\bRESPONSE 429\b|\bStatus(?:Code)?=429\b/i,
      /\bcode[\\"'=:\s]{1,8}(?:OperationNotAllowed_)?TooManyRequests\b/i,
    ],
  },
]
