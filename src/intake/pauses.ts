// Which pauses there are, and which of them keeps a job from beginning. The database's clock says when one is over, since
// the queue goes by the same clock: a job that it hands out at the end of a pause is not handed back.
import type { ClusterRow } from '../clusters/tables.ts'
import type { Reader } from '../db/client.ts'
import type { Warning } from '../policy/decision.ts'
import type { JobType, PausedKind, PauseScope } from '../vocabulary.ts'

export type Pause = {
  id: string
  kind: PausedKind
  scope: PauseScope
  name: string
  reason: string
  endsAt: string
}

/** A list of Pause, as JSON, of those that stand: an expression for a statement that is sent anyway. */
export const PAUSES = `(select coalesce(json_agg(json_build_object('id', id, 'kind', kind, 'scope', scope, 'name', name,
  'reason', reason, 'endsAt', to_char(ends_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))), '[]')
  from intake_pauses where ends_at > now())`

/** The condition on a pause p and a cluster c under which the pause is for the cluster. */
export const IS_FOR = `(p.scope = 'all' or p.name = case p.scope when 'platform' then c.platform when 'profile' then c.profile else c.team end)`

export async function readPauses(db: Reader): Promise<Pause[]> {
  const { rows } = await db.$client.query<{ pauses: Pause[] }>({ name: 'pauses', text: `select ${PAUSES} as pauses` })
  return rows[0]?.pauses ?? []
}

export const kindOf = (type: JobType): PausedKind | undefined =>
  type === 'CREATE' ? 'creates' : type === 'DESTROY' || type === 'JANITOR_DESTROY' ? 'destroys' : undefined

type Place = Pick<ClusterRow, 'platform' | 'profile' | 'team'>

/** Of those that are for the cluster, the one that ends last. */
export function pauseFor(pauses: readonly Pause[], kind: PausedKind, cluster: Place): Pause | undefined {
  const isFor = ({ scope, name }: Pause) => scope === 'all' || cluster[scope] === name
  return pauses
    .filter((pause) => pause.kind === kind && isFor(pause))
    .toSorted((a, b) => (a.endsAt < b.endsAt ? 1 : -1))[0]
}

/** What requesters are told. */
export const toldOf = ({ kind, scope, name, reason, endsAt }: Pause): string =>
  `it waits to begin: ${kind}${scope === 'all' ? '' : ` of ${scope} ${name}`} are paused until ${endsAt}: ${reason}`

export const warningsOf = (pause: Pause | undefined): Warning[] =>
  pause ? [{ pointer: '', detail: toldOf(pause) }] : []
