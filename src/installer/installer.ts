// The port through which operations drive an installer. A run lives only while it is extended.
import type { Access } from '../clouds/access.ts'
import type { LogLevel } from '../vocabulary.ts'
import type { Stage } from './stages.ts'

export type InstallerCommand =
  | 'create manifests'
  | 'create ignition-configs'
  | 'create cluster'
  | 'destroy cluster'
  | 'wait-for install-complete'

export type InstallerLine = { at: string | undefined; level: LogLevel; message: string }

/** Finds where a text may be cut after at most `limit` characters. undefined: nowhere yet. */
export type FindCut = (text: string, limit: number) => number | undefined

/** fips: it is the build that installs clusters in FIPS mode. */
export type Program = { version: string; fips: boolean }

export type RunOptions = {
  /** `fips`: the command installs a cluster in FIPS mode, which one build alone does. */
  program: Program
  dir: string
  command: InstallerCommand
  /** The only credentials that the child sees. */
  access: Access
  /** The child is killed at this time, by uptimeMs, unless it is extended. */
  untilMs: number
  onLine: (line: InstallerLine) => void
  /** Finds where an overlong line may be cut without cutting what must be masked. */
  findCut: FindCut
  onStage?: (stage: Stage) => void
}

/** exitCode 128 + n for signal n, 127 when the program could not be started. */
export type InstallerExit = { exitCode: number; stderrTail: string }

/** What is known of a run when it is over. timedOut: this service ended it. */
export type CommandResult = { exitCode: number; log: string; timedOut: boolean }

export type InstallerRun = {
  /** Moves the time at which the child is killed. */
  extend: (untilMs: number) => void
  /** Sends SIGINT to the whole group, and SIGKILL when it still exists after the grace. */
  interrupt: (graceMs: number) => void
  kill: () => void
  exit: Promise<InstallerExit>
}

export type Installer = {
  start: (options: RunOptions) => InstallerRun
  /** The programs that there are. A simulation can do any version, and lists none. */
  listPrograms: () => Promise<Program[]>
  isHostInFipsMode: () => Promise<boolean>
  /** Throws with a plain reason when there is no such program, or when it is not the recorded one. */
  check: (program: Program) => Promise<void>
  pullSecret: () => Promise<string>
  /** Shown wherever results of a simulation are shown. */
  simulated: boolean
}
