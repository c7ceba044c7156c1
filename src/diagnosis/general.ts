// What is left to say of an error when no specific entry fits: the cloud was behind, slow, out of reach, or it refused.
// These are asked of error lines only, after every specific cause. Wrong details would be worse than a general answer.
import { never, upTo, type Reason } from './entry.ts'

// The waits of the installer end with the same words as those for a cloud. They have symptoms of their own.
const OF_THE_CLUSTER =
  /:6443\b|Kubernetes API|bootstrap-complete|bootstrapping to complete|failed to initialize the cluster|Cluster operator |proxyconnect|control-plane machines|infrastructure (?:is|was) not ready|^Attempted to gather|pull rate limit|destroy(?:ing)? bootstrap|bootstrap machine|destroy using Terraform/i

export const generalReasons: readonly Reason[] = [
  {
    reason: 'MadeNotYetSeen',
    category: 'cloud-flake',
    actor: 'cloud-provider',
    retry: upTo(3, 180),
    infrastructureMayExist: true,
    remedy:
      'The cloud did not yet show something that had just been made. Another attempt usually succeeds; the evidence names what was missing.',
    source: 'reports',
    unless: OF_THE_CLUSTER,
    patterns: [
      /Invalid IAM Instance Profile|iamInstanceProfile\.(?:name|arn) is invalid|has no internet gateway/i,
      /\bInvalid[A-Za-z]{2,40}\.NotFound\b|\b(?:NatGateway|LoadBalancer|Listener|Gateway)NotFound\b/i,
      /\bNoSuchEntity\b|\bNoSuchBucket\b|Invalid principal in policy|couldn't find resource|\bempty result\b/i,
      /\bservice ?account \S{1,200} does not exist|Identity Pool does not exist|\bresourceNotReady\b/i,
      /googleapi: Error 40[04]: [^\n]{0,600}-[bcdfghjklmnpqrstvwxz2456789]{5}(?:-[^\s']{1,80})?'? (?:was not found|is not ready|does not exist)/i,
      /resource ?group '[^'\n]{0,90}-[a-z0-9]{5}-rg' could not be found/i,
      /\b(?:ResourceNotFound|ParentResourceNotFound|InvalidResourceReference|NotFound)\b[^\n]{0,800}-[bcdfghjklmnpqrstvwxz2456789]{5}-/i,
      /\bPrincipalNotFound\b|does not exist in the directory|\bReferencedResourceNotProvisioned\b/i,
      /not authorized to access the Cloud Object Storage|\b(?:vpc|subnet|security_group|load_balancer|image|instance|public_gateway|floating_ip)_not_found\b/i,
    ],
  },
  {
    reason: 'CloudDidNotAnswer',
    category: 'cloud-flake',
    actor: 'cloud-provider',
    retry: upTo(3, 300),
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The cloud did not answer, or did not finish something, in time. Another attempt usually succeeds; look at the status page of the cloud if it does not.',
    source: 'reports',
    unless: OF_THE_CLUSTER,
    patterns: [
      /timeout while waiting for (?:state|resource)|timed out waiting for (?:operation|the operation)|exceeded max wait time|ResourceNotReady: (?:exceeded wait attempts|failed waiting)/i,
      /TLS handshake timeout|unexpected EOF|connection reset by peer|Client\.Timeout exceeded|server misbehaving|(?:http2|http): server closed|: broken pipe/i,
      /https?:\/\/[\w.-]{1,200}(?:googleapis\.com|azure\.com|windows\.net|microsoftonline\.com|cloud\.ibm\.com|amazonaws\.com|appdomain\.cloud)[^\n]{0,800}(?:i\/o timeout|deadline exceeded|: EOF\b)/i,
      /failed to (?:get|list|fetch|find|query|load|wait|create|delete|update|add|patch|describe|retrieve|remove|upload)\b[^\n]{0,1000}: context deadline exceeded/i,
      /error waiting for [^\n]{0,300}(?:timeout|timed out|deadline exceeded)|WaitForCompletion[^\n]{0,300}(?:cancelled|deadline exceeded)/i,
      /\bgoogleapi: (?:Error|got HTTP response code) 5\d\d\b|\bstatus code[=: ]{1,3}5\d\d\b|\bstatuscode[=: ]{1,3}5\d\d\b|\bstatus=5\d\d\b|\bRESPONSE 5\d\d\b|\bHTTP status(?: code)? 5\d\d\b/i,
      /\b(?:backendError|InternalError|InternalFailure|InternalServerError|Server\.InternalError|InternalExecutionError|NetworkingInternalOperationError|ServiceUnavailable|ServerTimeout|GatewayTimeout|RetryableError|OperationTimedOut|ServerBusy|OSProvisioningTimedOut|VMProvisioningTimeout|ProvisioningTimeout|OSProvisioningInternalError|VMStartTimedOut|VMExtensionProvisioningTimeout)\b/i,
      /\b(?:AnotherOperationInProgress|StorageAccountOperationInProgress|OperationPreempted|OperationAborted|ResourceInUse|AADSTS90033|AADSTS90006)\b/i,
      /internal (?:server )?error(?: has)? (?:occurred|encountered|during|while)|Encountered internal server error|Internal error\. (?:Please )?(?:try again|retry)/i,
      /[\w\]]: Internal error: /i,
      /currently unable to (?:fulfill|process|complete|handle) (?:the|your) request|(?:service|server) is (?:currently |temporarily )?unavailable|please (?:retry|try again) (?:later|in )/i,
      /because its status is '?[A-Z_]{1,20}PENDING|is not in active state|\bupdate_pending\b|did not finish in the allotted time/i,
      /Condition \w{1,60} has status: "?False"?, reason: "?\w{0,60}(?:Started|Creating|Provisioning|Pending|Waiting\w{0,40}|NotReady)\b/i,
    ],
  },
  {
    reason: 'CloudNotReachable',
    category: 'network',
    actor: 'platform-team',
    retry: upTo(2, 300),
    infrastructureMayExist: 'by-exit-code',
    remedy:
      "The worker could not reach the cloud's address. Check its name service, proxy and network, and that the region of the profile exists.",
    source: 'reports',
    unless: OF_THE_CLUSTER,
    patterns: [
      /(?:googleapis\.com|azure\.com|windows\.net|microsoftonline\.com|cloud\.ibm\.com|amazonaws\.com|appdomain\.cloud)[^\n]{0,400}(?:no such host|connection refused|no route to host|network is unreachable|i\/o timeout|certificate signed by unknown authority)/i,
    ],
  },
  {
    reason: 'CloudRefused',
    category: 'unknown',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The cloud refused a request, and would refuse it again. Read the evidence for what it did not like, and correct that first.',
    source: 'ours',
    unless: OF_THE_CLUSTER,
    patterns: [
      /\bgoogleapi: (?:Error|got HTTP response code) 4\d\d\b|\bstatus code[=: ]{1,3}4\d\d\b|\bstatuscode[=: ]{1,3}4\d\d\b|\bstatus=4\d\d\b|\bRESPONSE 4\d\d\b/i,
      /\bERROR CODE: [A-Z]|\bService returned an error\b|reconcile error occurred that cannot be recovered|\bapi error [A-Z][A-Za-z]{3}/i,
      /\bcode[\\"]{1,8}: ?[\\"]{1,8}[A-Za-z_.]{4,60}[\\"][^\n]{0,40}\bmessage\b|\bCode="[A-Za-z]{4,60}" Message=/i,
    ],
  },
]
