// The gauges that the database knows. Every 15 seconds one process reckons them and writes them down, whichever comes first,
// and each process serves what is written. So a scrape asks nothing, and the fleet asks once.
import { jsonb, pgTable, integer, doublePrecision, check } from 'drizzle-orm/pg-core'
import { sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { at } from '../db/columns.ts'
import type { Db } from '../db/client.ts'
import type { Readings } from '../observability/metrics.ts'
import { uptimeMs } from '../uptime.ts'
import { readGauges } from './readings.ts'

const PERIOD_MS = 15_000
/** A number that nobody has reckoned for so long is worse than none: what is missing can be noticed. */
const STALE_MS = 120_000

/** One row. */
export const gauges = pgTable(
  'gauges',
  {
    id: integer('id').primaryKey(),
    /** When a process took it upon itself to reckon them. */
    claimedAt: at('claimed_at').notNull(),
    /** null: nobody has yet. */
    reckonedAt: at('reckoned_at'),
    seconds: doublePrecision('seconds'),
    readings: jsonb('readings').$type<Readings>(),
  },
  () => [check('gauges_one', sql.raw('id = 1'))],
)

/** Serves them until `stop` is called, and reckons them when it is this process's turn. */
export function startGauges(app: Pick<App, 'db' | 'queue' | 'events' | 'metrics' | 'config' | 'log'>): () => void {
  let freshMs = uptimeMs()
  let looking: Promise<void> | undefined
  let isOver = false
  const serve = async () => {
    const row = await readRow(app.db)
    if (!row || row.ageMs > STALE_MS) return
    freshMs = uptimeMs() - Math.max(0, row.ageMs)
    app.metrics.setGauges({
      ...row.readings,
      ocpctl_gauges_timestamp_seconds: [{ labels: {}, value: row.at }],
      ocpctl_gauges_seconds: [{ labels: {}, value: row.seconds }],
    })
  }
  const look = async () => {
    if (await takeTurn(app.db)) await reckonGauges(app)
    else await serve()
  }
  const quietly = (work: () => Promise<void>) =>
    work()
      .catch((error: unknown) => {
        // What it asks is closed meanwhile.
        if (!isOver) app.log.warn({ err: error }, 'the gauges of the database are not known just now')
      })
      .finally(() => {
        if (uptimeMs() - freshMs > STALE_MS) app.metrics.setGauges({})
      })
  const tick = () => void (looking ??= quietly(look).finally(() => (looking = undefined)))
  const timer = setInterval(tick, PERIOD_MS)
  timer.unref()
  const unhear = app.events.on('gauges', 'all', () => void quietly(serve))
  tick()
  return () => {
    isOver = true
    clearInterval(timer)
    unhear()
  }
}

/** Reckons them now, and tells all processes. */
export async function reckonGauges(app: Pick<App, 'db' | 'queue' | 'events' | 'config'>): Promise<void> {
  const from = performance.now()
  const readings = await readGauges(app)
  await app.db.$client.query({
    name: 'keep gauges',
    text: `insert into gauges (id, claimed_at, reckoned_at, seconds, readings) values (1, now(), now(), $1, $2)
      on conflict (id) do update set reckoned_at = excluded.reckoned_at, seconds = excluded.seconds, readings = excluded.readings`,
    values: [(performance.now() - from) / 1000, JSON.stringify(readings)],
  })
  app.events.tell(['gauges all'])
}

/** A claim that is ahead of the clock was made before the clock was stepped back. */
async function takeTurn({ $client }: Db): Promise<boolean> {
  const { rowCount } = await $client.query({
    name: 'turn of gauges',
    text: `insert into gauges (id, claimed_at) values (1, now()) on conflict (id) do update set claimed_at = now()
      where gauges.claimed_at <= now() - make_interval(secs => $1) or gauges.claimed_at > now() + interval '1 second'`,
    values: [PERIOD_MS / 1000 - 1],
  })
  return rowCount === 1
}

async function readRow({
  $client,
}: Db): Promise<{ at: number; ageMs: number; seconds: number; readings: Readings } | undefined> {
  // prettier-ignore
  const { rows } = await $client.query<{ at: number; ageMs: number; seconds: number; readings: Readings }>({
    name: 'gauges',
    text: `select extract(epoch from reckoned_at)::float8 as at, (extract(epoch from now() - reckoned_at) * 1000)::float8 as "ageMs",
      seconds, readings from gauges where reckoned_at is not null`,
  })
  return rows[0]
}
