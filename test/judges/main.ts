// npm run judges [-- WORD …]: what others say of what this service makes, each a line: programs that share no code with
// it, of pinned versions, installed into a temporary directory. A word chooses the judges that have it in their name.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../../src/errors.ts'
import { aws } from './aws.ts'
import { descriptions } from './descriptions.ts'
import { documents } from './document.ts'
import { focus } from './focus.ts'
import { image } from './image.ts'
import { NotHere, type Judge } from './judge.ts'
import { clusterApi } from './cluster-api.ts'
import { compose, kubernetes } from './kubernetes.ts'
import { observability } from './metrics.ts'
import { oidc } from './oidc.ts'
import { schemathesis } from './schemathesis.ts'
import { stores } from './store.ts'

const say = (text: string) => process.stdout.write(`${text}\n`)
const words = process.argv.slice(2)
const judges: Judge[] = [...aws, ...descriptions, ...stores, ...documents, schemathesis, oidc, focus, clusterApi, ...kubernetes, compose, image, ...observability] // prettier-ignore
const chosen = judges.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
if (chosen.length === 0) say(`no judge has such a word in its name:\n  ${judges.map(({ name }) => name).join('\n  ')}`)
let misses = chosen.length === 0 ? 1 : 0

for (const { name, judge } of chosen) {
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-judge-'))
  try {
    const verdict = await judge(dir)
    misses += verdict.misses.length
    say(`${name}: ${verdict.held} held, ${verdict.misses.length} missed`)
    for (const miss of verdict.misses) say(`  ${miss.replaceAll('\n', '\n  ')}`)
  } catch (error) {
    if (error instanceof NotHere) say(`${name}: skipped, ${error.message}`)
    else {
      misses++
      say(`${name}: broke off: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`)
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
process.exitCode = misses > 0 ? 1 : 0
