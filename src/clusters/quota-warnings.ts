// Telling a team, once a month, that what it has spent and promised comes near its limit.
import { ne, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { writeNotice } from '../notices/notices.ts'
import { quotaNotices } from '../notices/tables.ts'
import { cents } from '../policy/spend.ts'
import { NEAR_LIMIT } from '../usage/forecast.ts'
import { readSpend } from './quota.ts'
import { clusters } from './tables.ts'

/** Returns how many teams were told. */
export async function warnOfQuotas({ db, catalog }: Pick<App, 'db' | 'catalog'>): Promise<number> {
  // Only what lives adds to a team's spend.
  const teams = await db.selectDistinct({ team: clusters.team }).from(clusters).where(ne(clusters.status, 'DESTROYED'))
  let told = 0
  for (const { team } of teams) {
    const limit = catalog.quotaOf(team).usdPerMonth
    if (limit === undefined) continue
    const usd = await readSpend(db, team)
    if (usd < limit * NEAR_LIMIT) continue
    told += await db.transaction(async (tx) => {
      const month = sql<string>`to_char(now() at time zone 'utc', 'YYYY-MM')`
      const [row] = await tx.insert(quotaNotices).values({ team, month }).onConflictDoNothing().returning()
      if (!row) return 0
      writeNotice(tx, {
        type: 'quota.near',
        team,
        data: { month: row.month, usd: cents(usd), limit, percent: Math.round((usd / limit) * 100) },
        mailedTo: 'admins',
      })
      return 1
    })
  }
  return told
}
