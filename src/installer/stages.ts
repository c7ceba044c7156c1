// How far a create has come, read from what the installer says. Percentages are shares of a typical run.
export const stages = [
  'claimed',
  'cleanup',
  'manifests',
  'ignition-configs',
  'infrastructure',
  'api',
  'bootstrap',
  'bootstrap-destroy',
  'initialize',
  'stability',
  'complete',
  'sweep',
  'reach',
  'scale',
  'nodes',
  'stop-workers',
  'stop-control-plane',
  'instances',
  'wake-api',
  'signing-requests',
  'wake-nodes',
  'settle',
  'operators',
  'destroy',
  'verify',
] as const
export type Stage = (typeof stages)[number]

const marks: { pattern: RegExp; stage: Stage }[] = [
  { pattern: /^Creating infrastructure resources\.\.\./, stage: 'infrastructure' },
  { pattern: /^Waiting up to .* for the Kubernetes API at /, stage: 'api' },
  { pattern: /^Waiting up to .* for bootstrapping to complete/, stage: 'bootstrap' },
  { pattern: /^Destroying the bootstrap resources/, stage: 'bootstrap-destroy' },
  { pattern: /^Waiting up to .* for the cluster at .* to initialize/, stage: 'initialize' },
  { pattern: /^Waiting up to .* to ensure each cluster operator has finished progressing/, stage: 'stability' },
  { pattern: /^Install complete!/, stage: 'complete' },
]

const percentAt: Partial<Record<Stage, number>> = {
  manifests: 1,
  'ignition-configs': 2,
  infrastructure: 4,
  api: 18,
  bootstrap: 30,
  'bootstrap-destroy': 58,
  initialize: 62,
  stability: 95,
  complete: 100,
  sweep: 1,
  reach: 1,
  scale: 10,
  nodes: 20,
  'stop-workers': 10,
  'stop-control-plane': 60,
  instances: 5,
  'wake-api': 20,
  'signing-requests': 35,
  'wake-nodes': 45,
  settle: 70,
  operators: 75,
  destroy: 10,
  verify: 95,
}

export function stageOf(message: string): Stage | undefined {
  return marks.find(({ pattern }) => pattern.test(message))?.stage
}

export const percentOf = (stage: Stage): number => percentAt[stage] ?? 0

/** The share within the initialize stage, from "640 of 901 done (71% complete)". */
export function initializePercent(message: string): number | undefined {
  const done = /\((\d{1,3})% complete\)/.exec(message)?.[1]
  if (done === undefined) return undefined
  const [from, to] = [percentOf('initialize'), percentOf('stability')]
  return Math.floor(from + ((to - from) * Math.min(100, Number(done))) / 100)
}
