// What the adversary can do, how often it does each, and what is noted of it.
import type { CloudDoubles } from '../doubles/server.ts'
import type { S3Server } from '../s3-server.ts'
import type { Fleet, Member, Role } from './fleet.ts'
import type { Run } from './journal.ts'
import type { Loss } from './marks.ts'
import type { Database, Postgres } from './postgres.ts'
import type { Random } from './random.ts'

export const weights = {
  'kill-worker': 10,
  'kill-api': 7,
  'freeze-worker': 6,
  'pause-worker': 5,
  'step-worker-clock': 3,
  'drain-worker': 5,
  'cut-worker': 6,
  'cut-api': 5,
  'black-hole-worker': 6,
  'black-hole-api': 4,
  'restart-postgres-fast': 2,
  'restart-postgres-immediate': 2,
  'outage-postgres': 2,
  'lose-commits': 2,
  'step-db-clock': 4,
  'store-fails': 7,
  'clouds-fail': 5,
  'delete-work': 8,
  'corrupt-snapshot': 10,
  'kill-installer': 16,
  'kill-lease-runner': 6,
} as const
export type FaultKind = keyof typeof weights
const kinds = Object.keys(weights) as FaultKind[] // its own keys

export const isFaultKind = (name: string): name is FaultKind => Object.hasOwn(weights, name)

/** What takes long to come to its end, or to be found and put right. */
export const slowKinds: FaultKind[] = ['pause-worker', 'outage-postgres', 'lose-commits']

/** What needs clocks that can be stepped. */
export const clockFaults: FaultKind[] = ['step-db-clock', 'step-worker-clock']

export const weightsOf = (only: FaultKind[] = kinds, without: FaultKind[] = []): Partial<Record<FaultKind, number>> =>
  Object.fromEntries(only.filter((kind) => !without.includes(kind)).map((kind) => [kind, weights[kind]]))

export type Fault = {
  kind: FaultKind
  /** Milliseconds since the epoch. */
  at: number
  target: string
  pid?: number
  /** How long it is meant to last. */
  lastsMs?: number
  /** When it was over. */
  healedAt?: number
  loss?: Loss
  /** How far the clock of its target is off after it, from the true time. */
  stepMs?: number
}

export type Ground = {
  fleet: Fleet
  postgres: Postgres
  database: Database
  store: S3Server
  doubles: CloudDoubles
  /** Where in the store its objects are. */
  home: string
  journalFile: string
  /** Somebody gives up a cluster and has it destroyed. */
  giveUp: (cluster: string) => void
  leaseMs: number
}

/** What a fault is made with. */
export type Hand = Ground & {
  random: Random
  note: (fault: Omit<Fault, 'at'>) => Fault
  /** Heals later, or at once when the adversary stops. */
  healAfter: (ms: number, heal: () => void | Promise<void>) => void
  /** Somebody who is well and has been for a while; undefined when nobody may be hurt now. */
  victim: (role: Role, among?: (member: Member) => boolean) => Member | undefined
  /** Installers that showed a sign of life just now. */
  livingRuns: () => Promise<Run[]>
}

/** False when it is not possible just now. */
export type Act = () => boolean | Promise<boolean>
