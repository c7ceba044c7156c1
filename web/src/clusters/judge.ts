import { api, keyed, Problem, take, type FieldError, type Schemas } from '../api'
import type { operations } from '../openapi'

export type Body = operations['requestCluster']['requestBody']['content']['application/json']
export type Judgement = { preview: Schemas['Preview'] | undefined; errors: FieldError[]; problem: Problem | undefined }

/** What the API says of the wish. A refusal is an answer too. */
export async function judge(body: Body): Promise<Judgement> {
  try {
    const params = { query: { dryRun: 'true' as const }, header: keyed() }
    const preview = (await take(api.POST('/api/v1/clusters', { params, body }))) as Schemas['Preview']
    return { preview, errors: preview.violations, problem: undefined }
  } catch (error) {
    if (!(error instanceof Problem) || error.status === 0 || error.status >= 500 || error.status === 401) throw error
    return { preview: undefined, errors: error.errors, problem: error }
  }
}
