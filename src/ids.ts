// Prefixed, time-ordered identifiers (TypeID: a prefix and a UUIDv7 in base 32). pg-boss wants the bare UUID.
import { fromString, fromUUID, toUUID, typeidUnboxed } from 'typeid-js'

export type IdPrefix =
  | 'clu'
  | 'job'
  | 'att'
  | 'art'
  | 'tok'
  | 'evt'
  | 'rbm'
  | 'lek'
  | 'fnd'
  | 'ins'
  | 'msg'
  | 'whk'
  | 'dlv'
  | 'wrk'
  | 'ops'
  | 'crt'
  | 'pau'

export const newId = (prefix: IdPrefix): string => typeidUnboxed(prefix)

export const uuidOf = (id: string): string => toUUID(fromString(id))

/** The least id of a millisecond: every id that was made in it or later comes after. */
export function firstIdAt(prefix: IdPrefix, at: Date): string {
  const hex = Math.max(0, at.getTime()).toString(16).padStart(12, '0')
  return fromUUID(`${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`, prefix).toString()
}

export const idPattern = (prefix: IdPrefix): RegExp => new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`)
