import type { Clock } from './clock.ts'
import type { CommandLine } from './command-line.ts'
import { misconfigured } from './failure.ts'
import type { Faults } from './faults.ts'
import type { Journal } from './journal.ts'
import type { Log } from './log.ts'

export interface Environment {
  /** Simulated seconds per real second. */
  speed: number
  cloudDir: string | undefined
  faultsFile: string | undefined
  version: string
  executable: string
  /** Whether this stands for openshift-install-fips on a host in FIPS mode. */
  isFips: boolean
}

/** One start of the program. */
export interface Run {
  commandLine: CommandLine
  environment: Environment
  dir: string
  log: Log
  clock: Clock
  journal: Journal | undefined
  faults: Faults
}

const noFaults: Faults = {
  ignoreSigint: false,
  neverEnds: false,
  at: () => undefined,
  undeletable: new Set(),
  leavesKnown: false,
  startFaultOf: () => undefined,
  inside: [],
}

export function startRun(commandLine: CommandLine, environment: Environment, dir: string, log: Log, clock: Clock): Run {
  return { commandLine, environment, dir, log, clock, journal: undefined, faults: noFaults }
}

/** Opens the journal and reads the faults: both go by the cluster's name, which each command finds in its own way. */
export async function beginWork(run: Run, cluster: string | undefined, infraID: string | undefined): Promise<void> {
  const { cloudDir, faultsFile } = run.environment
  const { command } = run.commandLine
  if (cloudDir !== undefined) {
    const { Journal } = await import('./journal.ts')
    run.journal = new Journal(cloudDir, { command, dir: run.dir, cluster: cluster ?? null, infraID: infraID ?? null })
  }
  if (faultsFile !== undefined) {
    const { readFaults } = await import('./faults.ts')
    let attempt: number | undefined
    run.faults = await readFaults(faultsFile, command, cluster ?? '', () => (attempt ??= run.journal?.attempt() ?? 1))
  }
  if (run.faults.ignoreSigint) ignoreSignals()
}

export function cloudDirOf(run: Run): string {
  const { cloudDir } = run.environment
  if (cloudDir === undefined) throw misconfigured('OCPCTL_SIM_CLOUD must name the directory of the simulated cloud')
  return cloudDir
}

export function ignoreSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.removeAllListeners(signal)
    process.on(signal, () => {})
  }
}

export function endRun(run: Run | undefined, exitCode: number): never {
  run?.journal?.end(exitCode)
  process.exit(exitCode)
}
