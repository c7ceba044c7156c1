// Each safeguard, switched off in a copy of the tree, makes a test fail: none of them is there for show.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject, it } from 'vitest'
import { exitOf, ROOT } from './harness.ts'

type Mutation = { file: string; from: string | RegExp; to: string }
/** The file, and the name of the one test in it that fails. */
type Test = [string, string]

/** What shares a copy has nothing to do with each other. */
it.concurrent.each<[string, Mutation[], Test[]]>([
  [
    'the fence or the lease runner',
    [
      { file: 'src/jobs/lock.ts', from: 'if (!held) throw', to: 'if (!held && lock.fence < 0) throw' },
      { file: 'bin/lease-run', from: '= fork //', to: '= exec { $command[0] } @command;' },
    ],
    [
      ['lock.test.ts', 'every write of the first is refused'],
      ['lease-run.test.ts', 'kills the whole group when the writer is gone'],
    ],
  ],
  [
    'the lease that a lock is seen for, the kernel’s timer, the inventory check or the metadata guard',
    [
      { file: 'src/jobs/lock-watch.ts', from: 'at - sinceMs >= leaseMs', to: 'at - sinceMs >= 0' },
      { file: 'bin/lease-run', from: 'return unless $calls;', to: 'return;' },
      {
        file: 'src/worker/take-away.ts',
        from: 'if (isProvedEmpty(answer)) return\n',
        to: 'if (unansweredOf(answer).length === 0) return\n',
      },
      { file: 'src/worker/take-away.ts', from: 'assertSameMetadata(stored, entry.metadata)', to: '' },
    ],
    [
      ['lock.test.ts', 'believes no clock of the database'],
      ['lease-run.test.ts', 'ends its command while all of it is frozen'],
      ['failures.test.ts', 'whose leftovers the installer does not see'],
      ['failures.test.ts', 'of metadata that differs from the ledger'],
    ],
  ],
  [
    'the driver’s use of the lease',
    [{ file: 'src/worker/operation.ts', from: 'untilMs: lease.untilMs()', to: 'untilMs: 0' }],
    [['main-job.test.ts', 'has infraID and state in ledger']],
  ],
  [
    'the ledger-first order',
    [
      {
        file: 'src/worker/create.ts',
        from: /await operation\.fencedWithCluster\(\(tx\) => openEntry/,
        to: 'later.add = () => operation.fenced((tx) => openEntry',
      },
      {
        file: 'src/worker/create.ts',
        from: 'const steps:',
        to: 'const later: { add?: () => Promise<void> } = {}\nconst steps:',
      },
      { file: 'src/worker/create.ts', from: /if \(entries\.length !== 1 [^\n]*\n[^\n]*/, to: 'void entries' },
      { file: 'src/worker/create.ts', from: 'await keeper?.stop()', to: 'await later.add?.()' },
    ],
    [['main-job.test.ts', 'has infraID and state in ledger']],
  ],
])('without %s a test fails', { timeout: 180_000 }, async (_, mutations, tests) => {
  const copy = mkdtempSync(join(tmpdir(), 'ocpctl-mutation-'))
  try {
    for (const part of [
      'src',
      'cli',
      'docs',
      'test',
      'bin',
      'drizzle',
      'profiles',
      'package.json',
      'vitest.config.ts',
      'tsconfig.json',
    ])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    for (const mutation of mutations) {
      const path = join(copy, mutation.file)
      const text = readFileSync(path, 'utf8')
      const changed = text.replace(mutation.from, mutation.to)
      expect(changed, `${mutation.file} has no ${String(mutation.from)}`).not.toBe(text)
      writeFileSync(path, changed)
    }
    const child = spawn(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        ...new Set(tests.map(([file]) => `test/${file}`)),
        '-t',
        tests.map(([, name]) => name).join('|'),
        '--testTimeout=15000',
        '--reporter=json',
        '--outputFile=report.json',
      ],
      {
        cwd: copy,
        stdio: 'ignore',
        env: { ...process.env, TEST_DATABASE_URL: inject('serverUrl'), TEST_TEMPLATE: inject('template') },
      },
    )
    expect(await exitOf(child)).toBe(1)
    // The tests themselves failed: a copy that does not even load proves nothing.
    const report = JSON.parse(readFileSync(join(copy, 'report.json'), 'utf8'))
    expect(report).toMatchObject({ numFailedTests: tests.length, numPassedTests: 0 })
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
})
