// Prefixed, time-ordered identifiers (TypeID: a prefix and a UUIDv7 in base 32). pg-boss wants the bare UUID.
import { fromString, toUUID, typeidUnboxed } from 'typeid-js'

export type IdPrefix = 'clu' | 'job' | 'att' | 'art' | 'tok' | 'evt' | 'rbm' | 'lek' | 'fnd'

export const newId = (prefix: IdPrefix): string => typeidUnboxed(prefix)

export const uuidOf = (id: string): string => toUUID(fromString(id))

export const idPattern = (prefix: IdPrefix): RegExp => new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`)
