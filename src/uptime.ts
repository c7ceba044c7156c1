// The clock that leases are measured by: how long this machine runs, time asleep included. No step of the wall clock
// moves it, and all processes of a machine share it.
import { uptime } from 'node:os'

/** To a hundredth of a second. */
export const uptimeMs = (): number => uptime() * 1000
