// One executable, with one function for each command. Only this file reads process.env.
import { setFlagsFromString } from 'node:v8'

// This comes before anything else is loaded. By default V8 takes 150 MB for the young generation while it reads a
// thousand modules, and never gives them back.
setFlagsFromString('--semi-space-growth-factor=1')
await import('./quick-imports.ts')
const { ConfigError, readConfig } = await import('./config.ts')
const { messageOf } = await import('./errors.ts')

const USAGE = `usage: node src/main.ts COMMAND

  all        API, worker and schedules in one process
  serve      the API
  work       a worker, with the schedules
  migrate    bring the database to this version, and end
  recover    say what cloud and artifact store know better than a database that was restored or lost (--apply: take it back)
  verify     say whether a certificate of emptiness is genuine: verify FILE [--keys FILE]
  diagnose   say why an installer's log ends as it does: diagnose LOG [--exit-code N] [--json]
  lint       say what is wrong with an install-config.yaml: lint [--version 4.20.3] FILE
  doctor     say what the cloud credentials lead to, and which permissions they lack: doctor [--profile NAME] [--json]
  token      print a token made from the AWS credentials at hand: token aws [--server-id ID]
  openapi    write docs/openapi.json, docs/profiles.md and profiles/profile.schema.json (--check: only compare)

The environment is described in README.md.`

// Each command loads what it needs when it runs: a log can be diagnosed without the clients of the clouds.
async function main(command: string | undefined, options: string[]): Promise<void> {
  switch (command) {
    case 'all':
    case 'serve':
    case 'work':
      return (await import('./commands/service.ts')).runService(readConfig(process.env), command)
    case 'migrate':
      return (await import('./commands/migrate.ts')).runMigrate(readConfig(process.env))
    case 'recover':
      process.exitCode = await (
        await import('./commands/recover.ts')
      ).runRecover(options, () => readConfig(process.env))
      return
    case 'verify':
      process.exitCode = await (await import('./commands/verify.ts')).runVerify(options, () => readConfig(process.env))
      return
    case 'diagnose':
      process.exitCode = await (await import('./commands/diagnose.ts')).runDiagnose(options)
      return
    case 'lint':
      process.exitCode = await (await import('./commands/lint.ts')).runLint(options)
      return
    case 'doctor':
      process.exitCode = await (await import('./commands/doctor.ts')).runDoctor(options, () => readConfig(process.env))
      return
    case 'token':
      return (await import('./commands/token.ts')).printToken(process.env, options)
    case 'openapi':
      return (await import('./commands/openapi.ts')).writeGenerated(options.includes('--check'))
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(`${USAGE}\n`)
      return
    case undefined:
    default:
      throw new ConfigError(command === undefined ? USAGE : `there is no command "${command}"\n\n${USAGE}`)
  }
}

main(process.argv[2], process.argv.slice(3))
  .catch((error: unknown) => {
    // The person who starts the program needs the sentence. The stack is for errors that nobody foresaw.
    process.stderr.write(
      `ocpctl: ${error instanceof ConfigError ? error.message : error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}\n`,
    )
    process.exitCode = 1
  })
  // A socket whose peer does not answer would keep the process alive. All that had to be closed has been closed or
  // given up.
  .finally(() => process.stdout.write('', () => process.exit()))
