// Whether anybody uses a cluster: OpenShift counts the requests to each kind of object by hour and by user
// (apirequestcounts.apiserver.openshift.io, the last 24 hours). It names no more users of a kind than it is told to; what
// those it does not name have asked, nobody knows.
import { z } from 'zod'
import type { Kubernetes } from './client.ts'
import { OWN_AGENT } from './kubeconfig.ts'

const COUNTS = '/apis/apiserver.openshift.io/v1/apirequestcounts'
/** One may have 24 hours of 3 nodes with 100 users each. */
const PAGE_ITEMS = '10'
const MOST_USERS = 100
const HOUR_MS = 3_600_000
const HOURS = 24

const listOf = <T extends z.ZodType>(item: T) => z.array(item).nullish().transform((all) => all ?? []) // prettier-ignore
const hour = z.object({
  byNode: listOf(
    z.object({
      requestCount: z.number().default(0),
      byUser: listOf(
        z.object({
          username: z.string().default(''),
          userAgent: z.string().default(''),
          requestCount: z.number().default(0),
        }),
      ),
    }),
  ),
})
const counts = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ numberOfUsersToReport: z.number().nullish() }).nullish(),
  status: z.object({ last24h: listOf(hour) }).nullish(),
})
type Hour = z.infer<typeof hour>

/** `at`: a time by which the last known use was over. null: nobody but its own parts has asked. */
export type Use = { at: Date | null } | { unknown: string }

/** Looks back over `hours` whole hours and the present one. Throws ApiNotReached, ApiRefused, ZodError. */
export async function readUse(api: Kubernetes, hours: number, now: Date): Promise<Use> {
  const all = await api.list(COUNTS, (each) => counts.parse(each), { limit: PAGE_ITEMS })
  if (!all || all.length === 0) return { unknown: 'the cluster does not count its requests' }
  let latest: Date | null = null
  const hidden: string[] = []
  for (const { metadata, spec, status } of all) {
    // The hours of a day, from midnight in UTC; an hour's place is taken by the next day's.
    for (let back = hours; back >= 0; back--) {
      const start = Math.floor(now.getTime() / HOUR_MS - back) * HOUR_MS
      const found = status?.last24h[new Date(start).getUTCHours() % HOURS]
      if (!found) continue
      if (isUsed(found)) latest = later(latest, new Date(Math.min(start + HOUR_MS, now.getTime())))
      else if (hasUnnamed(found)) hidden.push(metadata.name)
    }
    if (hidden.at(-1) === metadata.name && (spec?.numberOfUsersToReport ?? 0) < MOST_USERS)
      await api.patch(`${COUNTS}/${metadata.name}`, { spec: { numberOfUsersToReport: MOST_USERS } }, 'merge')
  }
  if (latest) return { at: latest }
  const [first] = hidden
  return first === undefined ? { at: null } : { unknown: `more users asked for ${first} than the cluster names` }
}

const later = (a: Date | null, b: Date) => (a && a > b ? a : b)
const isUsed = ({ byNode }: Hour) =>
  byNode.some(({ byUser }) => byUser.some((user) => user.requestCount > 0 && !isOwn(user)))
const hasUnnamed = ({ byNode }: Hour) =>
  byNode.some(({ requestCount, byUser }) => requestCount > byUser.reduce((sum, user) => sum + user.requestCount, 0))

/** Nodes, controllers, operators, and this service, which comes as the administrator. */
function isOwn({ username, userAgent }: { username: string; userAgent: string }): boolean {
  if (username === 'system:admin') return userAgent.startsWith(OWN_AGENT)
  if (username.startsWith('system:serviceaccount:')) return /^system:serviceaccount:(openshift|openshift-[^:]+|kube-[^:]+):/.test(username) // prettier-ignore
  return username.startsWith('system:')
}
