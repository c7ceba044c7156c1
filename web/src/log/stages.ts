// The stages of an installation, by the installer's own words, and how long each usually takes.
import { useQuery } from '@tanstack/react-query'
import { api, take, type Cluster } from '../api'
import type { Line } from './store'

export type Mark = { stage: string; seq: number; at: string }

const WORDS: [RegExp, string][] = [
  [/^Creating infrastructure resources\.\.\./, 'infrastructure'],
  [/^Waiting up to .* for the Kubernetes API at /, 'api'],
  [/^Waiting up to .* for bootstrapping to complete/, 'bootstrap'],
  [/^Destroying the bootstrap resources/, 'bootstrap-destroy'],
  [/^Waiting up to .* for the cluster at .* to initialize/, 'initialize'],
  [/^Waiting up to .* to ensure each cluster operator has finished progressing/, 'stability'],
  [/^Install complete!/, 'complete'],
]

/** Most lines begin with none of these letters, and there may be a million. */
export const stageIn = (message: string): string | undefined =>
  /^[CDWI]/.test(message) ? WORDS.find(([words]) => words.test(message))?.[1] : undefined

/** From each mark to the next one. The last goes on until `end`. */
export function durationsOf(marks: readonly Mark[], end: number | undefined): Map<string, number> {
  return new Map(
    marks.flatMap(({ stage, at }, index): [string, number][] => {
      const until = marks[index + 1] ? Date.parse(marks[index + 1]?.at ?? '') : end
      return until === undefined || stage === 'complete' ? [] : [[stage, Math.max(0, until - Date.parse(at))]]
    }),
  )
}

const PAGES = 30
const LINES = 1000

/** Of the newest installation of the same profile that went well, which other one than this. */
export function useUsual({ id, profile }: Pick<Cluster, 'id' | 'profile'>) {
  return useQuery({
    queryKey: ['usual stages', profile, id],
    queryFn: async (): Promise<Map<string, number>> => {
      const query = { profile, limit: 10, status: ['READY' as const, 'DESTROYING' as const, 'DESTROYED' as const] }
      const { items } = await take(api.GET('/api/v1/clusters', { params: { query } }))
      const other = items.find((cluster) => cluster.id !== id && cluster.readyAt !== null)
      if (!other) return new Map()
      const params = { path: { id: other.id }, query: { limit: 50 } }
      const jobs = (await take(api.GET('/api/v1/clusters/{id}/jobs', { params }))).items
      const create = jobs.find(({ type, status }) => type === 'CREATE' && status === 'SUCCEEDED')
      return create ? durationsOf(await marksOf(create.id), undefined) : new Map()
    },
    staleTime: Infinity,
    retry: false,
  })
}

async function marksOf(jobId: string): Promise<Mark[]> {
  const marks: Mark[] = []
  for (let after = 0, page = 0; page < PAGES; page++) {
    const params = { path: { id: jobId }, query: { after, limit: LINES } }
    const { items } = (await take(api.GET('/api/v1/jobs/{id}/log', { params }))) as { items: Line[] }
    for (const { seq, at, message } of items) {
      const stage = stageIn(message)
      if (stage !== undefined && marks.at(-1)?.stage !== stage) marks.push({ stage, seq, at })
    }
    if (items.length < LINES) break
    after = items.at(-1)?.seq ?? after
  }
  return marks
}
