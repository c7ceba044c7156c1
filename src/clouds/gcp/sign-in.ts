// Signs in at Google Cloud. Key files of service accounts and of users are changed for a token here, at the place that
// they name: google-auth-library always asks oauth2.googleapis.com, and the installer with the same file does not. That
// library does the rest: federated identities, impersonation, and the metadata server.
import { createPrivateKey } from 'node:crypto'
import type { ExternalAccountClientOptions } from 'google-auth-library'
import { SignJWT } from 'jose'
import { z } from 'zod'
import { messageOf } from '../../errors.ts'
import { uptimeMs } from '../../uptime.ts'
import { NotAnswered, type Environment } from '../asking.ts'
import { isSafeUrl } from '../rest.ts'
import { findKey, type Key } from './key.ts'

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const TOKEN_URI = 'https://oauth2.googleapis.com/token'
export const SIGN_IN = 'the credentials of Google Cloud'
const SIGN_IN_MS = 20_000
/** So much before its end a token is changed for a new one. */
const MARGIN_MS = 5 * 60_000

const tokenUri = z.string().default(TOKEN_URI)
const serviceAccountKey = z.looseObject({
  client_email: z.string(),
  private_key: z.string(),
  private_key_id: z.string().optional(),
  token_uri: tokenUri,
})
const userKey = z.looseObject({
  client_id: z.string(),
  client_secret: z.string(),
  refresh_token: z.string(),
  token_uri: tokenUri,
})
const tokenAnswer = z.looseObject({ access_token: z.string().min(1), expires_in: z.number() })
const tokenError = z.looseObject({ error: z.string(), error_description: z.string().optional() })

type Token = { text: string; endsAt: number }

export type SignIn = {
  /** The headers that say who asks. Throws NotAnswered when the credentials are not accepted. */
  authorize: (signal: AbortSignal, isRefused: boolean) => Promise<Record<string, string>>
  /** The domain of the services: googleapis.com but in sovereign clouds. */
  findUniverse: () => Promise<string>
}

export function openSignIn(environment: Environment): SignIn {
  let key: Promise<Key | undefined> | undefined
  let token: Promise<Token> | undefined
  const readKey = () => (key ??= findKey(environment))

  /** Questions at the same time share one token. */
  const currentToken = async (isRefused: boolean): Promise<Token> => {
    const known = isRefused ? undefined : await token?.catch(() => undefined)
    if (known && known.endsAt - MARGIN_MS > uptimeMs()) return known
    // The file may have been replaced.
    key = undefined
    const asked = (async () => fetchToken(await readKey()))()
    token = asked
    return asked
  }
  let waiting: Promise<Token> | undefined
  const shareToken = (isRefused: boolean) =>
    (waiting ??= currentToken(isRefused).finally(() => {
      waiting = undefined
    }))

  return {
    async authorize(signal, isRefused) {
      const { text } = await within(signal, shareToken(isRefused))
      const project = (await readKey())?.['quota_project_id']
      return {
        authorization: `Bearer ${text}`,
        ...(typeof project === 'string' ? { 'x-goog-user-project': project } : {}),
      }
    },
    async findUniverse() {
      return (await readKey())?.universe_domain ?? environment['GOOGLE_CLOUD_UNIVERSE_DOMAIN'] ?? 'googleapis.com'
    },
  }
}

async function fetchToken(key: Key | undefined): Promise<Token> {
  if (key?.type === 'service_account') return fetchServiceAccountToken(read(serviceAccountKey, key))
  if (key?.type === 'authorized_user') {
    const { client_id, client_secret, refresh_token, token_uri } = read(userKey, key)
    return postForToken(token_uri, { grant_type: 'refresh_token', client_id, client_secret, refresh_token })
  }
  return fetchTokenByLibrary(key)
}

function read<T>(form: z.ZodType<T>, key: Key): T {
  const parsed = form.safeParse(key)
  if (parsed.success) return parsed.data
  throw refusal(
    `the key file of type ${key.type} lacks ${parsed.error.issues.map(({ path }) => path.join('.')).join(', ')}`,
  )
}

async function fetchServiceAccountToken(key: z.infer<typeof serviceAccountKey>): Promise<Token> {
  const { client_email, private_key, private_key_id, token_uri } = key
  let assertion: string
  try {
    assertion = await new SignJWT({ scope: SCOPE })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(private_key_id ? { kid: private_key_id } : {}) })
      .setIssuer(client_email)
      .setAudience(token_uri)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(createPrivateKey(private_key))
  } catch {
    // What the parser says may hold parts of the key.
    throw refusal(`the private key of ${client_email} cannot be read`)
  }
  return postForToken(token_uri, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
}

/** Throws NotAnswered for a refusal, and what fetch throws. */
async function postForToken(url: string, form: Record<string, string>): Promise<Token> {
  if (!isSafeUrl(url)) throw refusal(`the key file's token_uri ${url} is not https`)
  const response = await fetch(url, {
    method: 'POST',
    headers: { accept: 'application/json' },
    body: new URLSearchParams(form),
    redirect: 'error',
    signal: AbortSignal.timeout(SIGN_IN_MS),
  })
  const body: unknown = await response.json().catch(() => undefined)
  const { data } = tokenAnswer.safeParse(body)
  if (response.ok && data) return { text: data.access_token, endsAt: uptimeMs() + data.expires_in * 1000 }
  const why = `${new URL(url).host} answers ${response.status}`
  if (response.status >= 500 || response.status === 429) throw new Error(`no sign-in: ${why}`)
  const told = tokenError.safeParse(body).data
  throw refusal(told ? `${why}: ${told.error}${told.error_description ? `, ${told.error_description}` : ''}` : why)
}

/** Without a key file it asks the metadata server of the machine. */
async function fetchTokenByLibrary(key: Key | undefined): Promise<Token> {
  const { Compute, ExternalAccountClient, GoogleAuth } = await import('google-auth-library')
  try {
    const client = key
      ? (ExternalAccountClient.fromJSON({ ...key, scopes: [SCOPE] } as ExternalAccountClientOptions) ?? // judged within
        (await new GoogleAuth({ credentials: key, scopes: SCOPE }).getClient()))
      : new Compute({ scopes: SCOPE })
    const { token } = await client.getAccessToken()
    if (!token) throw new Error('it gives no token')
    const endsInMs = (client.credentials.expiry_date ?? 0) - Date.now()
    return { text: token, endsAt: uptimeMs() + Math.max(0, endsInMs) }
  } catch (error) {
    throw refusal(messageOf(error), error)
  }
}

function refusal(why: string, cause?: unknown): NotAnswered {
  return new NotAnswered(SIGN_IN, `the credentials are not accepted: ${why.slice(0, 300)}`, {
    cause,
    isDenied: true,
  })
}

async function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const stopped = Promise.withResolvers<never>()
  const stop = () => stopped.reject(signal.reason)
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([promise, stopped.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
