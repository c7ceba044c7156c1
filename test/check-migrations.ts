// Fails when the schema says something that the committed migrations do not. Snapshots are compared: drizzle-kit itself asks
// about a renamed column, and without a terminal it prints an error, writes nothing and ends with 0.
import { readdirSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { generateDrizzleJson } from 'drizzle-kit/api'
import config from '../drizzle.config.ts'

/** The places where the tables differ from the newest snapshot, as paths into it. */
export function findDrift(schema: Record<string, unknown>, snapshot: object): string[] {
  const of = (json: object) => ({ ...json, id: '', prevId: '' })
  return compare(JSON.parse(JSON.stringify(of(generateDrizzleJson(schema)))), of(snapshot), '')
}

function compare(now: unknown, then: unknown, path: string): string[] {
  if (typeof now !== 'object' || typeof then !== 'object' || now === null || then === null)
    return Object.is(now, then) ? [] : [path]
  const [a, b] = [now as Record<string, unknown>, then as Record<string, unknown>] // of JSON
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    compare(a[key], b[key], `${path}/${key}`),
  )
}

export async function readSchema(): Promise<Record<string, unknown>> {
  const files = [config.schema ?? []].flat()
  const modules = await Promise.all(files.map((file) => import(pathToFileURL(file).href) as Promise<object>))
  return Object.assign({}, ...modules) as Record<string, unknown> // what the files export
}

export function readNewestSnapshot(): object {
  const name = readdirSync('drizzle/meta').filter((each) => each.endsWith('_snapshot.json')).sort().at(-1) // prettier-ignore
  return JSON.parse(readFileSync(`drizzle/meta/${name}`, 'utf8')) as object // drizzle-kit's own file
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const drift = findDrift(await readSchema(), readNewestSnapshot())
  if (drift.length > 0) {
    const shown = drift.slice(0, 10).map((path) => `  ${path}\n`)
    process.stderr.write(
      `the schema differs from drizzle/, run \`npm run db:generate -- --name WHAT_CHANGES\` at a terminal and commit it:\n${shown.join('')}`,
    )
    process.exitCode = 1
  }
}
