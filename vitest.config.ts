import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// Files in memory where there is room, and the stripped TypeScript kept for the many processes that the tests start.
const MEMORY = '/dev/shm'
if (hasRoom(MEMORY, 4 * 2 ** 30)) process.env['TMPDIR'] = MEMORY
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache')
const quickImports = `--import=${new URL('src/quick-imports.ts', import.meta.url).href}`
process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} ${quickImports}`.trim()

/** They wait for most of their time; begun first, the others fill their pauses. */
const LONGEST = [
  'cli-follow',
  'console-browser',
  'crash-points',
  'fleet',
  'chaos',
  'failures',
  'worker-death',
  'mutations',
  'installer-log',
  'reconcile',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
      return index === -1 ? LONGEST.length : index
    }
    return files.toSorted((a, b) => place(a) - place(b))
  }
}

function hasRoom(dir: string, bytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(dir)
    return bavail * bsize > bytes
  } catch {
    return false
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    reporters: ['default', './test/summary-reporter.ts'],
    pool: 'forks',
    isolate: false,
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
