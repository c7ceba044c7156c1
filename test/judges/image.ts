// The Dockerfile, step by step, in roots of Debian's smallest system that mmdebstrap makes, with Node and npm from the registry
// where the base image has its own. Then the service runs in what they made: as a stranger, on a root that is read-only.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { copyFromContext, readCopy, readDockerfile, readStart, startInRoot, type Stage } from '../image.ts'
import { exitOf } from '../harness.ts'
import { ask, install, installNode, NotHere, openVerdict, run, type Judge } from './judge.ts'

const NPM = '11.21.2'
const STRANGER = '1000680000:0'
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export const image: Judge = {
  name: 'mmdebstrap, the image',
  async judge(dir) {
    if (process.getuid?.() !== 0) throw new NotHere('only root makes a system')
    await install('mmdebstrap', 'apt-get', ['install', '-y', '--no-install-recommends', 'mmdebstrap'])
    const stages = readDockerfile()
    const verdict = openVerdict()
    const bases = [...new Set(stages.map(({ from }) => from))]
    const [, major, release] = /^node:(\d+)-(\w+)-slim$/.exec(bases[0] ?? '') ?? []
    verdict.hold('all stages begin with one image of Node', bases.length === 1 && major !== undefined, bases)
    const base = join(dir, 'base')
    await install(`Debian ${release}`, 'mmdebstrap', [
      '--quiet',
      '--variant=minbase',
      '--mode=root',
      release ?? '',
      base,
    ])
    await installNodeInto(base, major ?? '', dir)

    const roots = new Map<string, string>()
    for (const stage of stages) {
      const root = join(dir, `stage-${stage.name}`)
      await run('cp', ['-a', base, root])
      for (const file of ['etc/resolv.conf', 'etc/ssl/certs/ca-certificates.crt']) shareFile(file, root)
      roots.set(stage.name, root)
      let cwd = '/'
      for (const { word, text } of stage.instructions) {
        if (word === 'WORKDIR') mkdirSync(join(root, (cwd = text)), { recursive: true })
        if (word === 'COPY') copy(text, join(root, cwd), roots)
        if (word !== 'RUN') continue
        const told = await inRoot(root, cwd, text)
        verdict.hold(`stage ${stage.name}: RUN ${text}`, told.code === 0, told.text.slice(-2000))
      }
    }
    const last = stages.at(-1)
    const root = last && roots.get(last.name)
    if (root && verdict.misses.length === 0) await judgeRuns(root, last, verdict)
    return verdict
  },
}

/** Instructions that ask nothing of a database: what they need of the system is there. */
async function judgeRuns(root: string, last: Stage, { hold }: ReturnType<typeof openVerdict>): Promise<void> {
  const { env, command } = readStart(last)
  const data = join(dirname(root), 'data')
  mkdirSync(data)
  chmodSync(data, 0o777)
  const mounts = Object.fromEntries(['bin', 'etc', 'lib', 'lib64', 'sbin', 'usr', 'app'].filter((name) => existsSync(join(root, name))).map((name) => [`/${name}`, join(root, name)])) // prettier-ignore
  const say = async (words: string[], more: Record<string, string> = {}) => {
    const child = startInRoot(words, { mounts, writable: { '/data': data }, user: STRANGER, cwd: '/app', env: { PATH, ...env, ...more } }) // prettier-ignore
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()))
    return { code: await exitOf(child), text }
  }
  const config = join(data, 'install-config.yaml')
  writeFileSync(config, 'apiVersion: v1\n')
  const usage = await say([...command, 'help'])
  hold('the program starts', usage.code === 0 && usage.text.includes('usage:'), usage)
  const lint = await say([...command, 'lint', '/data/install-config.yaml'])
  hold('it lints', lint.code === 1 && lint.text.includes('baseDomain'), lint)
  const nobody = await say([...command, 'migrate'], { DATABASE_URL: 'postgres://u@127.0.0.1:1/x' })
  hold('it says what it lacks', nobody.code === 1 && nobody.text.includes('OCPCTL_SECRETS_KEY is required'), nobody)
  const lone = await say([...command, 'all'])
  hold('it says that it has no database of its own', lone.code === 1 && lone.text.includes('DATABASE_URL'), lone)
  const readonly = await say(['sh', '-c', 'touch /app/x /etc/x /x; touch /data/x /tmp/x && id -u'])
  hold('nothing can be written but /data and /tmp', readonly.text.match(/Read-only/g)?.length === 3 && readonly.text.includes('1000680000'), readonly) // prettier-ignore
  const simulated = await say(['node', 'bin/openshift-install-sim', 'version'], { OCPCTL_SIM_VERSION: '4.20.3' })
  hold('the simulated installer starts', simulated.code === 0 && simulated.text.includes('4.20.3'), simulated)
  const leased = 'exec bin/lease-run "$(awk \'{ printf "%d", $1 * 1000 + 60000 }\' /proc/uptime)" sh -c "echo it runs"'
  const lease = await say(['sh', '-c', `sleep 1 | (${leased.replace('exec ', '')})`])
  hold('the lease runner has the perl that it needs', lease.code === 0 && lease.text.includes('it runs'), lease)
  const roots = await say(['sh', '-c', 'test -s /etc/ssl/certs/ca-certificates.crt && echo there'])
  hold('there are certificates for programs that are no Node', roots.text.includes('there'), roots)
}

function copy(text: string, cwd: string, roots: Map<string, string>): void {
  const { from, sources, target } = readCopy(text)
  for (const source of sources) {
    const to = target.endsWith('/') ? join(cwd, target, source.split('/').at(-1) ?? '') : join(cwd, target)
    if (from === undefined) copyFromContext(source, to)
    else cpSync(join(roots.get(from) ?? '', source), to, { recursive: true, verbatimSymlinks: true })
  }
}

/** With this machine's way to the registries. */
function inRoot(root: string, cwd: string, step: string): Promise<{ code: number; text: string }> {
  const passed = Object.fromEntries(Object.entries(process.env).filter(([name]) => /proxy|^(SSL_CERT_FILE|NODE_EXTRA_CA_CERTS)$/i.test(name))) // prettier-ignore
  const script = `mount --rbind /proc ${root}/proc; mount --rbind /dev ${root}/dev; exec /usr/sbin/chroot ${root} /bin/sh -c 'cd "$0" && eval "$1"' "$@"`
  return ask('unshare', ['-m', 'sh', '-c', script, 'sh', cwd, step], { env: { ...passed, PATH, HOME: '/root', DEBIAN_FRONTEND: 'noninteractive' } }) // prettier-ignore
}

/** Taken away again by nobody: the files are those of a throw-away system. */
function shareFile(file: string, root: string): void {
  if (!existsSync(join('/', file))) return
  mkdirSync(dirname(join(root, file)), { recursive: true })
  rmSync(join(root, file), { force: true })
  writeFileSync(join(root, file), readFileSync(join('/', file)))
}

async function installNodeInto(root: string, major: string, dir: string): Promise<void> {
  const home = await installNode(dir, `node@${major}`, `npm@${NPM}`)
  cpSync(join(home, 'node_modules/node/bin/node'), join(root, 'usr/local/bin/node'), { dereference: true })
  cpSync(join(home, 'node_modules/npm'), join(root, 'usr/local/lib/node_modules/npm'), { recursive: true })
  writeFileSync(
    join(root, 'usr/local/bin/npm'),
    '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n',
  )
  chmodSync(join(root, 'usr/local/bin/npm'), 0o755)
  const { code, text } = await inRoot(root, '/', 'node --version && npm --version')
  if (code !== 0 || !text.startsWith(`v${major}.`)) throw new Error(`Node does not run there: ${text}`)
}
