// Makes web/src/openapi.d.ts, the types of the API, from docs/openapi.json. It is made before each check, and never kept.
import { readFileSync, writeFileSync } from 'node:fs'
import openapiTS, { astToString } from 'openapi-typescript'

const text = readFileSync(new URL('../docs/openapi.json', import.meta.url), 'utf8')
// "This, or null" is written as both at once, which is nothing at all in TypeScript.
const document = JSON.parse(text, (_, value: unknown) => orNull(value)) as Parameters<typeof openapiTS>[0]
const nodes = await openapiTS(document, { defaultNonNullable: false })
writeFileSync(new URL('src/openapi.d.ts', import.meta.url), astToString(nodes))

function orNull(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('allOf' in value)) return value
  const { allOf, ...rest } = value
  const parts = allOf as object[] // as JSON Schema has it
  const isNullable = parts.some((part) => 'type' in part && Array.isArray(part.type) && part.type.includes('null'))
  return isNullable ? { ...rest, anyOf: [...parts.filter((part) => '$ref' in part), { type: 'null' }] } : value
}
