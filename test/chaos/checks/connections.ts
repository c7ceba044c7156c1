// What a process holds of the database for ever.
import type { Evidence } from '../evidence.ts'
import { at } from './words.ts'

/** A process listens by one connection; each more was opened in an outage and forgotten. */
export function leakedConnections({ eventConnections }: Evidence): string[] {
  return [...Map.groupBy(eventConnections, (each) => each.process)].flatMap(([process, samples]) => {
    const first = samples.find((each) => each.lasting > 1)
    const most = Math.max(...samples.map((each) => each.lasting))
    return first ? [`${process} held ${most} event connections, the second since ${at(first.at)}`] : []
  })
}
