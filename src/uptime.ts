// The clock that leases are measured by: how long this machine has been running, including time asleep. A step of the
// wall clock does not move it, and all processes of a machine share it.
import { uptime } from 'node:os'

/** Precise to a hundredth of a second. */
export const uptimeMs = (): number => uptime() * 1000
