// What a reader of the stream of events sees of it: what it wants, of what it may see.
import { teamsOf, type Action } from '../auth/permissions.ts'
import type { Caller } from '../auth/principal.ts'
import type { StreamedNotice } from '../notices/stream.ts'

/** What a reader wants: a noun such as `cluster`, or a whole type. undefined: all. */
export type EventFilter = Readonly<{
  team?: string | undefined
  cluster?: string | undefined
  types?: readonly string[] | undefined
}>

export type EventView = Readonly<{
  /** Views with the same name show the same. */
  name: string
  shows: (notice: StreamedNotice) => boolean
}>

const READS = ['cluster.read', 'job.read', 'finding.read', 'usage.read', 'webhook.read'] as const satisfies Action[]

export function viewOf(by: Caller, filter: EventFilter): EventView {
  const teams = Object.fromEntries(READS.map((action) => [action, teamsOf(by, action)]))
  return {
    name: JSON.stringify([filter, teams]),
    shows(notice) {
      // A test of a webhook is for its receiver alone.
      if (notice.type === 'webhook.test') return false
      const seen = teams[actionOf(notice.type)] ?? []
      return isWanted(filter, notice) && (seen === 'all' || seen.includes(notice.team))
    },
  }
}

function isWanted({ team, cluster, types }: EventFilter, notice: StreamedNotice): boolean {
  const { type } = notice
  return (
    (team === undefined || notice.team === team) &&
    (cluster === undefined || notice.clusterId === cluster) &&
    (types === undefined || types.some((wanted) => type === wanted || type.startsWith(`${wanted}.`)))
  )
}

function actionOf(type: string): (typeof READS)[number] {
  const [noun] = type.split('.')
  if (noun === 'job') return 'job.read'
  if (noun === 'finding') return 'finding.read'
  if (noun === 'quota') return 'usage.read'
  return noun === 'webhook' ? 'webhook.read' : 'cluster.read'
}
