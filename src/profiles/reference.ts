// What is generated from the schemas: the JSON Schema with which editors complete profiles, and the reference in
// docs/profiles.md between its two marks.
import { z } from 'zod'
import { profileSchema } from './profile.ts'
import { quotasSchema } from './quotas.ts'

type Node = {
  type?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  anyOf?: Node[]
  properties?: Record<string, Node>
  required?: string[]
  items?: Node
  additionalProperties?: Node | boolean
  minimum?: number
  maximum?: number
}

const BEGIN = '<!-- generated from the schema: fields -->'
const END = '<!-- end of what is generated -->'

export function profileJsonSchema(): string {
  const schema = z.toJSONSchema(profileSchema, { io: 'input', unrepresentable: 'any' })
  return `${JSON.stringify({ ...schema, title: 'ocpctl profile' }, null, 2)}\n`
}

/** The document with its reference generated from the schemas as they are now. Throws when it has lost its marks. */
export function withReference(document: string): string {
  const [before, rest] = document.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined)
    throw new Error(`docs/profiles.md needs the lines ${BEGIN} and ${END}`)
  const profile = listFields(nodeOf(profileSchema))
  const quotas = listFields(nodeOf(quotasSchema))
  return `${before}${BEGIN}\n\n### A profile\n\n${profile}\n\n### quotas.yaml\n\n${quotas}\n\n${END}${after}`
}

const nodeOf = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node // as its own standard has it

function listFields(node: Node, path: string[] = []): string {
  return Object.entries(node.properties ?? {})
    .flatMap(([key, field]) => {
      const here = [...path, key]
      const isRequired = node.required?.includes(key) ?? false
      const facts = [typeOf(field), isRequired ? 'required' : defaultOf(field)].filter(Boolean).join(', ')
      const line = `- \`${here.join('.')}\` (${facts})${field.description ? `: ${field.description}` : ''}`
      const children = listFields(field, here)
      const entries = field.items?.properties ? listFields(field.items, [...path, `${key}[]`]) : ''
      const values =
        typeof field.additionalProperties === 'object' ? listFields(field.additionalProperties, [...here, 'NAME']) : ''
      return [line, children, entries, values].filter(Boolean)
    })
    .join('\n')
}

function typeOf(node: Node): string {
  if (node.enum) return `one of ${node.enum.map((value) => `\`${String(value)}\``).join(', ')}`
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``
  if (node.anyOf) return node.anyOf.map(typeOf).join(' or ')
  switch (node.type) {
    case 'array':
      return `list of ${node.items ? typeOf(node.items) : 'anything'}`
    case 'integer':
    case 'number': {
      const range = [node.minimum, node.maximum].filter((limit) => limit !== undefined && Math.abs(limit) < 2 ** 52)
      return `${node.type === 'integer' ? 'whole number' : 'number'}${range.length === 2 ? ` from ${range.join(' to ')}` : ''}`
    }
    case 'boolean':
      return 'true or false'
    case 'object':
      return 'mapping'
    default:
      return 'text'
  }
}

function defaultOf({ default: value }: Node): string {
  if (value === undefined) return 'optional'
  return typeof value === 'object' && Object.keys(value ?? {}).length === 0
    ? 'optional'
    : `default \`${JSON.stringify(value)}\``
}
