// Operations over many clusters: what is asked, what it would come to, and the words for what it does.
import { api, keyed, take, type Schemas } from './api'
import { count } from './money'
import type { operations } from './openapi'

export type Operation = Schemas['Operation']
export type Preview = Schemas['OperationPreview']
type Body = operations['createOperation']['requestBody']['content']['application/json']
export type Verb = Body['verb']
/** What is meant: these clusters, or all that are found by this. */
export type Target = Pick<Body, 'ids' | 'filter'>

/** The answer of a dry run is never the operation itself. */
export const previewOf = (body: Body) =>
  take(api.POST('/api/v1/operations', { params: { query: { dryRun: 'true' }, header: {} }, body })).then((answer) => {
    if (!('matched' in answer)) throw new Error('a dry run was answered with an operation')
    return answer
  })

export const submitOperation = (body: Body, key: string) =>
  take(api.POST('/api/v1/operations', { params: { header: keyed(key) }, body })).then((answer) => {
    if (!('id' in answer)) throw new Error('an operation was answered with its preview')
    return answer
  })

const titles: Record<Verb, string> = {
  destroy: 'Destroy',
  extend: 'Move the end of',
  retry: 'Try again with',
  cancel: 'Cancel the jobs of',
}
/** undefined: the number is not known yet. */
export const titleOf = (verb: Verb, number: number | undefined): string =>
  `${titles[verb]} ${number === undefined ? '…' : count(number)} ${number === 1 ? 'cluster' : 'clusters'}`

/** An effect that the API has and that is missing here does not compile. */
export const effects: Record<Preview['effects'][number]['effect'], string> = {
  'destroy-begins': 'destroyed',
  'destroy-under-way': 'being destroyed already',
  'end-later': 'with a later end',
  'end-earlier': 'with an earlier end',
  'create-again': 'installed again',
  'destroy-again': 'destroyed again, where it failed',
  'create-cancelled': 'not installed further, and taken away',
  'destroy-cancelled': 'not destroyed further for now',
}
