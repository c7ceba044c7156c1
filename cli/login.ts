// Signing in to a server, and out again; which servers there are.
import { text } from 'node:stream/consumers'
import { openApi, reasonOf, v1 } from './api.ts'
import { changeContexts, checkUrl, readContexts, type Auth, type Environment } from './contexts.ts'
import { Failure } from './failure.ts'
import { ask } from './http.ts'
import type { Issuer } from './oidc.ts'
import { isForPeople, print, printObject, say, type Form } from './output.ts'

export type LoginOptions = {
  output: Form
  as?: string
  tokenStdin?: boolean
  device?: boolean
  browser?: boolean
  aws?: boolean
  serverId?: string
  issuer?: string
  clientId?: string
}
/** What a server says of the ways in. */
type Ways = { version: string; oidc: Issuer | null; aws: { serverId: string } | null }

export async function login(environment: Environment, given: string | undefined, options: LoginOptions): Promise<void> {
  const { contexts, current } = await readContexts(environment)
  const kept = options.as === undefined ? undefined : contexts[options.as]?.url
  const url =
    given ?? (environment['OCPCTL_URL'] || kept || (current === undefined ? undefined : contexts[current]?.url))
  if (url === undefined) throw new Failure('usage', 'say which server: ocpctl login https://ocpctl.example.com')
  const server = checkUrl(url)
  const name =
    options.as ?? Object.keys(contexts).find((each) => contexts[each]?.url === server) ?? new URL(server).host
  const auth = await signIn(environment, server, options)
  // Nothing is kept that does not let one in.
  const api = openApi({
    url: server,
    context: undefined,
    token: () => tokenOf(environment, auth),
    renew: async () => false,
  })
  const caller = await api.json('GET', `${v1}/whoami`)
  await changeContexts(environment, (config) => {
    config.contexts[name] = { ...config.contexts[name], url: server, auth }
    config.current = name
  })
  say(`signed in to ${server} as ${caller.principal.type} ${caller.principal.id}; the context is ${name}`)
  if (!isForPeople(options.output)) await printObject(options.output, caller)
}

const tokenOf = async (environment: Environment, auth: Auth): Promise<string> =>
  auth.kind === 'aws' ? (await import('./aws.ts')).makeAwsToken(environment, auth.serverId) : auth.token

async function signIn(environment: Environment, server: string, options: LoginOptions): Promise<Auth> {
  if (options.tokenStdin === true) {
    const token = (await text(process.stdin)).trim()
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Failure('usage', 'standard input holds no token')
    return { kind: 'token', token }
  }
  const ways = await waysOf(server)
  if (options.aws === true) {
    const serverId = options.serverId ?? ways.aws?.serverId
    if (serverId === undefined) throw new Failure('usage', `${server} does not take AWS identities`)
    return { kind: 'aws', serverId }
  }
  if (ways.oidc === null)
    throw new Failure(
      'usage',
      `${server} has no OpenID Connect issuer: make a token there and use \`ocpctl login ${server} --token-stdin < token.txt\`${ways.aws === null ? '' : ', or --aws'}`,
    )
  const issuer = {
    ...ways.oidc,
    ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
    ...(options.clientId === undefined ? {} : { clientId: options.clientId }),
  }
  const oidc = await import('./oidc.ts')
  // Without a terminal, or over SSH, the browser is somewhere else.
  const isHere = process.stderr.isTTY && !environment['SSH_CONNECTION']
  const byBrowser = options.browser ?? (options.device === true ? false : isHere)
  return byBrowser ? oidc.signInByBrowser(issuer) : oidc.signInByDevice(issuer)
}

async function waysOf(server: string): Promise<Ways> {
  const address = `${server}/.well-known/ocpctl.json`
  const answer = await ask(new URL(address), { method: 'GET' }).catch((error: unknown) => {
    throw new Failure('unreachable', `${server} cannot be reached: ${reasonOf(error)}`)
  })
  const ways = answer.ok ? waysIn(await answer.text()) : undefined
  if (ways?.version === undefined)
    throw new Failure(
      'usage',
      `${address} answers ${answer.status}: is this an ocpctl server? --token-stdin works without it`,
    )
  const [major, minor] = ways.version.split('.')
  if (!OCPCTL_VERSION.startsWith(`${major}.${minor}.`))
    say(
      `the server has version ${ways.version} and this is ${OCPCTL_VERSION}: take the one from ${server}/downloads/ocpctl.mjs`,
    )
  return ways
}

function waysIn(text: string): Ways | undefined {
  try {
    return JSON.parse(text) as Ways // what it says is looked at before it is used
  } catch {
    return undefined
  }
}

export async function logout(environment: Environment, as: string | undefined): Promise<void> {
  await changeContexts(environment, ({ contexts, current }) => {
    const context = contexts[as ?? current ?? '']
    if (context === undefined)
      throw new Failure('usage', as === undefined ? 'you are not signed in' : `there is no context "${as}"`)
    delete context.auth
  })
  say('signed out: the credential is gone from this host')
}

export async function listContexts(environment: Environment, form: Form): Promise<void> {
  const { contexts, current } = await readContexts(environment)
  const items = Object.entries(contexts).map(([name, { url, auth }]) => ({
    name,
    url,
    signedInBy: auth?.kind ?? null,
    current: name === current,
  }))
  if (isForPeople(form) && items.length === 0) return say('no server is known: ocpctl login https://…')
  await printObject(form, { items })
}

export async function useContext(environment: Environment, name: string): Promise<void> {
  await changeContexts(environment, (config) => {
    if (!Object.hasOwn(config.contexts, name))
      throw new Failure('usage', `there is no context "${name}": ocpctl context list shows them`)
    config.current = name
  })
}

export async function removeContext(environment: Environment, name: string): Promise<void> {
  await changeContexts(environment, (config) => {
    if (!Object.hasOwn(config.contexts, name))
      throw new Failure('usage', `there is no context "${name}": ocpctl context list shows them`)
    delete config.contexts[name]
    if (config.current === name) delete config.current
  })
}

/** For a program that speaks HTTP itself: `curl -H "authorization: Bearer $(ocpctl token)"`. */
export const printToken = async (token: () => Promise<string>): Promise<void> => print(`${await token()}\n`)
