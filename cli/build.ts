// Makes cli/dist/ocpctl.mjs, the command line in one file. `npm ci` runs it: nothing that is built is in the repository,
// so that no two changes meet in a bundle, and no bundle is older than its source.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import type { Field, FieldType, Operation } from './operation.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

type Schema = {
  $ref?: string
  type?: string | string[]
  format?: string
  enum?: (string | null)[]
  anyOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: unknown
  description?: string
}
type Described = {
  operationId: string
  summary: string
  parameters?: { name: string; in: string; required?: boolean; schema: Schema; description?: string }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
}
type Document = { paths: Record<string, Record<string, Described>>; components: { schemas: Record<string, Schema> } }

/** The operations of an OpenAPI document, as the command line needs them. */
export function readOperations(document: Document): Operation[] {
  const named = (schema: Schema | undefined) => schema?.$ref?.split('/').at(-1)
  const resolve = (schema: Schema | undefined): Schema => {
    const name = named(schema)
    return (name === undefined ? schema : document.components.schemas[name]) ?? {}
  }
  const propertiesOf = (schema: Schema | undefined): string[] => {
    const { properties = {}, allOf = [] } = resolve(schema)
    return [...new Set([...allOf.flatMap(propertiesOf), ...Object.keys(properties)])]
  }
  const fieldOf = (
    name: string,
    where: Field['in'],
    required: boolean,
    schema: Schema,
    description?: string,
  ): Field => {
    const list = [schema, ...(schema.anyOf ?? [])].find((each) => each.type === 'array')
    const choices = (list?.items?.enum ?? schema.enum)?.filter((choice) => choice !== null)
    const said = description ?? schema.description
    const type = typeOf(schema, list)
    const properties = type === 'map' ? Object.entries(schema.properties ?? {}) : []
    const lists = properties.flatMap(([key, each]) => (each.type === 'array' ? [key] : []))
    return {
      name,
      in: where,
      type,
      required,
      ...(choices ? { choices } : {}),
      ...(properties.length > 0 ? { keys: properties.map(([key]) => key) } : {}),
      ...(lists.length > 0 ? { lists } : {}),
      ...(said === undefined ? {} : { description: said }),
    }
  }
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => {
      const body = operation.requestBody?.content['application/json']?.schema
      const good = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'))
      const content = good.flatMap(([, response]) => Object.entries(response.content ?? {}))
      const answers = content.filter(([type]) => type === 'application/json').map(([, { schema }]) => schema)
      const answer = answers[0]
      const items = resolve(answer).properties?.['items']
      const isList = items !== undefined && resolve(answer).properties?.['nextCursor'] !== undefined
      const shown = items?.items ?? answer
      const shape = named(shown)
      const parameters = operation.parameters ?? []
      return {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        summary: operation.summary,
        fields: [
          ...parameters
            .filter((parameter) => parameter.in === 'path' || parameter.in === 'query')
            .map((each) =>
              fieldOf(each.name, each.in as 'path', each.required ?? false, each.schema, each.description),
            ), // either, by the filter
          ...Object.entries(body?.properties ?? {}).map(([name, schema]) =>
            fieldOf(name, 'body', body?.required?.includes(name) ?? false, schema),
          ),
        ],
        keyed: parameters.some((parameter) => parameter.name === 'idempotency-key'),
        answers: content.length === 0 ? 'nothing' : answer === undefined ? 'file' : isList ? 'list' : 'object',
        ...(shape === undefined ? {} : { shape }),
        properties: propertiesOf(shown),
        makesJob:
          answers.some((schema) => named(schema) === 'Job' || resolve(schema).properties?.['job'] !== undefined) &&
          method !== 'get',
        csv: content.some(([type]) => type.startsWith('text/csv')),
      }
    }),
  )
}

function typeOf(schema: Schema, list: Schema | undefined): FieldType {
  if (list) return list.items?.type === 'string' ? 'strings' : 'other'
  const type = [schema.type].flat().find((each) => each !== 'null')
  if (schema.format === 'date-time') return 'time'
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'boolean') return 'boolean'
  if (schema.enum?.join() === 'true,false') return 'boolean'
  if (type === 'string') return 'string'
  const isText = (each: Schema) => each.type === 'string' || (each.type === 'array' && each.items?.type === 'string')
  return type === 'object' && Object.values(schema.properties ?? {}).every(isText) ? 'map' : 'other'
}

const operations: Plugin = {
  name: 'operations',
  setup(bundler) {
    bundler.onResolve({ filter: /^ocpctl:operations$/ }, ({ path }) => ({ path, namespace: 'operations' }))
    bundler.onLoad({ filter: /.*/, namespace: 'operations' }, () => {
      const document = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as Document // written by us
      return { contents: JSON.stringify(readOperations(document)), loader: 'json' }
    })
  },
}

const packed: Plugin = {
  name: 'packed',
  setup(bundler) {
    bundler.onResolve({ filter: /^packed:/ }, ({ path }) => ({
      path: path.slice('packed:'.length),
      namespace: 'packed',
    }))
    bundler.onLoad({ filter: /.*/, namespace: 'packed' }, async ({ path }) => {
      const { outputFiles } = await build({
        ...options,
        entryPoints: [path],
        plugins: [lateBuiltins, smallZod, sharedYaml],
        write: false,
      })
      const code = outputFiles?.[0]?.contents ?? new Uint8Array()
      const small = brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: code.length } })
      return { contents: small.toString('base64'), loader: 'text' }
    })
  },
}

/** The package exports its messages in fifty languages, which a bundler cannot leave out: 300 KB. */
const smallZod: Plugin = {
  name: 'small-zod',
  setup(bundler) {
    const home = join(ROOT, 'node_modules/zod/v4')
    bundler.onResolve({ filter: /^zod$/ }, () => ({ path: 'zod', namespace: 'small-zod' }))
    bundler.onLoad({ filter: /.*/, namespace: 'small-zod' }, () => ({
      contents: `export * as z from ${JSON.stringify(join(home, 'classic/parts.js'))}`,
      resolveDir: ROOT,
    }))
    bundler.onResolve({ filter: /classic\/parts\.js$/ }, () => ({ path: 'parts', namespace: 'zod-parts' }))
    bundler.onLoad({ filter: /.*/, namespace: 'zod-parts' }, () => ({
      contents: [
        `import { config } from ${JSON.stringify(join(home, 'core/index.js'))}`,
        `import english from ${JSON.stringify(join(home, 'locales/en.js'))}`,
        `config(english())`,
        ...['schemas', 'checks', 'errors', 'parse', 'compat'].map(
          (part) => `export * from ${JSON.stringify(join(home, `classic/${part}.js`))}`,
        ),
        `export * as coerce from ${JSON.stringify(join(home, 'classic/coerce.js'))}`,
        `export * as iso from ${JSON.stringify(join(home, 'classic/iso.js'))}`,
      ].join('\n'),
      resolveDir: ROOT,
    }))
  },
}

/** What is packed uses the YAML of the program around it. */
const sharedYaml: Plugin = {
  name: 'shared-yaml',
  setup(bundler) {
    bundler.onResolve({ filter: /^yaml$/ }, ({ kind }) =>
      kind === 'entry-point' ? undefined : { path: 'yaml', namespace: 'shared-yaml' },
    )
    bundler.onLoad({ filter: /.*/, namespace: 'shared-yaml' }, () => ({
      contents: `module.exports = globalThis[Symbol.for('ocpctl.yaml')]`,
    }))
  },
}

/** An import of Node's own modules stands at the top of a file, and loading `http` takes longer than Node's start. */
const lateBuiltins: Plugin = {
  name: 'late-builtins',
  setup(bundler) {
    bundler.onResolve({ filter: /.*/ }, ({ path }) => (isBuiltin(path) ? { path, namespace: 'builtin' } : undefined))
    bundler.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }))
  },
}

const options = {
  absWorkingDir: ROOT,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  legalComments: 'none',
} satisfies BuildOptions

/** Returns the path of the file. */
export async function buildCommandLine(file = join(ROOT, 'cli/dist/ocpctl.mjs')): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string } // ours
  const { outputFiles } = await build({
    ...options,
    entryPoints: ['cli/main.ts'],
    define: { OCPCTL_VERSION: JSON.stringify(version) },
    plugins: [lateBuiltins, operations, packed],
    write: false,
  })
  mkdirSync(dirname(file), { recursive: true })
  // Somebody may be running the old one.
  writeFileSync(`${file}.new`, outputFiles[0]?.contents ?? '', { mode: 0o755 })
  renameSync(`${file}.new`, file)
  return file
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await buildCommandLine()
