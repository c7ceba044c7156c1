// How far the installer was when it gave up, in its own words. This is the answer where no cause is told.
import { never, once, type Reason } from './entry.ts'

const settleOperators =
  'Run `wait-for install-complete` first, the cluster is often only slow; install anew if that fails too.'

export const symptoms: readonly Reason[] = [
  {
    reason: 'InstallerFailedToDestroyResources',
    category: 'destroy',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'The installer could not remove something that it had made; a cluster whose bootstrap machine stayed may work all the same. Destroy the cluster; that can be repeated safely.',
    source: 'Hive',
    patterns: [
      /failed to destroy using Terraform/i,
      /error destroying bootstrap resources|failed during the destroy bootstrap hook|failed to delete bootstrap machine/i,
      /\bfailed to destroy cluster:/i,
    ],
  },
  {
    reason: 'InfrastructureNotReady',
    category: 'cloud-flake',
    actor: 'cloud-provider',
    retry: once(300),
    infrastructureMayExist: true,
    remedy:
      'The network, load balancers and rules of the cluster were not ready in time, and the log does not say why. Look at what the cloud made if another attempt ends the same way.',
    source: 'installer',
    patterns: [/infrastructure (?:is|was) not ready/i],
  },
  {
    reason: 'KubeAPIWaitTimeout',
    category: 'bootstrap',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy:
      'The Kubernetes API never answered. Look at the bootstrap machine in the log bundle if another attempt ends the same way.',
    source: 'Hive',
    patterns: [/(?<!failed )waiting for Kubernetes API: context deadline exceeded/i],
  },
  {
    reason: 'KubeAPIWaitFailed',
    category: 'bootstrap',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy:
      'The bootstrap machine did not bring up the temporary control plane. Check image pulls, DNS and load balancer in the log bundle if another attempt ends the same way.',
    source: 'Hive',
    patterns: [/\bfailed waiting for Kubernetes API\b/i],
  },
  {
    reason: 'BootstrapFailed',
    category: 'bootstrap',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy:
      'The control plane machines never took over from the bootstrap machine. Read the log bundle for their state if another attempt ends the same way.',
    source: 'Hive',
    patterns: [/failed to wait for bootstrapping to complete/i],
  },
  {
    reason: 'GenericBootstrapFailed',
    category: 'bootstrap',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy:
      'Bootstrapping did not end in time. Read the log bundle: machines that did not boot, images that could not be pulled and names that do not resolve are the usual causes.',
    source: 'Hive',
    patterns: [/Bootstrap failed to complete|waiting for bootstrap-complete: /i],
  },
  {
    reason: 'NoWorkerNodesReady',
    category: 'operators',
    actor: 'platform-team',
    retry: once(300),
    infrastructureMayExist: true,
    remedy:
      'No worker joined the cluster, so ingress has nowhere to run. Look for a quota or a lack of capacity that stopped the worker machines.',
    source: 'Hive',
    patterns: [/Got 0 worker nodes, \d+ master nodes[^\n]{0,120}none are schedulable or ready for ingress pods/i],
  },
  {
    reason: 'MonitoringOperatorStillUpdating',
    category: 'operators',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy: `Monitoring did not settle in time. ${settleOperators}`,
    source: 'Hive',
    patterns: [/failed to initialize the cluster: Cluster operator monitoring\b/i],
  },
  {
    reason: 'IngressOperatorDegraded',
    category: 'operators',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy: `Ingress is degraded: its load balancer, its DNS record or its workers are not there. ${settleOperators}`,
    source: 'Hive',
    patterns: [
      /Cluster operator ingress Degraded is True|failed to initialize the cluster: Cluster operator ingress\b/i,
    ],
  },
  {
    reason: 'AuthenticationOperatorDegraded',
    category: 'operators',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy: `Authentication is degraded, most often because its route cannot be reached. ${settleOperators}`,
    source: 'Hive',
    patterns: [
      /Cluster operator authentication Degraded is True|failed to initialize the cluster: Cluster operator authentication\b/i,
    ],
  },
  {
    reason: 'GeneralOperatorDegraded',
    category: 'operators',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy: `A cluster operator is degraded; the evidence names it. ${settleOperators}`,
    source: 'Hive',
    patterns: [
      /Cluster operator \S{1,63} Degraded is True/i,
      /failed to initialize the cluster: Cluster operator \S{1,63} is (?:degraded|reporting a failure|not available)/i,
    ],
  },
  {
    reason: 'GeneralClusterOperatorsStillUpdating',
    category: 'operators',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy: `Some cluster operators did not settle in time. ${settleOperators}`,
    source: 'Hive',
    patterns: [
      /failed to initialize the cluster\b/i,
      /These cluster operators were not stable:|Error checking cluster operator Progressing status/i,
    ],
  },
  {
    reason: 'InvalidInstallConfig',
    category: 'input',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: false,
    remedy:
      'The installer refused install-config.yaml; the evidence names the field. Correct the profile or the request.',
    source: 'Hive',
    unless: /first occurrence of unknown field/i,
    patterns: [
      /invalid "?install-config\.yaml"? file|failed to unmarshal install-config\.yaml/i,
      /(?:failed to create install config|failed to load asset "?Install Config|Platform Provisioning Check)[^\n]{0,2000}?: (?:(?:Invalid|Required|Unsupported|Duplicate) value|Forbidden|Not found|Too (?:many|long))\b/i,
    ],
  },
  {
    reason: 'FallbackQuotaExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A quota is used up; the evidence names it. Free what is not needed, or ask the cloud provider for more, before trying again.',
    source: 'Hive',
    patterns: [/\bquota (?:['"]?[a-z0-9_]{2,60}['"]? )?exceeded|\bquota_?exceeded\b/i, /\(MissingQuota\)/i],
  },
  {
    reason: 'FallbackResourceLimitExceeded',
    category: 'quota',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'A limit of the account is reached; the evidence names it. Free what is not needed, or have the limit raised, before trying again.',
    source: 'Hive',
    patterns: [/(?<!rate)LimitExceeded(?:Exception)?\b/i],
  },
  {
    reason: 'FallbackInvalidInstallConfig',
    category: 'input',
    actor: 'requester',
    retry: never,
    infrastructureMayExist: false,
    remedy: 'The installer could not make use of install-config.yaml. The evidence says why; correct what it names.',
    source: 'Hive',
    patterns: [/failed to load asset "?Install Config"?|failed to create install config/i],
  },
  {
    reason: 'FallbackInstancesFailedToBecomeReady',
    category: 'cloud-flake',
    actor: 'cloud-provider',
    retry: once(300),
    infrastructureMayExist: true,
    remedy:
      'Machines were asked for and did not come up, and the log does not say why. Look at their events in the cloud if another attempt ends the same way.',
    source: 'Hive',
    patterns: [
      /waiting for (?:EC2 )?instance[^\n]{0,120}to become ready/i,
      /control-plane machines (?:were not provisioned within|are not ready)|failed to provision control-plane machines/i,
    ],
  },
  {
    reason: 'ProvisioningStepFailed',
    category: 'unknown',
    actor: 'platform-team',
    retry: once(120),
    infrastructureMayExist: true,
    remedy:
      'A step of the installer between network and machines failed, for a reason that is not known; the evidence says which. Read it before another attempt ends the same way.',
    source: 'installer',
    patterns: [
      /failed (?:provisioning resources after infrastructure ready|during pre-provisioning|preparing ignition data|during post-machine creation hook)/i,
    ],
  },
  {
    reason: 'InstallerCrashed',
    category: 'worker',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: 'by-exit-code',
    remedy:
      'The installer itself crashed, as it does on input that it did not foresee. Look at what is unusual in the profile, or try another version of the installer.',
    source: 'installer',
    patterns: [/^panic: |\bruntime error: |^fatal error: |\bgoroutine \d+ \[running\]/i],
  },
  {
    reason: 'LogsNotGathered',
    category: 'bootstrap',
    actor: 'platform-team',
    retry: never,
    infrastructureMayExist: true,
    remedy:
      'The logs of the machines could not be gathered: they could not be reached, or did not accept the key. That is not why the installation failed; look for that before it.',
    source: 'installer',
    patterns: [
      /Attempted to gather (?:debug logs|ClusterOperator status) after (?:installation|wait) failure|failed to (?:create SSH client|connect to the bootstrap machine|collect diagnostics)/i,
      /(?:must provide bootstrap host address|at least one control plane host address must be provided|failed to get bootstrap and control plane host addresses)/i,
    ],
  },
]
