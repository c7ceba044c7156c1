// `api METHOD PATH`: any request, for what has no command.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { v1, type Api } from './api.ts'
import { Failure } from './failure.ts'
import { print, printObject, type Form } from './output.ts'
import { loadYaml } from './unpack.ts'

export async function callApi(
  api: Api,
  method: string,
  path: string,
  options: { output: Form; from?: string; idempotencyKey?: string },
): Promise<void> {
  const verb = method.toUpperCase()
  if (!/^[A-Z]+$/.test(verb)) throw new Failure('usage', `"${method}" is no method: GET, POST, PUT, PATCH or DELETE`)
  if (!path.startsWith('/'))
    throw new Failure('usage', `a path begins with a slash, as in /clusters; "${path}" does not`)
  const whole = /^\/(api|healthz|readyz|metrics|openapi\.json|\.well-known|downloads)\b/.test(path)
    ? path
    : `${v1}${path}`
  const body = options.from === undefined ? undefined : await readBody(options.from)
  const answer = await api.send(verb, whole, {
    ...(body === undefined ? {} : { body }),
    key: verb === 'POST' ? (options.idempotencyKey ?? randomUUID()) : undefined,
    headers: { accept: '*/*' },
  })
  const isJson = answer.headers['content-type']?.startsWith('application/json') === true
  if (!isJson) {
    await pipeline(answer.body, process.stdout, { end: false })
    return
  }
  const text = await answer.text()
  if (options.output === 'table') print(`${text}\n`)
  else await printObject(options.output, JSON.parse(text))
}

async function readBody(file: string): Promise<unknown> {
  const { parse } = await loadYaml()
  try {
    return parse(readFileSync(file === '-' ? 0 : file, 'utf8'))
  } catch (error) {
    throw new Failure(
      'usage',
      `${file} cannot be read as JSON or YAML: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}
