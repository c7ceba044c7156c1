// The errors that end an operation early.
import type { Resource } from '../clouds/inventory.ts'
import type { CommandResult, InstallerCommand } from '../installer/installer.ts'

/** Something stands in the way of DESTROYED. */
export class DestroyFailed extends Error {
  override readonly name = 'DestroyFailed'
  readonly reason: string
  readonly worthRetrying: boolean
  readonly exitCode: number | undefined
  readonly resources: Resource[]
  /** The destroyer reports it; the cloud has not been asked yet. */
  readonly isOfDestroyer: boolean
  constructor(
    reason: string,
    message: string,
    options: {
      worthRetrying?: boolean
      exitCode?: number | undefined
      resources?: Resource[]
      isOfDestroyer?: boolean
    } = {},
  ) {
    super(message)
    this.reason = reason
    this.worthRetrying = options.worthRetrying ?? true
    this.exitCode = options.exitCode
    this.resources = options.resources ?? []
    this.isOfDestroyer = options.isOfDestroyer ?? false
  }
}

export class InstallFailed extends Error {
  override readonly name = 'InstallFailed'
  readonly command: InstallerCommand
  readonly result: CommandResult
  constructor(command: InstallerCommand, result: CommandResult) {
    super(`openshift-install ${command} ended with ${result.exitCode}${result.timedOut ? ' after its deadline' : ''}`)
    this.command = command
    this.result = result
  }
}

/** What an install begins with is not fit for it. Nothing was made, and another try would meet the same. */
export class Unfit extends Error {
  override readonly name = 'Unfit'
  readonly reason: string
  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

/** What was to be done to a cluster that stands was not done, or not to its end. */
export class DayTwoFailed extends Error {
  override readonly name = 'DayTwoFailed'
  readonly reason: string
  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

export type StopKind = 'cancelled' | 'interrupted' | 'lost'

export class Stopped extends Error {
  override readonly name = 'Stopped'
  readonly kind: StopKind
  constructor(kind: StopKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** Somebody took files of the work directory away. The state in the store is the last one there is. */
export class DirectoryGone extends Error {
  override readonly name = 'DirectoryGone'
  constructor(dir: string) {
    super(`the work directory ${dir} has lost its metadata.json`)
  }
}
