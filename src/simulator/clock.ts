import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/** Simulated time. Waits add up until they are worth a real timer, so any speed goes through the same steps. */
export class Clock {
  readonly speed: number
  elapsedSeconds = 0
  #owedMs = 0

  constructor(speed: number) {
    this.speed = speed
  }

  async pass(seconds: number): Promise<void> {
    this.elapsedSeconds += seconds
    this.#owedMs += (seconds * 1000) / this.speed
    if (this.#owedMs < 1) return nextTurn()
    const from = performance.now()
    await sleep(this.#owedMs)
    // A late timer is made good by the next wait; a frozen process does not rush to catch up.
    this.#owedMs = Math.max(this.#owedMs - (performance.now() - from), -20)
  }

  /** For loops without an end: at high speeds a real pause keeps them from spinning. */
  async passAtLeast(seconds: number, realMs: number): Promise<void> {
    await this.pass(Math.max(seconds, (realMs * this.speed) / 1000))
  }

  secondsSince(at: string): number {
    return ((Date.now() - Date.parse(at)) / 1000) * this.speed
  }

  /** As the installer announces a wait: `20m0s (until 4:05PM UTC)`. */
  limit(seconds: number): string {
    const until = new Date(Date.now() + (seconds * 1000) / this.speed)
    const hours = until.getUTCHours()
    const minutes = String(until.getUTCMinutes()).padStart(2, '0')
    return `${duration(seconds)} (until ${hours % 12 || 12}:${minutes}${hours < 12 ? 'AM' : 'PM'} UTC)`
  }
}

/** As Go prints it: `1h2m3s`, `20m0s`, `9s`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor(whole / 60) % 60
  return `${hours > 0 ? `${hours}h` : ''}${whole >= 60 ? `${minutes}m` : ''}${whole % 60}s`
}
