// Words of notices.
const MINUTE_MS = 60_000

/** In words, such as `2 hours` or `25 minutes`. */
export function spanOf(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / MINUTE_MS))
  const count = (n: number, unit: string) => `${n} ${unit}${n === 1 ? '' : 's'}`
  if (minutes < 90) return count(minutes, 'minute')
  const hours = Math.round(minutes / 60)
  return hours < 48 ? count(hours, 'hour') : count(Math.round(hours / 24), 'day')
}
