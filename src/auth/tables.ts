// Who has which role, and the tokens that this service made.
import { sql } from 'drizzle-orm'
import { boolean, check, index, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { at, oneOf } from '../db/columns.ts'
import { roles, principalTypes } from '../vocabulary.ts'

export const rbacMappings = pgTable(
  'rbac_mappings',
  {
    id: text('id').primaryKey(),
    principalType: text('principal_type', { enum: principalTypes }).notNull(),
    principal: text('principal').notNull(),
    team: text('team').notNull(),
    role: text('role', { enum: roles }).notNull(),
    enabled: boolean('enabled').notNull().default(true),
    notes: text('notes'),
    createdBy: text('created_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    check('rbac_mappings_role', oneOf('role', roles)),
    check('rbac_mappings_principal_type', oneOf('principal_type', principalTypes)),
    uniqueIndex('rbac_mappings_binding').on(t.principalType, t.principal, t.team, t.role),
  ],
)

export const apiTokens = pgTable(
  'api_tokens',
  {
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    principalType: text('principal_type', { enum: principalTypes }).notNull(),
    principal: text('principal').notNull(),
    secretHash: text('secret_hash').notNull(),
    prefix: text('prefix').notNull(),
    scopes: text('scopes').array().notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at'),
    revokedAt: at('revoked_at'),
    lastUsedAt: at('last_used_at'),
  },
  (t) => [
    uniqueIndex('api_tokens_secret').on(t.secretHash),
    index('api_tokens_maker').on(t.createdBy, t.id),
    // A token is found by this prefix. Its hash is then compared in constant time.
    index('api_tokens_prefix')
      .on(t.prefix)
      .where(sql`revoked_at is null`),
  ],
)
