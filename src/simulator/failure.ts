import type { Level } from './log.ts'

export type Line = [level: Level, message: string]

/** Ends the program: the lines are logged, then it exits with the code. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: number
  readonly lines: Line[]

  constructor(exitCode: number, ...lines: Line[]) {
    super(lines.at(-1)?.[1] ?? `exit ${exitCode}`)
    this.exitCode = exitCode
    this.lines = lines
  }
}

export function fatal(exitCode: number, message: string): Failure {
  return new Failure(exitCode, ['fatal', message])
}

/** The simulator itself is set up wrongly. The real installer never exits with 2, so this cannot be mistaken for its answer. */
export function misconfigured(message: string): Failure {
  return fatal(2, `simulated installer: ${message}`)
}
