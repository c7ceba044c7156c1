const cents = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' })
const whole = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 })
const counted = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })

export const usd = (amount: number): string => (Math.abs(amount) >= 10_000 ? whole : cents).format(amount)
export const count = (amount: number): string => counted.format(amount)

export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB']
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, size)) / 3))
  return `${counted.format(size / 1000 ** step)} ${units[step]}`
}
