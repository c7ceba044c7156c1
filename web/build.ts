// Makes web/dist: hashed files, each with its brotli beside it. Fails when a page costs its reader more than the budget.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import type { Rollup } from 'vite'

const HOME = fileURLToPath(new URL('.', import.meta.url))
const OUT = join(HOME, 'dist')
/** In bytes of brotli. */
const BUDGET = { firstScript: 110_000, firstStyle: 15_000, page: 30_000 }

// `npm ci --omit=dev` has nothing to build with; the container gets web/dist from a stage that has.
if (!existsSync(new URL('../node_modules/vite', import.meta.url))) {
  process.stdout.write('The console is not built: its development packages are not installed.\n')
  process.exit()
}
const { build } = await import('vite')
const result = (await build({
  root: HOME,
  logLevel: 'error',
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: 'es2023',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the policy allows no inline script or style
    reportCompressedSize: false,
  },
})) as Rollup.RollupOutput // one output, not watched

const sizes = new Map(result.output.map(({ fileName }) => [fileName, compress(fileName)]))
const scripts = result.output.filter((file) => file.type === 'chunk')
const byName = new Map(scripts.map((chunk) => [chunk.fileName, chunk]))
const entry = scripts.find(({ isEntry }) => isEntry)
if (!entry) throw new Error('the build has no entry')
const first = filesOf(entry.fileName)
const tooMuch = [
  ...over('the first load', first, '.js', BUDGET.firstScript),
  ...over('the first load', first, '.css', BUDGET.firstStyle),
]
for (const chunk of scripts.filter(({ isDynamicEntry }) => isDynamicEntry)) {
  const more = [...filesOf(chunk.fileName)].filter((file) => !first.has(file))
  tooMuch.push(...over(chunk.name, new Set(more), '', BUDGET.page))
}
if (tooMuch.length > 0) {
  process.stderr.write(`${tooMuch.join('\n')}\n`)
  process.exit(1)
}

function compress(name: string): number {
  const plain = readFileSync(join(OUT, name))
  const packed = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } })
  writeFileSync(join(OUT, `${name}.br`), packed)
  return packed.length
}

/** The chunk, all that it imports at once, and their styles. */
function filesOf(name: string, found = new Set<string>()): Set<string> {
  const chunk = byName.get(name)
  if (!chunk || found.has(name)) return found
  found.add(name)
  for (const style of chunk.viteMetadata?.importedCss ?? []) found.add(style)
  for (const imported of chunk.imports) filesOf(imported, found)
  return found
}

function over(what: string, files: Set<string>, ending: string, budget: number): string[] {
  const counted = [...files].filter((file) => file.endsWith(ending))
  const bytes = counted.reduce((sum, file) => sum + (sizes.get(file) ?? 0), 0)
  process.stdout.write(`${(bytes / 1000).toFixed(1).padStart(7)} kB of ${budget / 1000}  ${what} ${ending}\n`)
  return bytes > budget ? [`${what} has ${bytes} bytes ${ending}, and may have ${budget}: ${counted.join(', ')}`] : []
}
