// docs/openapi.json as others read it: generators of clients in three languages, whose output must compile, and a linter.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../harness.ts'
import { ask, installGo, installNode, installPython, openVerdict, run, type Judge } from './judge.ts'

const DOCUMENT = join(ROOT, 'docs/openapi.json')
const CODEGEN = '2.8.2'
const REDOCLY = `extends: [recommended-strict]
rules:
  info-license: off
  # The operations that fail in no way of their caller's, and those that answer with a page.
  operation-4xx-response: off
  # Every process is reached under the operator's own name.
  no-server-example.com: off
  # A status that is kept for what is to come has no schema yet.
  no-unused-components: off
`

const IMPORT_ALL = `import importlib, pkgutil, client
names = [m.name for m in pkgutil.walk_packages(client.__path__, 'client.')]
assert len(names) > 100, names
for name in names: importlib.import_module(name)`

export const documents: Judge[] = [
  {
    name: 'openapi-typescript 7.13.0, the document',
    async judge(dir) {
      const home = await installNode(dir, 'openapi-typescript@7.13.0', 'openapi-fetch@0.17.0', 'typescript@5.9.3')
      const verdict = openVerdict()
      const made = await ask(join(home, 'node_modules/.bin/openapi-typescript'), [DOCUMENT, '-o', join(home, 'api.d.ts')], { cwd: home }) // prettier-ignore
      verdict.hold('types are generated', made.code === 0, made.text)
      writeFileSync(
        join(home, 'client.ts'),
        `import createClient from 'openapi-fetch'
import type { components, paths } from './api'
const client = createClient<paths>({ baseUrl: 'http://localhost' })
export async function jobOf(id: string): Promise<components['schemas']['Job'] | null> {
  const { data, error } = await client.GET('/api/v1/clusters/{id}', { params: { path: { id } } })
  if (error) throw new Error(error.detail)
  return data.job
}
`,
      )
      const compiled = await ask(join(home, 'node_modules/.bin/tsc'), ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2022,dom', 'client.ts'], { cwd: home }) // prettier-ignore
      verdict.hold('a client with them compiles', compiled.code === 0, compiled.text)
      return verdict
    },
  },
  {
    name: `oapi-codegen ${CODEGEN}, the document`,
    async judge(dir) {
      const program = await installGo(dir, `github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v${CODEGEN}`)
      const home = join(dir, 'client')
      mkdirSync(home)
      const verdict = openVerdict()
      const made = await ask(program, ['-generate', 'types,client', '-package', 'client', '-o', join(home, 'client.go'), DOCUMENT]) // prettier-ignore
      verdict.hold('a client is generated', made.code === 0, made.text)
      if (made.code !== 0) return verdict
      writeFileSync(
        join(home, 'job.go'),
        `package client

func JobOf(answer GetClusterResponse) *Job { return answer.JSON200.Job }
`,
      )
      await run('go', ['mod', 'init', 'judged/client'], { cwd: home })
      await run('go', ['mod', 'edit', '-require', 'github.com/oapi-codegen/runtime@v1.9.0'], { cwd: home })
      await run('go', ['mod', 'tidy'], { cwd: home })
      const compiled = await ask('go', ['vet', './...'], { cwd: home })
      verdict.hold('it compiles', compiled.code === 0, compiled.text)
      return verdict
    },
  },
  {
    name: 'openapi-python-client 0.29.1, the document',
    async judge(dir) {
      const bin = await installPython(dir, 'openapi-python-client==0.29.1')
      const verdict = openVerdict()
      const home = join(dir, 'client')
      const made = await ask(join(bin, 'openapi-python-client'), ['generate', '--path', DOCUMENT, '--output-path', home, '--meta', 'none'], { env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } }) // prettier-ignore
      verdict.hold('a client is generated', made.code === 0, made.text)
      // It reads no answers but JSON, text and bytes, and leaves out what else an operation answers with.
      const warnings = made.text.split(/^(?=WARNING )/m).filter((each) => each.startsWith('WARNING ') && !each.includes('Unsupported content_type')) // prettier-ignore
      verdict.hold('nothing else is left out', warnings.length === 0, warnings.join(''))
      const imported = await ask(join(bin, 'python'), ['-W', 'error', '-c', IMPORT_ALL], { cwd: dir })
      verdict.hold('all of it compiles and can be imported', imported.code === 0, imported.text)
      return verdict
    },
  },
  {
    name: 'redocly 2.77.0, the document',
    async judge(dir) {
      const home = await installNode(dir, '@redocly/cli@2.77.0')
      writeFileSync(join(home, 'redocly.yaml'), REDOCLY)
      const told = await ask(join(home, 'node_modules/.bin/redocly'), ['lint', DOCUMENT, '--config', join(home, 'redocly.yaml'), '--format', 'stylish'], { cwd: home, env: { ...process.env, REDOCLY_TELEMETRY: 'off' } }) // prettier-ignore
      const verdict = openVerdict()
      verdict.hold('nothing is wrong with it', told.code === 0, told.text)
      return verdict
    },
  },
]
