// What operators keep from beginning: at most one pause of each kind for each scope.
import { sql } from 'drizzle-orm'
import { check, pgTable, text, unique } from 'drizzle-orm/pg-core'
import { at, oneOf } from '../db/columns.ts'
import { pausedKinds, pauseScopes, type PausedKind, type PauseScope } from '../vocabulary.ts'

export const intakePauses = pgTable(
  'intake_pauses',
  {
    id: text('id').primaryKey(),
    kind: text('kind').$type<PausedKind>().notNull(),
    scope: text('scope').$type<PauseScope>().notNull(),
    /** Of the platform, the profile or the team; empty: for all. */
    name: text('name').notNull(),
    reason: text('reason').notNull(),
    /** It ends then by itself. */
    endsAt: at('ends_at').notNull(),
    requestedBy: text('requested_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    check('intake_pauses_kind', oneOf('kind', pausedKinds)),
    check('intake_pauses_scope', oneOf('scope', pauseScopes)),
    check('intake_pauses_name', sql.raw(`(scope = 'all') = (name = '')`)),
    unique('intake_pauses_of').on(t.kind, t.scope, t.name),
  ],
)
