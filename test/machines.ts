// A machine as the doubles of all clouds have it: its state in the words of its cloud, and what becomes of orders.

export type Machine = {
  /** undefined: it runs. */
  state?: string
  /** What lists tell of its state, so many times, although it is another by now. */
  late?: { state: string; times: number }
  /** What becomes of the next so many starts. `no-start`: they are accepted, and nothing happens. */
  start?: { fault: 'no-start' | 'no-capacity'; times: number }
  /** It has been told to start, and there was none for it. */
  lacksCapacity?: true
  /** It is listed still, and not there when it is told to do something. */
  isGone?: true
  /** On Azure: the list of states does not have it yet. */
  isNew?: true
  /** It refuses to be stopped. */
  isProtected?: true
  zone?: string
  machineType?: string
  isSpot?: boolean
  hasLocalDisk?: true
}

/** A list tells the state: of late, the one before. */
export function tellState(machine: Machine, running: string): string {
  const { late } = machine
  if (late === undefined || late.times === 0) return machine.state ?? running
  late.times--
  return late.state
}

/** `lag`: how many lists tell the state before. */
export function setState(machine: Machine, state: string, running: string, lag: number): void {
  if (lag > 0 && state !== (machine.state ?? running)) machine.late = { state: machine.state ?? running, times: lag }
  machine.state = state
  Reflect.deleteProperty(machine, 'lacksCapacity')
}

/** undefined: it starts. Each time that it is asked for counts. */
export function faultOfStart(machine: Machine): 'no-start' | 'no-capacity' | undefined {
  const { start } = machine
  if (start === undefined || start.times <= 0) return undefined
  start.times--
  if (start.fault === 'no-capacity') machine.lacksCapacity = true
  return start.fault
}
