// The releases whose installers are known here. A version outside of them is read as the nearest.

export const OLDEST = 18
const NEWEST = 20
export const knownMinors = Array.from({ length: NEWEST - OLDEST + 1 }, (_, index) => OLDEST + index)

/** The 20 of 4.20.3 or 4.20.x, as far as it is known here. */
export function minorOf(version: string): number {
  const minor = Number(/^4\.(\d+)/.exec(version)?.[1] ?? NEWEST)
  return Math.min(NEWEST, Math.max(OLDEST, minor))
}

export function tellReleases(minors: readonly number[]): string {
  const [first, last] = [minors[0], minors.at(-1)]
  if (minors.length <= 2) return minors.map((minor) => `4.${minor}`).join(' and ')
  return `4.${first} to 4.${last}`
}
