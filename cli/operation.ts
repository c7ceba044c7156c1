// What the command line knows of an operation of the API. cli/build.ts reads it from docs/openapi.json.
export type FieldType = 'string' | 'number' | 'boolean' | 'time' | 'strings' | 'map' | 'other'

export type Field = {
  name: string
  in: 'path' | 'query' | 'body'
  type: FieldType
  required: boolean
  choices?: string[]
  /** Of a map: the keys that it may have, and those whose values are lists. */
  keys?: string[]
  lists?: string[]
  description?: string
}

export type Operation = {
  id: string
  method: string
  path: string
  summary: string
  fields: Field[]
  /** Whether it takes an Idempotency-Key. */
  keyed: boolean
  /** `file`: what it sends is neither JSON nor lines of text for people. */
  answers: 'list' | 'object' | 'file' | 'nothing'
  /** The name of the schema of what it answers, or of an item of the list. */
  shape?: string
  /** The properties of that schema, in its order. */
  properties: string[]
  /** Whether an answer may hold a job that goes on after it. */
  makesJob: boolean
  /** Whether it can answer with text/csv itself. */
  csv: boolean
}
