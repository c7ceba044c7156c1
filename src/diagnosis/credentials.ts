// What a worker signs in with: missing, refused, or of a kind that an installation cannot use.
import { never, type Reason } from './entry.ts'

export const credentialReasons: Reason[] = [
  {
    reason: 'MissingCredentials',
    category: 'credentials',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      "The worker has no credentials for this cloud that the installer can use. Give it the cloud's own variables or files; the request itself is fine.",
    source: 'installer',
    patterns: [
      /creating (?:AWS|Azure) session: [^\n]{0,200}\bEOF\b/i,
      /failed to (?:retrieve credentials from user|load credentials): EOF/i,
      /\bNoCredentialProviders\b|no EC2 IMDS role found|static credentials are empty|could not find default credentials|Credentials not found in datasource/i,
      // The credentials of the gcloud tool are found, and then not usable.
      /\bmanagedZones\b[^\n]{0,160}: context canceled/i,
      /Exactly one of ApiKey or RefreshToken must be specified|The ApiKey property is required but was not specified|(?:IC_API_KEY|IBMCLOUD_API_KEY)\b[^\n]{0,80}(?:not set|missing|required|empty)/i,
      /(?:credential|service ?account)[^\n]{0,200}unexpected end of JSON input/i,
    ],
    errorsOnly: true,
  },
  {
    reason: 'AWSCredentialsCannotMint',
    category: 'credentials',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: false,
    remedy:
      "The worker's credentials are of a role and end by themselves, so no credentials for the operators can be made from them. Set credentialsMode: Manual in the profile, or give the worker the key of a user.",
    source: 'installer',
    patterns: [/AWS credentials provided by [^\n]{1,200}? are not valid for \w{1,20} credentials mode/i],
  },
  {
    reason: 'InvalidCredentials',
    category: 'credentials',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The cloud did not accept the credentials: they are wrong, expired or deleted. Replace them before anything is tried again.',
    source: 'Hive',
    patterns: [
      /\b(?:InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|InvalidAccessKeyId|IncompleteSignature|InvalidSignatureException|InvalidIdentityToken)\b/i,
      /\bExpiredToken(?:Exception)?\b|security token included in the request is (?:invalid|expired)|\bRequestExpired\b/i,
      /\bAuthFailure: AWS was not able to validate/i,
      /failed to refresh cached credentials/i,
      /\boauth2: [^\n]{0,400}(?:invalid_(?:grant|client)|unauthorized_client)\b|private key should be a PEM|Error parsing credentials:/i,
      /\binvalid_grant\b[^\n]{0,200}(?:account not found|JWT|invalid_rapt|expired|revoked)/i,
      /\bgoogleapi: (?:Error|got HTTP response code) 401\b|Request had invalid authentication credentials|\bACCESS_TOKEN_(?:EXPIRED|TYPE_UNSUPPORTED)\b/i,
      /\bAADSTS(?!90033\b|90006\b)\d{5,7}\b|\bInvalid ?client ?secret\b/i,
      /\b(?:ExpiredAuthenticationToken|InvalidAuthenticationToken(?:Tenant)?|SubscriptionNotFound|AuthenticationFailed)\b/i,
      /\bBXNIM0(?:415|408|109)E\b|Provided API key (?:could not be found|is invalid)/i,
    ],
  },
]
