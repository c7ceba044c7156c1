// Debian's promtool, taken out of its package without installing the server that comes with it.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './harness.ts'

const HOME = join(ROOT, 'node_modules/.cache/ocpctl')
const PLACES = ['/usr/bin/promtool', '/usr/local/bin/promtool', join(HOME, 'promtool')]

/** Its path. */
export function findPromtool(): string {
  const found = process.env['TEST_PROMTOOL'] ?? PLACES.find((place) => existsSync(place))
  if (found !== undefined) return found
  if (!existsSync('/usr/bin/apt-get'))
    throw new Error('install promtool, or say in TEST_PROMTOOL where it is: the metrics are checked with it')
  const dir = mkdtempSync(join(tmpdir(), 'promtool-'))
  try {
    // A list of packages that was fetched long ago names versions that are gone.
    if (process.getuid?.() === 0) execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore' })
    execFileSync('apt-get', ['download', 'prometheus'], { cwd: dir, stdio: ['ignore', 'ignore', 'ignore'] })
    const [file = ''] = readdirSync(dir)
    execFileSync('dpkg-deb', ['--extract', join(dir, file), join(dir, 'files')])
    mkdirSync(HOME, { recursive: true })
    const copy = join(HOME, `promtool-${process.pid}`)
    execFileSync('cp', [join(dir, 'files/usr/bin/promtool'), copy])
    renameSync(copy, join(HOME, 'promtool'))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  return join(HOME, 'promtool')
}
