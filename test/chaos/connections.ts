// How many event connections each process holds, asked of the server; the proxies know whose a connection is.
import type { Member } from './fleet.ts'
import type { Rows } from './postgres.ts'
import { keepLooking } from './watch.ts'

export type EventConnections = {
  at: number
  process: string
  /** Those that have stood for a while. */
  lasting: number
}

const LOOK_MS = 2000
/** An old connection may end a moment after the next has begun. */
const LASTING_MS = 6000

export function watchConnections(members: Member[], rows: Rows): { seen: EventConnections[]; stop: () => void } {
  const seen: EventConnections[] = []
  const firstSeen = new Map<number, number>()

  const look = async () => {
    const open = await rows<{ port: number }>(
      `select client_port as port from pg_stat_activity where application_name = 'ocpctl-events'`,
    )
    const now = Date.now()
    const ports = new Set(open.map((row) => row.port))
    for (const port of firstSeen.keys()) if (!ports.has(port)) firstSeen.delete(port)
    for (const member of members) {
      const own = [...ports].filter((port) => member.proxy.carries(port))
      for (const port of own)
        // One that is cut off or stands still cannot close anything.
        if (member.trouble !== undefined || !firstSeen.has(port)) firstSeen.set(port, now)
      const lasting = own.filter((port) => now - (firstSeen.get(port) ?? now) >= LASTING_MS).length
      if (lasting > 0) seen.push({ at: now, process: member.label, lasting })
    }
  }
  return { seen, stop: keepLooking(look, LOOK_MS) }
}
