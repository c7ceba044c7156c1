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
