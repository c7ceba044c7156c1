// Which pods on a node may not be evicted, and which disruption budgets forbid it.
import { z } from 'zod'
import type { Kubernetes } from './client.ts'

const strings = z.record(z.string(), z.string()).default({})
const selector = z.object({
  matchLabels: strings,
  matchExpressions: z
    .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).nullish() }))
    .nullish(),
})
const budget = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({ selector: selector.optional() }),
  status: z.object({ disruptionsAllowed: z.number().default(0) }).prefault({}),
})
const pod = z.object({ metadata: z.object({ name: z.string(), namespace: z.string(), labels: strings }) })

export type Blocked = { pod: string; budget: string }

/** Throws ApiNotReached, ApiRefused, ZodError. */
export async function readBlocked(api: Kubernetes, nodes: string[]): Promise<Blocked[]> {
  const budgets = (await api.list('/apis/policy/v1/poddisruptionbudgets', (each) => budget.parse(each))) ?? []
  const spent = budgets.filter(({ status }) => status.disruptionsAllowed <= 0)
  const blocked: Blocked[] = []
  if (spent.length === 0) return blocked
  for (const node of nodes) {
    const here = (await api.list('/api/v1/pods', (each) => pod.parse(each), { fieldSelector: `spec.nodeName=${node}` })) ?? [] // prettier-ignore
    for (const { metadata } of here)
      for (const { metadata: of, spec } of spent)
        if (of.namespace === metadata.namespace && selects(spec.selector, metadata.labels))
          blocked.push({ pod: `${metadata.namespace}/${metadata.name}`, budget: of.name })
  }
  return blocked
}

/** An empty selector selects all, and none selects nothing: as the API of version policy/v1 has it. */
export function selects(of: z.infer<typeof selector> | undefined, labels: Record<string, string>): boolean {
  if (of === undefined) return false
  const fits = ({ key, operator, values }: { key: string; operator: string; values?: string[] | null | undefined }) => {
    const has = Object.hasOwn(labels, key)
    if (operator === 'Exists') return has
    if (operator === 'DoesNotExist') return !has
    const isIn = has && (values ?? []).includes(labels[key] ?? '')
    return operator === 'In' ? isIn : operator === 'NotIn' && !isIn
  }
  return (
    Object.entries(of.matchLabels).every(([key, value]) => labels[key] === value) &&
    (of.matchExpressions ?? []).every(fits)
  )
}
