// The forms in which clouds and secrets of Kubernetes hand out credentials, and what an installer needs to find each.
// Pure. A value is never repeated in a message.
import { z } from 'zod'
import type { Platform } from '../vocabulary.ts'

/** The entry is not there, or cannot be used. The message says what to do. */
export class EntryProblem extends Error {
  override readonly name = 'EntryProblem'
}

/** What one file of an entry holds. */
export type Piece = {
  path: string
  platform: Platform
  variables: Record<string, string>
  secrets: string[]
  /** Of a file of AWS. Which one counts is decided for the whole entry. */
  profiles?: string[]
  /** In Azure, where the credentials alone say it. */
  subscription?: string
}

const FORMS =
  'osServicePrincipal.json of Azure, the JSON key of a Google account, the credentials or config file of AWS, an API key of IBM Cloud, or lines of KEY=value'

/** By the name of a variable or of a secret's key, in lower case. */
const known: Record<string, { platform: Platform; variable: string }> = {
  aws_access_key_id: { platform: 'aws', variable: 'AWS_ACCESS_KEY_ID' },
  aws_secret_access_key: { platform: 'aws', variable: 'AWS_SECRET_ACCESS_KEY' },
  aws_session_token: { platform: 'aws', variable: 'AWS_SESSION_TOKEN' },
  ic_api_key: { platform: 'ibmcloud', variable: 'IC_API_KEY' },
  ibmcloud_api_key: { platform: 'ibmcloud', variable: 'IC_API_KEY' },
  apikey: { platform: 'ibmcloud', variable: 'IC_API_KEY' },
}

const word = z.string().min(1)
const jsonForm = z.union([
  z.object({ subscriptionId: word, tenantId: word }).transform(({ subscriptionId }) => ({ subscriptionId })),
  z.object({ type: z.enum(['service_account', 'authorized_user', 'external_account', 'external_account_authorized_user', 'impersonated_service_account']) }), // prettier-ignore
  z.object({ apikey: word }),
])
const SECRET_KEY = /secret|password|private_?key$|token$|api_?key/i

/** undefined: the file is none that is known, such as one that another one refers to. Throws EntryProblem. */
export function readPiece(path: string, text: string, isOfFolder: boolean): Piece | undefined {
  const trimmed = text.trim()
  if (trimmed.startsWith('{')) return readJson(path, trimmed)
  const lines = trimmed.split(/\r?\n/).filter((line) => !/^\s*([#;]|$)/.test(line))
  if (lines.some((line) => SECTION.test(line))) return readIni(path, lines)
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase()
  const own = isOfFolder ? known[name] : undefined
  if (own && lines.length === 1) return pieceOf(path, [[own, trimmed]])
  if (lines.length > 0 && lines.every((line) => ASSIGNMENT.test(line))) return readAssignments(path, lines)
  const isKey = !isOfFolder && lines.length === 1 && /^[\w-]{20,}$/.test(trimmed)
  return isKey ? pieceOf(path, [[{ platform: 'ibmcloud', variable: 'IC_API_KEY' }, trimmed]]) : undefined
}

function readJson(path: string, text: string): Piece | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new EntryProblem(`${path} begins as JSON and is none`)
  }
  const { data } = jsonForm.safeParse(value)
  if (!data) return undefined
  const secrets = Object.entries(value as object).flatMap(([key, each]) =>
    // an object, as its form tells
    typeof each === 'string' && SECRET_KEY.test(key) ? [each] : [],
  )
  if ('subscriptionId' in data)
    return { path, platform: 'azure', variables: { AZURE_AUTH_LOCATION: path }, secrets, subscription: data.subscriptionId.toLowerCase() } // prettier-ignore
  if ('type' in data) return { path, platform: 'gcp', variables: { GOOGLE_APPLICATION_CREDENTIALS: path }, secrets }
  return { path, platform: 'ibmcloud', variables: { IC_API_KEY: data.apikey }, secrets }
}

const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/

function readAssignments(path: string, lines: string[]): Piece {
  const pairs = lines.map((line): [(typeof known)[string], string] => {
    const [, name = '', value = ''] = ASSIGNMENT.exec(line) ?? []
    const own = known[name.toLowerCase()]
    if (!own)
      throw new EntryProblem(
        `${path} has ${name}, which is none of ${Object.values(known).map(({ variable }) => variable).join(', ')}: a role or a token file of AWS stands in a config file`, // prettier-ignore
      )
    return [own, value.replace(/^(['"])(.*)\1$/, '$2')]
  })
  return pieceOf(path, pairs)
}

function pieceOf(path: string, pairs: [(typeof known)[string], string][]): Piece {
  const [platform, other] = new Set(pairs.map(([own]) => own.platform))
  if (!platform || other) throw new EntryProblem(`${path} is of ${platform} and of ${other}: an entry is of one cloud`)
  const named = pairs.map(([{ variable }, value]): [string, string] => [variable, value])
  const secrets = named.flatMap(([variable, value]) => (variable === 'AWS_ACCESS_KEY_ID' ? [] : [value]))
  return { path, platform, variables: Object.fromEntries(named), secrets }
}

const SECTION = /^\s*\[\s*([^\]]+?)\s*\]/
/** What would lead to credentials that are not the entry's own: a program, a person's sign-in, the worker's variables. */
const ELSEWHERE = /^\s*(credential_process|sso_\w+|login_session)\s*=|^\s*credential_source\s*=\s*(Environment|EcsContainer)/i // prettier-ignore

function readIni(path: string, lines: string[]): Piece {
  const elsewhere = lines.map((line) => ELSEWHERE.exec(line)?.[0].trim().replace(/\s*=$/, '')).find(Boolean)
  if (elsewhere)
    throw new EntryProblem(
      `${path} has ${elsewhere}, which leads to credentials that are not its own: it takes keys, a role with source_profile, or a web identity token`,
    )
  const variable = /config/i.test(path.slice(path.lastIndexOf('/') + 1)) ? 'AWS_CONFIG_FILE' : CREDENTIALS_FILE
  const secrets = lines.flatMap(
    (line) => /^\s*aws_(?:secret_access_key|session_token)\s*=\s*(\S+)/i.exec(line)?.[1] ?? [],
  )
  const sections = lines.flatMap((line) => SECTION.exec(line)?.[1] ?? [])
  const profiles = sections.flatMap((each) =>
    /^(sso-session|services)\s/.test(each) ? [] : [each.replace(/^profile\s+/, '')],
  )
  return { path, platform: 'aws', variables: { [variable]: path }, secrets, profiles }
}

const CREDENTIALS_FILE = 'AWS_SHARED_CREDENTIALS_FILE'

/** All of an entry together. Throws EntryProblem. */
export function joinPieces(name: string, path: string, pieces: Piece[]): Omit<Piece, 'path' | 'profiles'> {
  const [first] = pieces
  if (!first) throw new EntryProblem(`${path} holds nothing that is known: it takes ${FORMS}`)
  const { platform } = first
  const variables: Record<string, string> = {}
  const profiles = pieces.flatMap((piece) => piece.profiles ?? [])
  for (const { platform: other, variables: more, path: file } of pieces) {
    if (other !== platform)
      throw new EntryProblem(`${path} is of ${platform} and of ${other}: an entry is of one cloud`)
    for (const [variable, value] of Object.entries(more)) {
      if (Object.hasOwn(variables, variable))
        throw new EntryProblem(`${file} says again what another file of ${path} says`)
      variables[variable] = value
    }
  }
  const { subscription } = first
  return {
    platform,
    variables: platform === 'aws' ? joinAws(name, path, variables, profiles) : variables,
    secrets: pieces.flatMap(({ secrets }) => secrets),
    ...(subscription === undefined ? {} : { subscription }),
  }
}

function joinAws(name: string, path: string, variables: Record<string, string>, profiles: string[]) {
  const file = variables[CREDENTIALS_FILE] ?? variables['AWS_CONFIG_FILE']
  const hasKeys = variables['AWS_ACCESS_KEY_ID'] !== undefined && variables['AWS_SECRET_ACCESS_KEY'] !== undefined
  if (file === undefined) {
    if (hasKeys) return variables
    throw new EntryProblem(`${path} lacks one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`)
  }
  if (Object.keys(variables).some((each) => known[each.toLowerCase()]))
    throw new EntryProblem(`${path} has keys beside a file of AWS: only one of both can count`)
  const own = [name, 'default', ...(new Set(profiles).size === 1 ? profiles : [])].find((each) => profiles.includes(each)) // prettier-ignore
  if (own === undefined)
    throw new EntryProblem(`${path} has the profiles ${[...new Set(profiles)].join(', ')}: name one default, or ${name} as the entry`) // prettier-ignore
  // Without the second one the file of the user would be read beside it.
  return { [CREDENTIALS_FILE]: file, AWS_CONFIG_FILE: file, ...variables, AWS_PROFILE: own }
}
