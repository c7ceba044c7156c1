// Which servers there are and how to sign in to them: config.yaml, readable by its owner alone. A credential goes to the
// server that it was made for, and to no other.
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Failure } from './failure.ts'
import { changeFile, readIfThere } from './files.ts'
import { loadYaml } from './unpack.ts'

export type Auth =
  | { kind: 'token'; token: string }
  | { kind: 'oidc'; issuer: string; clientId: string; audience: string; token: string; refreshToken?: string }
  | { kind: 'aws'; serverId: string }
export type Context = { url: string; auth?: Auth }
export type Contexts = { current?: string; contexts: Record<string, Context> }

/** The environment, which only main.ts reads. */
export type Environment = Record<string, string | undefined>

export const configPath = (environment: Environment) =>
  join(environment['XDG_CONFIG_HOME'] || join(homeOf(environment), '.config'), 'ocpctl', 'config.yaml')

export const homeOf = (environment: Environment) => environment['HOME'] || environment['USERPROFILE'] || homedir()

export async function readContexts(environment: Environment): Promise<Contexts> {
  const path = configPath(environment)
  return parseContexts(path, await readIfThere(path))
}

export async function changeContexts(
  environment: Environment,
  change: (contexts: Contexts) => Promise<void> | void,
): Promise<void> {
  const path = configPath(environment)
  await changeFile(path, async (text) => {
    const contexts = await parseContexts(path, text)
    await change(contexts)
    const { stringify } = await loadYaml()
    return stringify(contexts, { lineWidth: 0 })
  })
}

async function parseContexts(path: string, text: string | undefined): Promise<Contexts> {
  if (text === undefined) return { contexts: {} }
  const { parse } = await loadYaml()
  const value: unknown = (() => {
    try {
      return parse(text)
    } catch {
      throw new Failure('usage', `${path} is not YAML: correct it, or delete it and sign in again`)
    }
  })()
  if (value === null) return { contexts: {} }
  const { contexts } = value as Partial<Contexts> // checked here
  if (
    typeof contexts !== 'object' ||
    contexts === null ||
    Object.values(contexts).some((each) => typeof each?.url !== 'string')
  )
    throw new Failure('usage', `${path} has no contexts with a url each: correct it, or delete it and sign in again`)
  return value as Contexts // written by changeContexts
}

/** Throws when a token would travel in clear over a network. Returns the URL without a slash at its end. */
export function checkUrl(text: string): string {
  if (!URL.canParse(text)) throw new Failure('usage', `"${text}" is no URL: it looks like https://ocpctl.example.com`)
  const url = new URL(text)
  if (url.username !== '' || url.password !== '')
    throw new Failure('usage', 'a URL has no password in it: use ocpctl login --token-stdin')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url)))
    throw new Failure(
      'usage',
      `${url.protocol}//${url.host} would send your token in clear: use https (plain http only works on this host)`,
    )
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

export const isLoopback = ({ hostname }: URL) =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)
