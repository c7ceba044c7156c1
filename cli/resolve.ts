// People name a cluster by its name; the API knows ids.
import { v1, type Api } from './api.ts'
import { Failure } from './failure.ts'

type Named = { id: string; name: string; status: string; baseDomain: string }

/** The id of the one cluster of that name that is not destroyed, or else of the one that was destroyed last. */
export async function findCluster(api: Api, idOrName: string): Promise<string> {
  if (idOrName.startsWith('clu_')) return idOrName
  const [name = '', ...domain] = idOrName.split('.')
  const found: Named[] = []
  let cursor: string | null = null
  do {
    const page: { items: Named[]; nextCursor: string | null } = await api.json('GET', `${v1}/clusters`, {
      query: { q: name, limit: '200', ...(cursor === null ? {} : { cursor }) },
    })
    found.push(
      ...page.items.filter(
        (each) => each.name === name && (domain.length === 0 || each.baseDomain === domain.join('.')),
      ),
    )
    cursor = page.nextCursor
  } while (cursor !== null && found.every(isGone))
  const live = found.filter((each) => !isGone(each))
  if (live.length > 1)
    throw new Failure(
      'usage',
      `several clusters are called "${name}": say ${live.map((each) => `${each.name}.${each.baseDomain} (${each.id})`).join(' or ')}`,
    )
  const [only] = live.length === 1 ? live : found
  if (!only)
    throw new Failure(
      'notAllowed',
      `there is no cluster "${idOrName}" that you may see: \`ocpctl ls --all\` lists yours`,
    )
  return only.id
}

const isGone = ({ status }: Named) => status === 'DESTROYED'

/** A job's id, or the newest job of a cluster. */
export async function findJob(api: Api, idOrName: string): Promise<string> {
  if (idOrName.startsWith('job_')) return idOrName
  const cluster = await findCluster(api, idOrName)
  const { items } = await api.json('GET', `${v1}/clusters/${cluster}/jobs`, { query: { limit: '1' } })
  const id: string | undefined = items[0]?.id
  if (id === undefined) throw new Failure('notAllowed', `the cluster ${idOrName} has no job`)
  return id
}
