// Migrations are history: what was ever applied somewhere is never rewritten, and the schema is what they make.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { expect, it } from 'vitest'
import { findDrift, readNewestSnapshot, readSchema } from './check-migrations.ts'

/** SHA-256 of each, added when it lands and never changed after that. */
const landed: Record<string, string> = {
  '0000_initial.sql': '75c4011defe281d96bdb3726e79c0f5b128619b18a32ff10221485a1a507ab68',
  '0001_audit_append_only.sql': '859ea54b2d74f37beb7c40445f4aaf6f01cc98c9939d2b8c246f281e006ba6ef',
  '0002_profiles_and_quotas.sql': '9184bc6595b2f680be7c08576e2729673b326799a5ddbdd28ad9b64fa2100fa3',
  '0003_audit_seals.sql': 'f5a8c9f039489c068eb2d8247edaba0ee60ee6554671ceee6a00711e450bc762',
  '0004_access.sql': '75f7345b23fd0d2b2ce52477751f7989bdd9822bd75f9cd80db9953fa7f9b69c',
  '0005_audit_time.sql': '4b6ca43922d5166d1553798f954851ba2552e2aa8493eae188f4f9305368cae9',
  '0006_installation_and_later_looks.sql': '81a95036ab1b40c9afbadf8f632a5a3a070e780dc59182138bd8f9009edf3c04',
  '0008_ends_and_usage.sql': 'a765a3b65d07acd61dcb648094f1407f6996bf7b2fff7413c1dcd2c4dc262415',
  '0009_notices.sql': '14d28312d428b0e65ba837a220acba41cf4755b4c05276df7a8294e207e2abf7',
  '0010_stored_logs.sql': 'ff8f100f8b64fe989d2fd933ec1425273633bd6c0a9036bd5c017dd7a1f62022',
  '0011_reports_at_size.sql': 'f4784c1f334b12768f601b86bfd4d5180d385431b1ab089a54385890c4164828',
  '0012_deliveries_by_sequence.sql': 'bb2725a0dd569165929724484f16e199d7679bcbb38ff8d16c15231febeb612d',
  '0013_workers_and_unbegun.sql': '045e08c1cf0f9208e00358f31db3fd03510519463a44ffc4805912c73716982e',
  '0014_notice_positions.sql': 'e6f7e048f18098cb09b34bd77b3489b9692eff313051f95f6695b25f215e967d',
  '0015_stood_before.sql': '23b8363e3c5e6be642daa406d24871246f45d276c7888ff10e493989cd4589ba',
  '0016_operations.sql': 'd4d2d8f3761cda4b4a6c4ae1fdd16f395aef7024e85881dca087aa41f4b912f3',
  '0017_certificates.sql': 'fcba13b46dd11fa965699d801935622b6a1238b52e80ae2c6baa1dd65613d9e1',
  '0018_traces_and_gauges.sql': '47d33f3958880529252ef866ebd82b3e21d12a6bd2d24810cd6362ae7c1eb87b',
  '0019_intake.sql': '8e59b975c229db7afdedc06e8993f4258de652616f6c7ece904647ab7293fa70',
  '0020_finding_resources.sql': 'a1bb3dff45dc11d27a0306c74f7895b5a95ea4a10c2469e0ff246c0d94e44309',
  '0021_sleep.sql': '1f8ad34670a75eef4077efc8a11c4af41a3ececb15f7ac91628396249e7d7a7c',
  '0022_off_hours.sql': '2ec9fc825ce0aaa27ea555f16a7292fc055f7452fb27d01df7ba72f07c0f4ac9',
  '0007_grace_hours.sql': '4d58e835897687f6eb17bd5279c36bc0b60672557fcc49beea46f1dfea734712',
}

it('a migration that has landed is never rewritten', () => {
  const now = Object.fromEntries(
    readdirSync('drizzle')
      .filter((name) => name.endsWith('.sql'))
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(`drizzle/${name}`))
          .digest('hex'),
      ]),
  )
  expect(now, 'a new migration is added to the list here; one that stands in it stays as it was').toEqual(landed)
})

/** What fails under a process of the former version, which still runs when a migration is applied. */
const TAKES_AWAY = [
  /\bdrop (table|column|type|view|schema)\b/i,
  /\bdrop default\b/i,
  /\brename (to|column|constraint)\b/i,
  /\balter column .* (set not null|(set data )?type)\b/i,
  /\badd column (?!.*\bdefault\b).*\bnot null\b/i,
]
/** Nothing had written or read these. */
const NOBODYS = ['DROP TABLE "usage_samples";']

it('a migration only adds; what nothing uses any more goes with a later release', () => {
  const found = Object.keys(landed).flatMap((name) =>
    readFileSync(`drizzle/${name}`, 'utf8')
      .split('--> statement-breakpoint')
      .map((statement) =>
        statement
          .replaceAll(/^--.*$/gm, '')
          .replaceAll(/\s+/g, ' ')
          .trim(),
      )
      .filter((statement) => TAKES_AWAY.some((way) => way.test(statement)) && !NOBODYS.includes(statement)),
  )
  expect(found).toEqual([])
  const wrong = ['ALTER TABLE "a" DROP COLUMN "b";', 'ALTER TABLE "a" ADD COLUMN "b" text NOT NULL;', 'ALTER TABLE "a" ALTER COLUMN "b" SET NOT NULL;'] // prettier-ignore
  expect(wrong.filter((statement) => !TAKES_AWAY.some((way) => way.test(statement)))).toEqual([])
})

it('tells every kind of drift, a renamed column too', async () => {
  const [schema, snapshot] = [await readSchema(), readNewestSnapshot()]
  expect(findDrift(schema, snapshot)).toEqual([])
  const one = (columns: Record<string, ReturnType<typeof text>>) => ({
    ...schema,
    auditUnsealed: pgTable('audit_unsealed', columns),
  })
  expect(findDrift(one({ eventId: text('event_id').primaryKey() }), snapshot)).toEqual([])
  expect(findDrift(one({ eventId: text('event').primaryKey() }), snapshot)).not.toEqual([])
  expect(findDrift(one({ eventId: text('event_id').primaryKey(), more: text('more') }), snapshot)).toEqual([
    '/tables/public.audit_unsealed/columns/more',
  ])
  expect(findDrift({ ...schema, another: pgTable('another', { id: text('id') }) }, snapshot)).toEqual([
    '/tables/public.another',
  ])
  const { auditUnsealed: _, ...fewer } = schema
  expect(findDrift(fewer, snapshot)).toEqual(['/tables/public.audit_unsealed'])
})
