// The worker processes that there are, or were until a short while ago, and what each is able to run.
import { index, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { at } from '../db/columns.ts'
import type { Platform } from '../vocabulary.ts'

export type Alike = {
  leaseSeconds: number
  /** Which cloud is simulated. null: none is. */
  simulatedCloud: string | null
}

export type Abilities = {
  /** A simulation runs any version, on every cloud, in FIPS mode too. */
  simulated: boolean
  /** The versions that there is a program for. */
  versions: string[]
  fips: { hostInFipsMode: boolean; versions: string[] }
  /** The clouds that it has found credentials for. Nobody has tried them. */
  clouds: Platform[]
  /** The entries of credentials that it has; undefined: a worker of an older release, which has none. */
  entries?: { name: string; platform: Platform }[]
  /** Of the program; undefined: a worker of an older release tells none of these. */
  version?: string
  /** How many jobs it runs at once. */
  slots?: number
  /** What all workers of a fleet must have alike. */
  alike?: Alike
  /** Of the profiles that it has read. */
  profilesHash?: string
  /** When the database server that it last met was started. */
  databaseStartedAt?: string
}

export const workers = pgTable(
  'workers',
  {
    id: text('id').primaryKey(),
    /** Host and process, as attempts name it. */
    name: text('name').notNull(),
    abilities: jsonb('abilities').$type<Abilities>().notNull(),
    startedAt: at('started_at').notNull().defaultNow(),
    seenAt: at('seen_at').notNull().defaultNow(),
    /** Since when it is to take no new jobs. */
    drainingAt: at('draining_at'),
    drainedBy: text('drained_by'),
  },
  (t) => [index('workers_seen').on(t.seenAt)],
)
