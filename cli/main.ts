#!/usr/bin/env node
// `ocpctl`, the command line. It talks HTTP alone. Only this file reads process.env.
import { describeFailure, exits, Failure } from './failure.ts'
import { listenForInterrupt } from './terminal.ts'

const args = process.argv.slice(2)

if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) process.stdout.write(`${OCPCTL_VERSION}\n`)
else await run()

async function run(): Promise<void> {
  listenForInterrupt()
  // The reader has gone, as `head` does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : exits.failed))
  try {
    const { runProgram } = await import('./program.ts')
    await runProgram(args, process.env)
  } catch (error) {
    tell(error)
  }
}

function tell(error: unknown): void {
  if (!(error instanceof Failure)) {
    process.exitCode = exits.failed
    // The system says itself what is wrong, and with which file. The stack is for errors that nobody foresaw.
    const isOfSystem = error instanceof Error && 'syscall' in error
    const text = error instanceof Error ? (isOfSystem ? error.message : (error.stack ?? error.message)) : String(error)
    process.stderr.write(`ocpctl: ${text}\n`)
    return
  }
  process.exitCode = exits[error.exit]
  const isJson = args.some(
    (arg, index) =>
      /^(--output=|-o=?)jsonl?$/.test(arg) || (/^(-o|--output)$/.test(arg) && /^jsonl?$/.test(args[index + 1] ?? '')),
  )
  const { key, problem } = error
  const text = isJson
    ? JSON.stringify({ ...problem, ...(key === undefined ? {} : { idempotencyKey: key }) })
    : describeFailure(error)
  process.stderr.write(`${text}\n`)
}
