// Takes the place of a real openshift-install binary: the same commands, files, outputs, exit codes and signals, over a
// "cloud" that is a directory. It must share nothing with the program that drives it, or its tests would prove nothing.
import path from 'node:path'
import { Clock } from './clock.ts'
import { helpText, parseCommandLine, UsageError, type CommandLine } from './command-line.ts'
import { Failure, fatal, misconfigured } from './failure.ts'
import { Log, parseLevel, printOut, quoted, writeStderr } from './log.ts'
import { endRun, startRun, type Environment, type Run } from './run.ts'

const buildCommit = '51da1a7ed0000000000000000000000000000000'

async function runCommand(commandLine: CommandLine, environment: Environment): Promise<void> {
  const { command } = commandLine
  if (commandLine.help) return printOut(helpText(command))
  if (['version', 'graph', 'coreos print-stream-json', 'completion', 'explain'].includes(command)) {
    const { factsText } = await import('./facts.ts')
    return printOut(factsText(commandLine, environment, buildCommit))
  }
  const level = parseLevel(commandLine.logLevel)
  if (level === undefined) {
    throw fatal(1, `invalid log-level: not a valid logrus Level: ${JSON.stringify(commandLine.logLevel)}`)
  }
  const { speed } = environment
  if (!(speed > 0 && speed <= 1e9)) throw misconfigured('OCPCTL_SIM_SPEED must be a number from 0 to 1e9')

  const dir = path.resolve(commandLine.dir)
  const log = new Log(dir, level)
  log.debug(`OpenShift Installer v${environment.version}`)
  log.debug(`Built from commit ${buildCommit}`)
  log.info('This is a simulated installer: no real cloud is touched')
  const run = startRun(commandLine, environment, dir, log, new Clock(speed))
  try {
    await dispatch(run)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    for (const [level, message] of error.lines) log.write(level, message)
    endRun(run, error.exitCode)
  }
  endRun(run, 0)
}

async function dispatch(run: Run): Promise<void> {
  const { command } = run.commandLine
  if (command.startsWith('create ')) return (await import('./create.ts')).create(run)
  if (command === 'destroy cluster') return (await import('./destroy.ts')).destroyCluster(run)
  if (command === 'destroy bootstrap') return (await import('./destroy.ts')).destroyBootstrap(run)
  if (command === 'wait-for bootstrap-complete') return (await import('./wait-for.ts')).waitForBootstrapComplete(run)
  if (command === 'wait-for install-complete') return (await import('./wait-for.ts')).waitForInstallComplete(run)
  if (command === 'gather bootstrap') return (await import('./log-bundle.ts')).gatherBootstrap(run)
  return (await import('./log-bundle.ts')).analyze(run)
}

function readEnvironment(): Environment {
  const executable = process.argv[1] ?? 'openshift-install'
  const [, fromName] = /^openshift-install-(?:fips-)?(\d.*)$/.exec(path.basename(executable)) ?? []
  return {
    speed: Number(process.env['OCPCTL_SIM_SPEED'] || '60'),
    cloudDir: process.env['OCPCTL_SIM_CLOUD'] || undefined,
    faultsFile: process.env['OCPCTL_SIM_FAULTS'] || undefined,
    version: process.env['OCPCTL_SIM_VERSION'] || fromName || '4.20.3',
    executable,
    isFips: process.env['OCPCTL_SIM_FIPS'] === 'true' || path.basename(executable).startsWith('openshift-install-fips'),
  }
}

try {
  await runCommand(parseCommandLine(process.argv.slice(2)), readEnvironment())
} catch (error) {
  if (error instanceof UsageError) {
    // The program's own form of the log is not set up yet: with time and quotes.
    const time = `${new Date().toISOString().slice(0, 19)}Z`
    writeStderr(`time="${time}" level=fatal msg=${quoted(`Error executing openshift-install: ${error.message}`)}\n`)
    endRun(undefined, 1)
  }
  if (!(error instanceof Failure)) throw error
  for (const [level, message] of error.lines) new Log(undefined, 'info').write(level, message)
  endRun(undefined, error.exitCode)
}
