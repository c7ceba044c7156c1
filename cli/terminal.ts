// What needs a person at a terminal. Without one nothing is asked.
import { Failure } from './failure.ts'

/** Throws Failure when a person says no. Where nobody can be asked, what was typed is meant. */
export async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return
  if (!(await ask(question))) throw new Failure('interrupted', 'nothing was done')
}

export async function ask(question: string): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    // Ctrl-C and Ctrl-D close it, and the question then has no answer.
    const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
    return /^y(es)?$/i.test((await Promise.race([lines.question(`${question} [y/N] `), closed])).trim())
  } finally {
    lines.close()
  }
}

/** What a person has to know who leaves, and what a second Ctrl-C offers; set while something is followed. */
let leaving: { say: string; cancel?: () => Promise<void> } | undefined
const SECOND_MS = 3000

export function whileFollowing(comeBack: string, cancel?: () => Promise<void>): () => void {
  const mine = { say: comeBack, ...(cancel ? { cancel } : {}) }
  leaving = mine
  return () => {
    if (leaving === mine) leaving = undefined
  }
}

/** Ctrl-C leaves; what was begun goes on. On a terminal a second one, soon after, asks whether to cancel it. */
export function listenForInterrupt(): void {
  let asked = false
  process.on('SIGINT', () => {
    const { say, cancel } = leaving ?? {}
    if (say !== undefined && !asked) process.stderr.write(`\n${say}\n`)
    if (cancel === undefined || !process.stdin.isTTY || !process.stderr.isTTY) process.exit(130)
    if (asked) {
      void askToCancel(cancel)
      return
    }
    asked = true
    process.stderr.write('Ctrl-C once more: cancel it?\n')
    timer = setTimeout(() => process.exit(130), SECOND_MS)
  })
}

let timer: NodeJS.Timeout | undefined

async function askToCancel(cancel: () => Promise<void>): Promise<void> {
  clearTimeout(timer)
  try {
    if (await ask('Cancel the operation itself?')) {
      await cancel()
      process.stderr.write('it is being cancelled\n')
    }
  } catch (error) {
    process.stderr.write(
      `ocpctl: it could not be cancelled: ${error instanceof Error ? error.message : String(error)}\n`,
    )
  }
  process.exit(130)
}
