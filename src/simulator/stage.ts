import { fatal, Failure, type Line } from './failure.ts'
import type { Fault, Stage } from './faults.ts'
import { writeStderr } from './log.ts'
import { ignoreSignals, type Run } from './run.ts'

export interface Step {
  seconds: number
  act: () => void | Promise<void>
}

export interface StageOptions {
  /** How long the real installer tries before it gives the stage up. */
  timeoutSeconds?: number
  failure: () => Failure
}

/** Takes the steps of a stage in simulated time, unless a fault says otherwise. */
export async function runStage(run: Run, stage: Stage, steps: Step[], options: StageOptions): Promise<void> {
  const fault = run.faults.at(stage)
  if (fault?.ignoreSigint) ignoreSignals()
  switch (fault?.action) {
    case 'fail':
      await run.clock.pass(options.timeoutSeconds ?? 5)
      throw faultFailure(options.failure(), fault)
    case 'half-create':
      await takeSteps(
        run,
        steps.filter((_, index) => index % 2 === 0),
      )
      throw faultFailure(options.failure(), fault)
    case 'hang':
      await takeSteps(run, steps.slice(0, Math.floor(steps.length / 2)))
      return hang()
    case 'crash':
      await takeSteps(run, steps.slice(0, Math.floor(steps.length / 2)))
      return crash(fault)
    case 'throttle':
      for (const step of steps) {
        run.log.warn('Request was throttled, backing off: Throttling: Rate exceeded\n\tstatus code: 400 (simulated)')
        await takeSteps(run, [{ ...step, seconds: step.seconds * fault.factor }])
      }
      return
    default:
      await takeSteps(run, steps)
  }
}

async function takeSteps(run: Run, steps: Step[]): Promise<void> {
  for (const step of steps) {
    await run.clock.pass(step.seconds)
    await step.act()
  }
}

function faultFailure(failure: Failure, fault: Fault): Failure {
  const lines: Line[] = fault.log === undefined ? [] : [['error', fault.log]]
  return new Failure(fault.exitCode ?? failure.exitCode, ...lines, ...failure.lines)
}

function hang(): Promise<never> {
  // The timer keeps the process alive; a promise alone would not.
  return new Promise(() => setInterval(() => {}, 60_000))
}

function crash(fault: Fault): Promise<never> {
  if (fault.exitCode === undefined) {
    process.kill(process.pid, 'SIGKILL')
    return hang()
  }
  writeStderr(
    'panic: runtime error: invalid memory address or nil pointer dereference (simulated)\n' +
      '[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x2d1c7a5]\n\ngoroutine 1 [running]:\n',
  )
  process.exit(2)
}

/** What the real installer says when a stage of a creation fails, with the exit code that belongs to it. */
export function stageFailure(stage: Stage, server: string): Failure {
  switch (stage) {
    case 'network':
      return createFailure(
        'infrastructure is not ready: infrastructure was not ready within 15m0s: context deadline exceeded',
        'Condition NetworkInfrastructureReady has status: "False", reason: "NetworkReconciliationFailed", message: "1 of 2 completed\\nwaiting for the network (simulated)"',
      )
    case 'machines':
      return createFailure(
        'failed to provision control-plane machines: control-plane machines were not provisioned within 15m0s: context deadline exceeded',
      )
    case 'api':
      return new Failure(
        5,
        ['error', `Bootstrap failed to complete: Get "${server}/version": dial tcp: connect: connection refused`],
        [
          'error',
          'Failed waiting for Kubernetes API. This error usually happens when there is a problem on the bootstrap host that prevents creating a temporary control plane.',
        ],
      )
    case 'bootstrap':
      return new Failure(
        5,
        ['error', 'Bootstrap failed to complete: timed out waiting for the condition'],
        [
          'error',
          'Failed to wait for bootstrapping to complete. This error usually happens when there is a problem with control plane hosts that prevents the control plane operators from creating the control plane.',
        ],
      )
    case 'bootstrap-destroy':
      return fatal(
        1,
        'error destroying bootstrap resources failed during the destroy bootstrap hook: failed to delete bootstrap machine: context deadline exceeded',
      )
    case 'initialize':
      return new Failure(
        6,
        [
          'error',
          'Cluster operator authentication Degraded is True with OAuthServerRouteEndpointAccessibleController_SyncError: OAuthServerRouteEndpointAccessibleControllerDegraded: context deadline exceeded',
        ],
        [
          'error',
          "Cluster initialization failed because one or more operators are not functioning properly.\nThe cluster should be accessible for troubleshooting.\nThe 'wait-for install-complete' subcommand can then be used to continue the installation",
        ],
        ['error', 'failed to initialize the cluster: Cluster operator authentication is not available'],
      )
    case 'stability':
      return new Failure(7, [
        'error',
        'These cluster operators were not stable: [authentication, kube-apiserver]\nThe cluster operators had not finished progressing within 30m0s',
      ])
    default:
      throw new Error(`${stage} is no stage of a creation`)
  }
}

function createFailure(problem: string, ...conditions: string[]): Failure {
  const lines = conditions.map((condition): Line => ['info', condition])
  const fatality = `failed to fetch Cluster: failed to generate asset "Cluster": failed to create cluster: ${problem}`
  return new Failure(4, ...lines, ['fatal', fatality])
}
