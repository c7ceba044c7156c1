// Whether the operators of a cluster have done their work.
import { z } from 'zod'
import type { Kubernetes } from './client.ts'

const operator = z.object({
  metadata: z.object({ name: z.string() }),
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), message: z.string().default('') }))
        .nullish()
        .transform((all) => all ?? []),
    })
    .prefault({}),
})

/** Each that is not available, goes on, or is degraded, with why. Throws ApiNotReached, ApiRefused, ZodError. */
export async function readUnsettled(api: Kubernetes): Promise<{ name: string; why: string }[]> {
  const all = (await api.list('/apis/config.openshift.io/v1/clusteroperators', (each) => operator.parse(each))) ?? []
  return all.flatMap(({ metadata: { name }, status: { conditions } }) => {
    const of = (type: string) => conditions.find((each) => each.type === type)
    const wrong = [
      of('Available')?.status === 'True'
        ? undefined
        : `not available: ${of('Available')?.message ?? 'it does not say'}`,
      of('Degraded')?.status === 'True' ? `degraded: ${of('Degraded')?.message}` : undefined,
      of('Progressing')?.status === 'True' ? `progressing: ${of('Progressing')?.message}` : undefined,
    ].filter((each) => each !== undefined)
    return wrong.length > 0 ? [{ name, why: wrong.join('; ').slice(0, 300) }] : []
  })
}
