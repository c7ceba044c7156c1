// Why an installation or a removal fails, as data: what it is, who acts, whether and when another attempt is worth it.
// The first entry that matches wins, so a list goes from the specific to the general. A code that a cloud prints is
// preferred to a sentence of the installer, which changes with every generation.
import { awsLimitReasons } from './aws-limits.ts'
import { awsReasons } from './aws.ts'
import { azureReasons } from './azure.ts'
import { never, once, type Reason } from './entry.ts'
import { gcpReasons } from './gcp.ts'
import { ibmcloudReasons } from './ibmcloud.ts'
import { symptoms } from './symptoms.ts'

const invalidCredentials: Reason = {
  reason: 'InvalidCredentials',
  category: 'credentials',
  actor: 'platform-team',
  retry: never,
  infrastructureMayExist: 'by-exit-code',
  remedy:
    'The cloud did not accept the credentials: they are wrong, expired or deleted. Replace them before anything is tried again.',
  patterns: [
    /\b(?:InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|InvalidAccessKeyId)\b/i,
    /\bExpiredToken(?:Exception)?\b|security token included in the request is (?:invalid|expired)/i,
    /\bAuthFailure: AWS was not able to validate/i,
    /\bNoCredentialProviders\b|failed to refresh cached credentials/i,
    /\boauth2: [^\n]{0,200}invalid_(?:grant|client)\b|could not find default credentials|private key should be a PEM/i,
    /\bAADSTS(?:7000215|7000222|700016|700024|700027|700082|70043|90002)\b|\bInvalid ?client ?secret\b/i,
    /\b(?:ExpiredAuthenticationToken|InvalidAuthenticationToken(?:Tenant)?)\b/i,
    /\bBXNIM0415E\b|Provided API key (?:could not be found|is invalid)|Exactly one of ApiKey or RefreshToken must be specified/i,
  ],
}

const otherCauses: Reason[] = [
  {
    reason: 'DNSAlreadyExists',
    category: 'dns',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A DNS record of this cluster name exists already: another cluster uses the name, or one that is gone left it behind. Find out which before anything is deleted; choose another name meanwhile.',
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
    reason: 'LibvirtSSHKeyPermissionDenied',
    category: 'credentials',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The hypervisor refused the SSH key. Check the key, its passphrase and the account on the host.',
    patterns: [/libvirt[^\n]{0,300}(?:Permission denied|publickey)/i],
  },
  {
    reason: 'LibvirtConnectionFailed',
    category: 'network',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy: 'The hypervisor could not be reached. Check its address, its libvirt daemon and the network between.',
    patterns: [/could not connect to libvirt|failed to (?:connect to|dial) libvirt|\bvirError\(Code=38\b/i],
  },
  {
    reason: 'ProxyInvalidCABundle',
    category: 'network',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      "The proxy's certificate is signed by an authority that the cluster does not trust. Add that authority to additionalTrustBundle.",
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
    patterns: [/failed to create a network client: Authentication failed/i],
  },
  {
    reason: 'InstallConfigNetworkBadCACert',
    category: 'input',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: false,
    remedy: 'The CA file that clouds.yaml names is missing or is no certificate. Correct the path or the file.',
    patterns: [/failed to create a network client: Error parsing CA Cert/i],
  },
]

/** What went wrong. Any of these is a better answer than a symptom, wherever in the failed stage it appears. */
export const causes: readonly Reason[] = [
  ...awsLimitReasons,
  ...awsReasons,
  ...gcpReasons,
  ...azureReasons,
  ...ibmcloudReasons,
  invalidCredentials,
  ...otherCauses,
]

/** A run that ended well is no failure. A caller that asks all the same gets this answer. */
export const noFailure: Reason = {
  reason: 'None',
  category: 'none',
  actor: 'requester',
  retry: never,
  infrastructureMayExist: 'by-exit-code',
  remedy: 'The run ended well; there is nothing to repair.',
  patterns: [],
}

export const deadlineExceeded: Reason = {
  reason: 'AttemptDeadlineExceeded',
  category: 'deadline',
  actor: 'platform-team',
  retry: once(300),
  infrastructureMayExist: true,
  remedy:
    'The installer was stopped from outside before it had ended, normally because its time was up. The last lines say what it waited for.',
  patterns: [],
}

export const unknownError: Reason = {
  reason: 'UnknownError',
  category: 'unknown',
  actor: 'platform-team',
  retry: once(60),
  infrastructureMayExist: 'by-exit-code',
  remedy:
    'Nothing known fits this log. Read the evidence; its fingerprint finds other attempts that ended the same way.',
  patterns: [],
}

export const catalogue: readonly Reason[] = [...causes, ...symptoms, deadlineExceeded, unknownError, noFailure]
