import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: [
    './src/clusters/tables.ts',
    './src/clusters/infra-tables.ts',
    './src/jobs/tables.ts',
    './src/audit/tables.ts',
    './src/auth/tables.ts',
    './src/reconcile/table.ts',
    './src/usage/tables.ts',
    './src/workers/table.ts',
    './src/notices/tables.ts',
    './src/operations/tables.ts',
    './src/emptiness/tables.ts',
    './src/gauges/gauges.ts',
    './src/intake/table.ts',
    './src/idempotency.ts',
    './src/installation.ts',
  ],
  out: './drizzle',
  schemaFilter: ['public'],
})
