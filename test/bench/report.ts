// What a bench prints: figures, and ratios with what they are to be.
export type Report = {
  /** Of a second, in rounds; the median counts. */
  rate: (name: string, perSecond: number[]) => void
  ratio: (name: string, value: number, goal?: string) => void
  figure: (name: string, value: number, unit: string) => void
  results: Record<string, number>
}

export function openReport(): Report {
  const results: Record<string, number> = {}
  const line = (name: string, value: number, unit: string, more = '') => {
    results[name] = Math.round(value * 1000) / 1000
    const shown = value.toFixed(Math.abs(value) < 10 ? 2 : 0)
    process.stdout.write(`${name.padEnd(66)} ${shown.padStart(9)} ${unit.padEnd(4)} ${more}\n`)
  }
  return {
    results,
    rate(name, perSecond) {
      const sorted = perSecond.toSorted((a, b) => a - b)
      const spread = `${Math.round(sorted[0] ?? 0)} to ${Math.round(sorted.at(-1) ?? 0)}`
      line(name, sorted[Math.floor(sorted.length / 2)] ?? 0, '/s', spread)
    },
    ratio: (name, value, goal) => line(name, value, 'x', goal === undefined ? '' : `goal ${goal}`),
    figure: (name, value, unit) => line(name, value, unit),
  }
}
