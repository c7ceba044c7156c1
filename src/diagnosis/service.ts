// The reasons that the service itself gives, and the words for any reason by its id.
import { catalogue } from './catalog.ts'
import type { ReasonActor } from './entry.ts'

type Explanation = { remedy: string; actor: ReasonActor }

const ours: Record<string, Explanation> = {
  WORKER_LOST: {
    actor: 'platform-team',
    remedy:
      'The worker died or lost the database while it ran this. One lost worker is made good by the next; when it happens each time, read the log for what the job does to its worker, mostly memory.',
  },
  CANCELLED: { actor: 'requester', remedy: 'Somebody asked for it. Nothing needs to be done.' },
  InternalError: {
    actor: 'platform-team',
    remedy: 'Something happened that the service did not foresee. Its log has the whole error under the job.',
  },
  UnsafeMetadata: {
    actor: 'platform-team',
    remedy:
      'The stored metadata is not what the ledger says, or names more than this cluster. Nothing was destroyed. Find out who changed it before anything is destroyed by hand.',
  },
  InfraIdOverlaps: {
    actor: 'requester',
    remedy:
      'The names of another cluster in this cloud contain the infraID of this one, or the other way round, and destroyers go by such names. Take a name in which the other one does not occur; to destroy, destroy the cluster that the message names first.',
  },
  WrongCloudAccount: {
    actor: 'platform-team',
    remedy:
      'The credentials are not of the subscription, project, account or resource group that the profile names. Nothing was made. Correct the profile, or the entry of credentials that it names; `node src/main.ts doctor` says what each entry leads to.',
  },
  NothingToStop: {
    actor: 'platform-team',
    remedy: 'The cloud shows no machine of this cluster. Look whether the credentials lead to its account.',
  },
  LocalDisks: {
    actor: 'requester',
    remedy: 'Machines with local disks lose what is on them when they stop, so such a cluster cannot sleep.',
  },
  InstancesNotListed: {
    actor: 'platform-team',
    remedy: 'The cloud did not tell all machines of the cluster. Correct what the message says; `node src/main.ts doctor` names what is missing.', // prettier-ignore
  },
  PowerRefused: {
    actor: 'platform-team',
    remedy: 'The credentials may not stop or start machines. docs/security.md has what sleeping takes; `node src/main.ts doctor` names what is missing.', // prettier-ignore
  },
  MachinesStillRun: {
    actor: 'platform-team',
    remedy:
      'Machines did not stop in time, so the cluster neither sleeps nor works. Put it to sleep again, or wake it.',
  },
  MachinesDoNotStart: {
    actor: 'platform-team',
    remedy: 'Machines did not start in time. Look at them in the console of the cloud; then wake the cluster again.',
  },
  NoCapacity: {
    actor: 'cloud-provider',
    remedy:
      'The cloud has no such machine free in that zone just now. Wake the cluster again later; if only workers are lacking, wake it with `replaceWorkers`, and new ones are made in another zone.', // prettier-ignore
  },
  NoOtherZone: {
    actor: 'cloud-provider',
    remedy: 'The cloud has no room for the workers, and no machine set of another zone could take their place. Wake the cluster again later.', // prettier-ignore
  },
  NodesNotReady: {
    actor: 'requester',
    remedy: 'Machines run, and their nodes did not become ready. The log names signing requests that were not approved, and why. Wake the cluster again, or look at the nodes.', // prettier-ignore
  },
  OperatorsNotSettled: {
    actor: 'requester',
    remedy: 'The cluster can be used, and operators are not as they should be after a start. Look at those that the message names; wake it again to have them looked at once more.', // prettier-ignore
  },
  NoMachineSets: {
    actor: 'requester',
    remedy: 'The workers of this cluster are no machine sets, so their number cannot be changed from here.',
  },
  Autoscaled: {
    actor: 'requester',
    remedy:
      'An autoscaler in the cluster moves the size of its machine sets. Change the bounds of that MachineAutoscaler, or delete it and ask again.',
  },
  ApiNotReached: {
    actor: 'requester',
    remedy:
      "The cluster's own API did not answer, or the kubeconfig of its installation is not valid any more. See whether the cluster works; then ask again.",
  },
  ApiRefused: {
    actor: 'requester',
    remedy:
      "The cluster's own API refused what was asked, as the message says. Somebody may have taken rights from system:admin, or an admission webhook may be in the way.",
  },
  KubeconfigRefused: {
    actor: 'platform-team',
    remedy:
      'The kubeconfig would run a program, or lead elsewhere than to the cluster, so it is not used. Nothing was changed.',
  },
  NoKubeconfig: {
    actor: 'platform-team',
    remedy: 'The kubeconfig of the installation is not there any more, so the cluster cannot be reached from inside.',
  },
  MachineFailed: {
    actor: 'platform-team',
    remedy:
      'The cloud did not make a machine; the message has its words, mostly a quota or no capacity in the zone. Correct that, delete the failed machine in the cluster, and ask again.',
  },
  DrainBlocked: {
    actor: 'requester',
    remedy:
      'A disruption budget forbids to evict the pods that the message names, so their node cannot be emptied. Start more copies of them elsewhere or change the budget; then ask again.',
  },
  ScaleDeadlineExceeded: {
    actor: 'requester',
    remedy:
      'Machines or nodes did not follow in time; the message names them. They may follow later. Look at them in the cluster, and ask again.',
  },
  DestroyDeadlineExceeded: {
    actor: 'platform-team',
    remedy:
      'The destroy did not end in time; it is tried again by itself. Look at what is left: something may hold it that the installer does not know.',
  },
  DestroyStandsStill: {
    actor: 'platform-team',
    remedy:
      'The destroy no longer takes anything away; it is tried again by itself. Look at what is left: something that is not of the cluster may use it.',
  },
  ResourcesLeft: {
    actor: 'platform-team',
    remedy:
      'The installer said that all is gone, and the inventory says that it is not. It is tried again by itself. When it stays, look at what the message names and at what holds it; a DNS record may be of a neighbour, so find out whose it is first.',
  },
  InventoryNotVerified: {
    actor: 'platform-team',
    remedy:
      'What still exists could not be asked of this cloud, so the cluster cannot be called destroyed. Correct what the message says, or look by hand and abandon the cluster with what you found as the reason.',
  },
}

/** Who has to act, and what to do, for the reason of an attempt. Returns undefined for an unknown reason. */
export function explainReason(reason: string | null): Explanation | undefined {
  if (reason === null) return undefined
  const known = ours[reason] ?? catalogue.find((entry) => entry.reason === reason)
  return known && { remedy: known.remedy, actor: known.actor }
}
