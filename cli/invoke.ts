// Calls one operation and shows what it answers: what nearly all commands do.
import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { v1, type Api, type Query } from './api.ts'
import type { Command } from './commands.ts'
import { columnsOf } from './columns.ts'
import { Failure } from './failure.ts'
import { readGiven, type Given } from './flags.ts'
import type { Operation } from './operation.ts'
import { isForPeople, print, printList, printObject, say, table, type Form, type Item, type Page } from './output.ts'
import { findCluster } from './resolve.ts'
import { confirm } from './terminal.ts'
import { showOperation, waitForJob } from './wait.ts'

export type Options = Record<string, unknown> & { output: Form; wait?: string | true; idempotencyKey?: string }

const PAGE = 200
const LIVE = 'PENDING CREATING READY SCALING HIBERNATING HIBERNATED RESUMING DESTROYING FAILED DESTROY_FAILED'.split(
  ' ',
)

export async function invoke(
  api: Api,
  operation: Operation,
  command: Command,
  places: string[],
  options: Options,
): Promise<void> {
  const given = await readGiven(operation, command, places, options)
  await nameClusters(api, operation, given)
  if (operation.id === 'requestCluster') await completeRequest(api, given)
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(given.path[name] ?? ''))
  if (operation.answers === 'list') return list(api, operation, path, given.query, options)
  if (command.confirm !== undefined && given.query['dryRun'] !== 'true' && options['yes'] !== true)
    await confirm(`${command.words} ${places.join(' ')}: ${command.confirm} Go on?`)
  if (operation.answers === 'file') return download(api, path, given.query, options)
  const isCsv = options.output === 'csv' && operation.csv
  const key = operation.keyed ? (options.idempotencyKey ?? randomUUID()) : undefined
  const answer = await api.send(operation.method, path, {
    query: given.query,
    key,
    ...(given.body === undefined ? {} : { body: given.body }),
    ...(isCsv ? { headers: { accept: 'text/csv' } } : {}),
  })
  if (isCsv) return print(await answer.text())
  const text = await answer.text()
  const value: unknown = text === '' ? undefined : JSON.parse(text)
  await show(api, operation, value, options)
}

async function show(api: Api, operation: Operation, value: unknown, options: Options): Promise<void> {
  const form = options.output
  if (value === undefined) return isForPeople(form) ? say('done') : undefined
  if (operation.id === 'createOperation' && 'id' in (value as object)) {
    const { id } = value as { id: string } // of an operation, and not of its preview
    if (options.wait !== undefined) return showOperation(api, id, options.wait, form)
    await printObject(form, value)
    return isForPeople(form) ? say(`it goes on by itself; follow it with \`ocpctl wait ${id}\``) : undefined
  }
  const { cluster, job } = submittedIn(operation, value)
  if (job === undefined) {
    await printObject(form, value, { shape: operation.shape ?? '' })
    if ((value as { allowed?: unknown }).allowed === false)
      throw new Failure('refused', 'this request would be refused: see the violations')
    return
  }
  const hint = `follow it with \`ocpctl logs -f ${job}\`, or wait with \`ocpctl wait ${job} --for job\``
  if (options.wait === undefined) {
    await printSubmitted(form, value, cluster)
    if (isForPeople(form)) say(hint)
    return
  }
  let failure: unknown
  const end = await waitForJob(api, job, options.wait, operation.id === 'cancelJob' ? 'CANCELLED' : 'SUCCEEDED').catch(
    (error: unknown) => {
      failure = error
    },
  )
  if (end === undefined && !(failure instanceof Failure && failure.exit === 'failed')) {
    await printSubmitted(form, value, cluster)
    throw failure
  }
  // The same shape as without waiting, with what has become of it.
  const ended = await api.json('GET', `${v1}/jobs/${job}`)
  const after =
    cluster === undefined ? ended : { cluster: await api.json('GET', `${v1}/clusters/${cluster}`), job: ended }
  await printSubmitted(form, after, cluster)
  if (failure !== undefined) throw failure
}

/** The ids in the answer of an operation that makes a job. */
function submittedIn(operation: Operation, value: unknown): { cluster?: string; job?: string } {
  if (!operation.makesJob || typeof value !== 'object' || value === null) return {}
  const { id, cluster, job } = value as { id?: string; cluster?: { id: string }; job?: { id: string } } // by its description
  if (job) return { job: job.id, ...(cluster ? { cluster: cluster.id } : {}) }
  return id?.startsWith('job_') === true ? { job: id } : {}
}

async function printSubmitted(form: Form, value: unknown, cluster: string | undefined): Promise<void> {
  const { cluster: shown } = value as { cluster?: Item } // as printed
  if (cluster === undefined || shown === undefined || !isForPeople(form)) return printObject(form, value)
  print(table([shown], columnsOf('Cluster', Object.keys(shown), form === 'wide')))
}

async function list(api: Api, operation: Operation, path: string, query: Query, options: Options): Promise<void> {
  const { output: form } = options
  const takesCursor = operation.fields.some(({ name }) => name === 'cursor')
  if (
    operation.id === 'listClusters' &&
    query['status'] === undefined &&
    options['all'] !== true &&
    query['asOf'] === undefined
  ) {
    query['status'] = LIVE
    say('destroyed clusters are left out; --all shows them')
  }
  // A page is enough for a person who looks. A program gets all of it.
  const most = options['limit'] === undefined ? (isForPeople(form) ? PAGE : 0) : Number(options['limit'])
  if (!Number.isInteger(most) || most < 0) throw new Failure('usage', '--limit takes a whole number; 0 is all')
  async function* pages(): AsyncGenerator<Page> {
    let cursor = options['cursor'] as string | undefined // an option with a value
    for (let count = 0; ;) {
      const limit = most === 0 ? PAGE : Math.min(PAGE, most - count)
      const paging = takesCursor ? { limit: String(limit), ...(cursor === undefined ? {} : { cursor }) } : {}
      const page: Page = await api.json('GET', path, { query: { ...query, ...paging } })
      yield page
      count += page.items.length
      if (page.nextCursor === null || !takesCursor) return
      cursor = page.nextCursor
      if (most > 0 && count >= most)
        return say(`${count} are shown and there are more: --limit 0 for all, or --cursor ${cursor} for the next`)
    }
  }
  await printList(form, operation.shape ?? '', operation.properties, pages())
}

async function download(api: Api, path: string, query: Query, options: Options): Promise<void> {
  const file = options['file'] as string | undefined // an option with a value
  if (file === undefined && process.stdout.isTTY && !path.endsWith('/export'))
    throw new Failure('usage', 'this is no text for a terminal: say where it goes with --file NAME')
  const answer = await api.send('GET', path, { query, headers: { accept: '*/*' } })
  const { body } = answer
  // What is downloaded holds credentials.
  if (file !== undefined) await pipeline(body, createWriteStream(file, { mode: 0o600, flags: 'wx' }))
  else await pipeline(body, process.stdout, { end: false })
}

/** Clusters are named by id or name wherever an id is asked for. */
async function nameClusters(api: Api, operation: Operation, given: Given): Promise<void> {
  const { path, query } = given
  if (operation.path.startsWith(`${v1}/clusters/{id}`) && path['id'] !== undefined)
    path['id'] = await findCluster(api, path['id'])
  for (const name of ['clusterId', 'cluster'])
    if (typeof query[name] === 'string') query[name] = await findCluster(api, query[name])
  const ids = given.body?.['ids']
  if (Array.isArray(ids))
    given.body = { ...given.body, ids: await Promise.all(ids.map((id) => findCluster(api, String(id)))) }
}

/** A profile is of one platform, so nobody need say both. A key comes from a file. */
async function completeRequest(api: Api, given: Given): Promise<void> {
  const body = given.body ?? {}
  if (body['profile'] === undefined)
    throw new Failure('usage', 'say which profile: --profile NAME; `ocpctl profile list` shows them')
  const { profile } = body
  if (body['platform'] === undefined && typeof profile === 'string') {
    const { platform } = await api.json('GET', `${v1}/profiles/${encodeURIComponent(profile)}`)
    given.body = { ...body, platform }
  }
}
