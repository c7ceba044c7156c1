// What somebody wants of a cluster, and what its installers will do wrong.
import { randomUUID } from 'node:crypto'
import { platforms } from '../../src/vocabulary.ts'
import type { Random } from './random.ts'

export type Wish = { name: string; body: object }

export type Plan = Wish & {
  createKey: string
  /** Seconds after the request; undefined: only at the end. */
  destroyAfter: number
  cancelAfter: number | undefined
  rules: object[]
}

const profiles = [
  ...platforms.flatMap((platform) =>
    ['minimal-test', 'standard'].map((size) => ({ platform, profile: `${platform}-${size}` })),
  ),
  ...['off-hours', 'off-hours'].map((kind) => ({ platform: 'aws' as const, profile: `aws-${kind}` })),
]
const createStages = ['network', 'machines', 'api', 'bootstrap', 'bootstrap-destroy', 'initialize', 'stability']

export function newWish(prefix: string, number: number, random: Random): Wish {
  const name = `${prefix}${number}-${random.pick(['red', 'blue', 'grey', 'pink'])}`
  return { name, body: { name, ...random.pick(profiles), tags: { number: String(number) } } }
}

export function newPlan({ name, body }: Wish, random: Random, slowFaults: boolean): Plan {
  const { rules, hangs } = newRules(name, random, slowFaults)
  const span = random.weighted({ soon: 2, short: 3, long: 8, longest: slowFaults ? 1 : 0 })
  const [from, to] = { soon: [0, 8], short: [8, 25], long: [30, 110], longest: [120, 240] }[span] as [number, number] // by keys
  const destroyAfter = from + (to - from) * random.next()
  return {
    name,
    body,
    createKey: `create-${name}-${randomUUID()}`,
    // A create that hangs has hours before its deadline: somebody must ask.
    destroyAfter: hangs ? Math.min(destroyAfter, 40) : destroyAfter,
    cancelAfter: random.chance(0.08) ? 12 * random.next() : undefined,
    rules,
  }
}

function newRules(cluster: string, random: Random, slowFaults: boolean): { rules: object[]; hangs: boolean } {
  const attempt = random.pick([1, 1, 2, [1, 2, 3, 4, 5, 6]])
  const stage = random.pick(createStages)
  const create = random.weighted({
    none: 10,
    fail: 3,
    'half-create': 2,
    crash: 2,
    panic: 1,
    hang: 2,
    throttle: 2,
    deaf: slowFaults ? 1 : 0,
    'deaf-hang': slowFaults ? 1 : 0,
    invalid: 1,
  })
  const destroyed = random.weighted({
    none: 12,
    fail: 2,
    crash: 2,
    throttle: 2,
    leave: slowFaults ? 1 : 0,
    hang: slowFaults ? 1 : 0,
    'empty-fail': 1,
    'empty-hang': slowFaults ? 1 : 0,
  })
  const destroyStage = random.pick(['instances', 'network', 'dns'])
  const command = 'destroy cluster'
  const rules: Record<typeof create | `destroy-${typeof destroyed}`, object[]> = {
    none: [],
    fail: [{ cluster, attempt, stage, action: 'fail', log: 'Error: something went wrong (chaos)' }],
    'half-create': [
      { cluster, attempt, stage: random.pick(['network', 'machines', 'initialize']), action: 'half-create' },
    ],
    crash: [{ cluster, attempt, stage, action: 'crash' }],
    panic: [{ cluster, attempt, stage, action: 'crash', exitCode: 2 }],
    hang: [{ cluster, stage, action: 'hang' }],
    throttle: [{ cluster, stage: random.pick(['network', 'machines', 'initialize']), action: 'throttle', factor: 2 }],
    deaf: [{ cluster, ignoreSigint: true }],
    'deaf-hang': [{ cluster, attempt: 1, stage, action: 'hang', ignoreSigint: true }],
    invalid: [{ cluster, command: 'create manifests', attempt, stage: 'validate', action: 'fail' }],
    'destroy-none': [],
    'destroy-fail': [{ cluster, command, attempt, stage: destroyStage, action: 'fail' }],
    'destroy-crash': [{ cluster, command, attempt: 1, stage: destroyStage, action: 'crash' }],
    'destroy-throttle': [{ cluster, command, stage: destroyStage, action: 'throttle', factor: 4 }],
    'destroy-leave': [
      {
        cluster,
        command,
        action: 'leave',
        type: random.pick(['instance', 'virtual-machine', 'security-group']),
        times: 1,
      },
    ],
    // Nothing is ever made, so nothing is left however the destroyer ends.
    'destroy-empty-fail': [
      { cluster, stage: 'network', action: 'fail' },
      { cluster, command, stage: 'instances', action: 'fail' },
    ],
    'destroy-empty-hang': [
      { cluster, stage: 'network', action: 'fail' },
      { cluster, command, stage: 'instances', action: 'hang', ignoreSigint: true },
    ],
    'destroy-hang': [{ cluster, command, attempt: 1, stage: destroyStage, action: 'hang' }],
  }
  return {
    // The first rule of a stage wins: an empty cluster stays empty.
    rules: [...rules[`destroy-${destroyed}`], ...(destroyed.startsWith('empty') ? [] : rules[create])],
    hangs: !destroyed.startsWith('empty') && (create === 'hang' || create === 'deaf-hang'),
  }
}
