// Fails when the schema says something that the committed migrations do not.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

const copy = mkdtempSync(join(tmpdir(), 'ocpctl-migrations-'))
try {
  cpSync('drizzle', copy, { recursive: true })
  const before = readdirSync(copy)
  const options = [
    'generate',
    '--dialect',
    'postgresql',
    '--schema',
    'src/db/schema.ts',
    '--out',
    relative(process.cwd(), copy),
  ]
  execFileSync('drizzle-kit', options, { stdio: 'pipe' })
  const added = readdirSync(copy).filter((name) => !before.includes(name))
  if (added.length > 0) {
    process.stderr.write(
      'src/db/schema.ts is ahead of drizzle/: run `npm run db:generate -- --name WHAT_CHANGES` and commit it\n',
    )
    process.exitCode = 1
  }
} finally {
  rmSync(copy, { recursive: true })
}
