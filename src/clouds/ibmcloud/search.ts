// The index over all services and regions of an account. It is behind by minutes, so it only adds what nobody else lists.
import { z } from 'zod'
import type { Session } from './session.ts'

const foundShape = z.object({
  crn: z.string(),
  name: z.string(),
  type: z.string().optional(),
  region: z.string().optional(),
  tags: z.array(z.string()).nullish(),
})
export type Indexed = z.infer<typeof foundShape>

/** `clause`: in the query language of Lucene. */
export function searchIndex({ list, endpoints }: Session, clause: string): Promise<Indexed[]> {
  return list({
    role: 'Viewer of each service',
    url: `${endpoints.search}/v3/resources/search`,
    params: { limit: '1000' },
    body: { query: clause, fields: ['crn', 'name', 'type', 'region', 'tags'] },
    shape: z.object({ items: z.array(foundShape), search_cursor: z.string().optional() }),
    items: ({ items }) => items,
    // Only an empty page is the last one.
    more: ({ items, search_cursor }) =>
      items.length > 0 && search_cursor !== undefined ? { search_cursor } : undefined,
  })
}

/** In quotes nothing has a meaning of its own; an asterisk would be one more letter there. */
export const quote = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
