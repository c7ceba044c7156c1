// A fault file is a YAML list of rules; the first rule that matches a stage wins. Without `attempt` a rule matches every time.
//
//   - cluster: demo-*            # name or glob, default *
//     command: create cluster    # default; or destroy cluster, wait-for install-complete, create manifests, …
//     attempt: [1, 2]            # n-th start of the command for this cluster name, counted from the journal
//     stage: machines            # create: validate network machines api bootstrap bootstrap-destroy initialize stability
//                                # destroy: instances network dns
//     action: fail               # nothing of the stage happens; exitCode, log (text logged before the fatal line)
//     action: half-create        # every second resource of network, machines or initialize, then fail; exitCode, log
//     action: hang               # for ever, in the middle of the stage
//     action: crash              # SIGKILL in the middle of the stage; or exitCode: 2, a Go panic
//     action: throttle           # the stage takes `factor` times as long and logs rate limits
//     action: no-credentials     # stage validate: the program finds no credentials of the cloud, exit 3
//     action: loop               # destroy only, no stage: goes on for ever over nothing, once all is gone
//     action: leave              # destroy only, no stage: resources of `type` cannot be deleted (in the first `times` runs)
//     action: leave-known        # create cluster only, no stage: the cluster has, beside all else, what the destroyer of its
//                                # platform is known to leave, and what finds its public records is lost to the destroyer
//     action: no-start           # create cluster only, no stage: once stopped, the first `times` starts (default: all) of the
//                                # machines whose role matches the glob `machine` (default *, such as master-0) do nothing
//     action: no-capacity        # the same, but these starts are refused, since the cloud has no such machine
//     action: autoscale          # create cluster only, no stage, as the next three: within the cluster, an autoscaler moves the machine
//                                # sets whose name matches the glob `machine`
//     action: block-drain        # a disruption budget keeps nodes of matching machines from being emptied
//     action: no-machine         # what matching machine sets make from then on fails
//     action: stay-degraded      # once it has slept, its operators stay degraded
//     ignoreSigint: true         # SIGINT and SIGTERM do nothing from this stage on; without action and stage: from the start
//
// All matching `leave` rules hold together.
import fs from 'node:fs'
import { misconfigured } from './failure.ts'
import type { InsideFault } from './cloud.ts'
import type { StartFault } from './resources.ts'

const createStages = [
  'validate',
  'network',
  'machines',
  'api',
  'bootstrap',
  'bootstrap-destroy',
  'initialize',
  'stability',
] as const
export const destroyStages = ['instances', 'network', 'dns'] as const
export type Stage = (typeof createStages)[number] | (typeof destroyStages)[number]

const stagesOf: Record<string, readonly Stage[]> = {
  'create install-config': ['validate'],
  'create manifests': ['validate'],
  'create ignition-configs': ['validate'],
  'create single-node-ignition-config': ['validate'],
  'create cluster': createStages,
  'wait-for bootstrap-complete': ['api', 'bootstrap'],
  'wait-for install-complete': ['initialize', 'stability'],
  'destroy cluster': destroyStages,
}

const actions = [
  'fail',
  'half-create',
  'hang',
  'crash',
  'throttle',
  'leave',
  'leave-known',
  'no-credentials',
  'loop',
  'no-start',
  'no-capacity',
  'autoscale',
  'block-drain',
  'no-machine',
  'stay-degraded',
] as const

interface Rule {
  cluster: string
  command: string
  attempts: number[] | undefined
  stage: Stage | undefined
  action: (typeof actions)[number] | undefined
  exitCode: number | undefined
  log: string | undefined
  factor: number
  type: string
  machine: string
  times: number
  ignoreSigint: boolean
}

export type Fault = Pick<Rule, 'action' | 'exitCode' | 'log' | 'factor' | 'ignoreSigint'>

export interface Faults {
  ignoreSigint: boolean
  at(stage: Stage): Fault | undefined
  /** Whether a destroy goes on for ever although nothing is left. */
  neverEnds: boolean
  /** Types of resources that this run cannot delete. */
  undeletable: Set<string>
  /** Whether what this run makes outlives a destroy where the platform's destroyer is known to leave it. */
  leavesKnown: boolean
  /** What becomes of the first starts of a machine with this role. */
  startFaultOf: (role: string) => StartFault | undefined
  /** What becomes of the cluster by itself. */
  inside: InsideFault[]
}

export async function readFaults(
  file: string,
  command: string,
  cluster: string,
  attempt: () => number,
): Promise<Faults> {
  const rules = await readRules(file)
  const matching = rules.filter(
    (rule) =>
      rule.command === command && globMatches(rule.cluster, cluster) && (rule.attempts?.includes(attempt()) ?? true),
  )
  const left = matching.filter((rule) => rule.action === 'leave' && attempt() <= rule.times)
  return {
    ignoreSigint: matching.some((rule) => rule.ignoreSigint && rule.stage === undefined),
    neverEnds: matching.some((rule) => rule.action === 'loop'),
    at: (stage) => matching.find((rule) => rule.stage === stage),
    undeletable: new Set(left.map((rule) => rule.type)),
    leavesKnown: matching.some((rule) => rule.action === 'leave-known'),
    startFaultOf(role) {
      const rule = matching.find(({ action, machine }) => isOfStarts(action) && globMatches(machine, role))
      // JSON has no infinity.
      return rule && { fault: rule.action as StartFault['fault'], times: Math.min(rule.times, Number.MAX_SAFE_INTEGER) } // as isOfStarts says
    },
    inside: matching
      .filter(({ action }) => isInside(action))
      .map(({ action, machine }) => ({ fault: action as InsideFault['fault'], machine })), // as isInside says
  }
}

const insideFaults: readonly Rule['action'][] = ['autoscale', 'block-drain', 'no-machine', 'stay-degraded']
const isInside = (action: Rule['action']) => insideFaults.includes(action)
const isOfStarts = (action: Rule['action']) => action === 'no-start' || action === 'no-capacity'

async function readRules(file: string): Promise<Rule[]> {
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw misconfigured(`cannot read the fault file: ${(error as Error).message}`)
  }
  const { parse } = await import('yaml')
  let rules: unknown
  try {
    rules = parse(text)
  } catch (error) {
    throw misconfigured(`${file} is not YAML: ${(error as Error).message}`)
  }
  if (rules === null || rules === undefined) return []
  if (!Array.isArray(rules)) throw misconfigured(`${file}: a list of rules is expected`)
  return rules.map((rule: unknown, index) => readRule(rule, `${file}: rule ${index + 1}`))
}

function readRule(input: unknown, where: string): Rule {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw misconfigured(`${where} is not a map`)
  const given = new Map<string, unknown>(Object.entries(input))
  const take = <T>(key: string, expected: string, isGood: (value: unknown) => value is T): T | undefined => {
    const value = given.get(key)
    given.delete(key)
    if (value === undefined || isGood(value)) return value
    throw misconfigured(`${where}: ${key} must be ${expected}, not ${JSON.stringify(value)}`)
  }
  const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
  const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) > 0
  const isFactor = (value: unknown): value is number => typeof value === 'number' && value > 0
  const isAction = (value: unknown): value is (typeof actions)[number] => actions.includes(value as 'fail')
  const isExitCode = (value: unknown): value is number => isCount(value) && value < 256
  const isFlag = (value: unknown): value is boolean => typeof value === 'boolean'
  const isStage = (value: unknown): value is Stage => stages.includes(value as Stage)
  const isCounts = (value: unknown): value is number | number[] =>
    Array.isArray(value) ? value.every(isCount) : isCount(value)

  const action = take('action', `one of ${actions.join(', ')}`, isAction)
  const isCommand = (value: unknown): value is string => typeof value === 'string' && Object.hasOwn(stagesOf, value)
  const command = take('command', `one of ${Object.keys(stagesOf).join(', ')}`, isCommand) ?? 'create cluster'
  const stages = stagesOf[command] ?? []
  const attempts = take('attempt', 'a whole number from 1, or a list of them', isCounts)
  const rule: Rule = {
    cluster: take('cluster', 'a text', isText) ?? '*',
    command,
    attempts: attempts === undefined ? undefined : [attempts].flat(),
    stage: take('stage', `one of ${stages.join(', ')}`, isStage),
    action,
    exitCode:
      action === 'fail' || action === 'half-create' || action === 'crash'
        ? take('exitCode', 'from 1 to 255', isExitCode)
        : undefined,
    log: action === 'fail' || action === 'half-create' ? take('log', 'a text', isText) : undefined,
    factor: (action === 'throttle' ? take('factor', 'a positive number', isFactor) : undefined) ?? 3,
    type: (action === 'leave' ? take('type', 'a text', isText) : undefined) ?? '',
    machine: (isOfStarts(action) || isInside(action) ? take('machine', 'a text', isText) : undefined) ?? '*',
    times:
      (action === 'leave' || isOfStarts(action) ? take('times', 'a whole number from 1', isCount) : undefined) ??
      Infinity,
    ignoreSigint: take('ignoreSigint', 'true or false', isFlag) ?? false,
  }
  const [unknown] = given.keys()
  if (unknown !== undefined) throw misconfigured(`${where}: unknown key ${unknown}${action ? ` for ${action}` : ''}`)
  const problem = inconsistency(rule)
  if (problem !== undefined) throw misconfigured(`${where}: ${problem}`)
  return rule
}

function inconsistency(rule: Rule): string | undefined {
  if (rule.action === undefined) return rule.ignoreSigint ? undefined : 'action is missing'
  if (rule.action === 'leave') {
    if (rule.command !== 'destroy cluster') return 'leave is for command: destroy cluster'
    if (rule.type === '') return 'leave needs the type of the resources'
    return rule.stage === undefined ? undefined : 'leave takes no stage'
  }
  if (isOfStarts(rule.action) || isInside(rule.action)) {
    if (rule.command !== 'create cluster') return `${rule.action} is for command: create cluster`
    return rule.stage === undefined ? undefined : `${rule.action} takes no stage`
  }
  if (rule.action === 'loop') {
    if (rule.command !== 'destroy cluster') return 'loop is for command: destroy cluster'
    return rule.stage === undefined ? undefined : 'loop takes no stage'
  }
  if (rule.action === 'leave-known') {
    if (rule.command !== 'create cluster') return 'leave-known is for command: create cluster'
    return rule.stage === undefined ? undefined : 'leave-known takes no stage'
  }
  if (rule.action === 'no-credentials' && rule.stage !== 'validate') return 'no-credentials is for the stage validate'
  if (rule.stage === undefined) return `${rule.action} needs a stage`
  if (rule.action === 'crash' && rule.exitCode !== undefined && rule.exitCode !== 2)
    return 'crash exits with 2, or not at all'
  if (rule.action === 'half-create' && !['network', 'machines', 'initialize'].includes(rule.stage)) {
    return 'half-create is for the stages network, machines and initialize'
  }
  if (rule.action === 'half-create' && rule.command !== 'create cluster')
    return 'half-create is for command: create cluster'
  return undefined
}

function globMatches(glob: string, text: string): boolean {
  const pattern = glob
    .replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${pattern}$`, 's').test(text)
}
