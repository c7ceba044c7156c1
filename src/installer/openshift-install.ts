// Drives an openshift-install binary as a child process. It never lives longer than its lease, sees only the
// environment it needs, and gets no secret on its command line.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, type BigIntStats } from 'node:fs'
import { access, constants, readFile, readdir, stat } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import type { Access } from '../clouds/access.ts'
import { ConfigError, type Config } from '../config.ts'
import { AppError } from '../errors.ts'
import type { Installer, InstallerExit, InstallerLine, InstallerRun, Program, RunOptions } from './installer.ts'
import { followLog, parseLine } from './log.ts'
import { stageOf } from './stages.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LEASE_RUNNER = join(ROOT, 'bin/lease-run')
const SIMULATOR = join(ROOT, 'bin/openshift-install-sim')
/** Linux writes 1 there when it was booted in FIPS mode. */
const FIPS_MODE = '/proc/sys/crypto/fips_enabled'
const STDERR_TAIL = 64 * 1024
const SIMULATED_PULL_SECRET = '{"auths":{"simulated.example":{"auth":"c2ltdWxhdGVkOm5vdC1hLXNlY3JldA=="}}}'

// Proxies, certificates, and how AWS is reached. Nothing of this service's own, and no credentials: those come by the run.
const INHERITED =
  /^(https?_proxy$|no_proxy$|HTTPS?_PROXY$|NO_PROXY$|SSL_CERT_|AWS_CA_BUNDLE$|AWS_USE_(FIPS|DUALSTACK)_ENDPOINT$|TZ$|LANG$|LC_)/

export function openInstaller(config: Config): Installer {
  const simulated = config.installerDir === undefined
  // Each key changes when somebody replaces or rewrites the program. Hashing some hundred MB before each start would
  // take seconds.
  const verified = new Map<string, Promise<void>>()
  // The FIPS build does all that the other one does, so it is taken where the other one is missing.
  const binaryOf = ({ version, fips }: Program): string => {
    if (config.installerDir === undefined) return SIMULATOR
    const plain = join(config.installerDir, `openshift-install-${version}`)
    const fipsBuild = join(config.installerDir, `openshift-install-fips-${version}`)
    return fips || (!existsSync(plain) && existsSync(fipsBuild)) ? fipsBuild : plain
  }

  const environmentFor = ({ program: { version, fips }, dir, access }: RunOptions): Record<string, string> => {
    const { environment } = config
    const inherited = Object.entries(environment).filter(([name]) => INHERITED.test(name))
    const given = [...inherited, ...Object.entries(access.environment)].filter(
      (each): each is [string, string] => each[1] !== undefined,
    )
    return {
      ...Object.fromEntries(given),
      // The simulator runs on the same Node as this process, whatever else is installed.
      PATH: [dirname(process.execPath), environment['PATH'] ?? '/usr/bin:/bin'].join(delimiter),
      ...homeFor(environment, access, dir),
      TMPDIR: environment['TMPDIR'] ?? '/tmp',
      OPENSHIFT_INSTALL_INVOKER: 'ocpctl',
      // It works in the cloud where the inventory looks. A profile names other addresses as serviceEndpoints.
      AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true',
      ...(simulated
        ? {
            OCPCTL_SIM_VERSION: version,
            ...(fips ? { OCPCTL_SIM_FIPS: 'true' } : {}),
            OCPCTL_SIM_CLOUD: config.simulator.cloudDir,
            OCPCTL_SIM_SPEED: String(config.simulator.speed),
            ...(config.simulator.faultsFile ? { OCPCTL_SIM_FAULTS: config.simulator.faultsFile } : {}),
          }
        : {}),
    }
  }

  return {
    simulated,

    start(options) {
      const child = spawn(
        LEASE_RUNNER,
        [
          String(Math.floor(options.untilMs)),
          binaryOf(options.program),
          ...options.command.split(' '),
          '--dir',
          options.dir,
          '--log-level',
          'info',
        ],
        // A session of its own: a Ctrl-C at the terminal reaches only the worker, which then stops the installer in an
        // orderly way.
        {
          cwd: options.dir,
          env: environmentFor(options),
          detached: true,
          stdio: ['pipe', 'ignore', 'pipe'],
        },
      )
      return followChild(child, options)
    },

    async listPrograms() {
      return config.installerDir === undefined ? [] : listPrograms(config.installerDir)
    },

    async isHostInFipsMode() {
      return (await readFile(FIPS_MODE, 'utf8').catch(() => '')).trim() === '1'
    },

    async check(program) {
      const path = binaryOf(program)
      const { ino, size, ctimeNs, mtimeNs } = await requireProgram(config, path, program)
      if (simulated) return
      const sum = await readSum(path)
      const identity = [path, sum, ino, size, ctimeNs, mtimeNs].join(' ')
      const known = verified.get(identity) ?? verifyProgram(path, sum)
      verified.set(identity, known)
      known.catch(() => verified.delete(identity))
      return known
    },

    async pullSecret() {
      const { pullSecretFile } = config
      if (pullSecretFile === undefined) return SIMULATED_PULL_SECRET
      const text = await readFile(pullSecretFile, 'utf8').catch((error: unknown) => {
        // The value may be the secret itself, put there by mistake.
        const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
        throw new ConfigError(`OCPCTL_PULL_SECRET_FILE is not the path of a file that can be read${code}`)
      })
      if (!/^\s*\{[\s\S]*"auths"[\s\S]*\}\s*$/.test(text))
        throw new ConfigError('the file of OCPCTL_PULL_SECRET_FILE is not a pull secret: it must be JSON with "auths"')
      return text.trim()
    },
  }
}

/**
 * Installers look for credentials under the home too. With an entry they must find none there, and keep none in the
 * directory that is stored. What they download is kept for all.
 */
function homeFor({ HOME, XDG_CACHE_HOME }: Config['environment'], { entry }: Access, dir: string) {
  if (!entry) return { HOME: HOME ?? dir }
  const home = `${dir}.home`
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const cache = XDG_CACHE_HOME ?? (HOME === undefined ? undefined : join(HOME, '.cache'))
  return { HOME: home, ...(cache === undefined ? {} : { XDG_CACHE_HOME: cache }) }
}

function followChild(child: ReturnType<typeof spawn>, options: RunOptions): InstallerRun {
  const say = (line: string) => {
    if (child.stdin?.writable) child.stdin.write(`${line}\n`)
  }
  child.stdin?.on('error', () => undefined) // the runner is gone; its exit says so
  let stderrTail = ''
  child.stderr?.setEncoding('utf8')
  child.stderr?.on('data', (chunk: string) => (stderrTail = (stderrTail + chunk).slice(-STDERR_TAIL)))

  let sawLogFile = false
  const onLine = (line: InstallerLine) => {
    sawLogFile = true
    options.onLine(line)
    const stage = stageOf(line.message)
    if (stage) options.onStage?.(stage)
  }
  const following = followLog(join(options.dir, '.openshift_install.log'), onLine, options.findCut)
  const exit = new Promise<number>((resolve) => {
    child.once('error', (error) => {
      stderrTail += `\n${error.message}`
      resolve(127)
    })
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)))
  }).then(async (exitCode): Promise<InstallerExit> => {
    await (await following).finish()
    // A program that dies before it opens its log says why on stderr only.
    if (!sawLogFile) {
      // The half of a line could be half of a secret, which nobody recognizes.
      const whole = stderrTail.length < STDERR_TAIL ? stderrTail : stderrTail.slice(stderrTail.indexOf('\n') + 1)
      for (const line of whole.split('\n').filter((text) => text.trim() !== '')) options.onLine(parseLine(line))
    }
    return { exitCode, stderrTail }
  })
  let killTimer: NodeJS.Timeout | undefined
  void exit.finally(() => clearTimeout(killTimer))
  return {
    extend: (untilMs) => say(`until ${Math.floor(untilMs)}`),
    interrupt(graceMs) {
      say('int')
      killTimer ??= setTimeout(() => say('kill'), graceMs)
    },
    kill: () => say('kill'),
    exit,
  }
}

async function requireProgram(config: Config, path: string, { version, fips }: Program): Promise<BigIntStats> {
  try {
    await access(path, constants.X_OK)
    return await stat(path, { bigint: true })
  } catch {
    const programs = config.installerDir ? await listPrograms(config.installerDir) : []
    const others = programs.map((other) => `${other.version}${other.fips ? ' (FIPS)' : ''}`)
    throw new AppError(
      'UNAVAILABLE',
      `there is no executable installer for ${version}${fips ? ' in FIPS mode' : ''} at ${path}; there are ${others.join(', ') || 'none'}`,
    )
  }
}

async function listPrograms(dir: string): Promise<Program[]> {
  const names = await readdir(dir).catch(() => [])
  return names.flatMap((name) => {
    const [, fips, version] = /^openshift-install-(fips-)?(\d.*)$/.exec(name) ?? []
    return version === undefined || version.endsWith('.sha256') ? [] : [{ version, fips: fips !== undefined }]
  })
}

async function readSum(path: string): Promise<string> {
  const sum = /^[0-9a-f]{64}/.exec(await readFile(`${path}.sha256`, 'utf8').catch(() => ''))?.[0]
  if (sum !== undefined) return sum
  throw new AppError('UNAVAILABLE', `${path}.sha256 is missing or holds no SHA-256: it must stand beside the binary`)
}

async function verifyProgram(path: string, sum: string): Promise<void> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  if (hash.digest('hex') !== sum)
    throw new AppError('UNAVAILABLE', `${path} does not match its .sha256: fetch it again`)
}
