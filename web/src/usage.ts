import { api, take, type Schemas } from './api'
import type { operations } from './openapi'

export type UsageQuery = NonNullable<operations['getUsage']['parameters']['query']>

/** As JSON, which is what is answered to whoever does not ask for CSV. */
export const fetchUsage = async (query: UsageQuery): Promise<Schemas['Usage']> =>
  (await take(api.GET('/api/v1/usage', { params: { query } }))) as Schemas['Usage']
