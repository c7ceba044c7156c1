// The cost of a series of samples: each says what the cluster was, and what an hour cost, from an instant on.
export type Sample = { at: string; status: string; usdPerHour: number }
export type Day = { day: string; hours: number; usd: Record<string, number> }

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const TO_COME = 'TO_COME'

/** `end`: what is to come until then is counted too, at the price of now. */
export function costByDay(past: readonly Sample[], now: number, end: number) {
  const last = past.at(-1)
  const at = new Date(now).toISOString()
  const samples = last && last.status !== 'DESTROYED' && end > now ? [...past, { ...last, at, status: TO_COME }] : past
  const days = new Map<string, Day>()
  const total: Record<string, number> = {}
  for (const [index, { at, status, usdPerHour }] of samples.entries()) {
    const next = samples[index + 1]
    const until = next ? Date.parse(next.at) : status === TO_COME ? end : now
    if (status === 'DESTROYED') continue
    for (let from = Date.parse(at); from < until;) {
      const end = Math.min(until, (Math.floor(from / DAY_MS) + 1) * DAY_MS)
      const day = new Date(from).toISOString().slice(0, 10)
      const its = days.get(day) ?? { day, hours: 0, usd: {} }
      const hours = (end - from) / HOUR_MS
      its.hours += hours
      its.usd[status] = (its.usd[status] ?? 0) + hours * usdPerHour
      total[status] = (total[status] ?? 0) + hours * usdPerHour
      days.set(day, its)
      from = end
    }
  }
  return { days: [...days.values()], states: Object.keys(total), total }
}
