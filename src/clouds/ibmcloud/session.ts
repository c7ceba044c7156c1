// One look into an account of IBM Cloud: who asks, where the services are, and how their lists are read.
import { z } from 'zod'
import { NotAnswered, type Environment } from '../asking.ts'
import type { InventoryQuery } from '../inventory.ts'
import { openRest } from '../rest.ts'

export type Endpoints = Readonly<{
  iam: string
  /** Resource Controller and Resource Manager. */
  resources: string
  search: string
  internetServices: string
  dnsServices: string
  vpc: (region: string) => string
}>

export type IbmCloudInventoryOptions = Readonly<{
  environment: Environment
  /** Default: the public ones. */
  endpoints?: Endpoints
  /** The time for one whole answer, retries included. Default one minute. */
  timeoutMs?: number
}>

/** Where the installer looks for the key. */
export const SIGN_IN = 'IC_API_KEY'

const publicEndpoints: Endpoints = {
  iam: 'https://iam.cloud.ibm.com',
  resources: 'https://resource-controller.cloud.ibm.com',
  search: 'https://api.global-search-tagging.cloud.ibm.com',
  internetServices: 'https://api.cis.cloud.ibm.com',
  dnsServices: 'https://api.dns-svcs.cloud.ibm.com',
  vpc: (region) => `https://${region}.iaas.cloud.ibm.com`,
}

const tokenShape = z.object({ access_token: z.string().min(1) })
const claimsShape = z.object({ account: z.object({ bss: z.string().min(1) }) })

/** All forms that the services have for a refusal. */
const errorShape = z.object({
  errorMessage: z.string().optional(),
  message: z.string().optional(),
  errors: z.array(z.object({ message: z.string(), code: z.union([z.string(), z.number()]).optional() })).optional(),
})

const readError = (body: unknown) => {
  const { errorMessage, message, errors } = errorShape.safeParse(body).data ?? {}
  return { text: errors?.[0]?.message ?? errorMessage ?? message, code: errors?.[0]?.code?.toString() }
}

/** `role`: what it takes to be told, such as `Viewer of is/volumes`. `more`: the parameters that lead to the next page. */
export type Listing<Page, Item> = {
  role: string
  url: string
  params?: Record<string, string>
  body?: Record<string, unknown>
  shape: z.ZodType<Page>
  items: (page: Page) => Item[]
  more: (page: Page) => Record<string, string> | undefined
}

export type Session = ReturnType<typeof openSession>

export function openSession(query: InventoryQuery, options: IbmCloudInventoryOptions) {
  const endpoints = options.endpoints ?? publicEndpoints
  let token: Promise<string> | undefined
  const rest = openRest({
    readError,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    async authorize(signal, isRefused) {
      if (isRefused) token = undefined
      token ??= signIn(endpoints.iam, options.environment[SIGN_IN], signal)
      const asked = token
      // Whoever asks next tries again.
      const given = await asked.catch((error: unknown) => {
        if (token === asked) token = undefined
        throw error
      })
      const account = accountOf(given)
      if (account !== undefined) rest.heard.account = account
      requireAccount(query, rest.heard.account)
      return { authorization: `Bearer ${given}` }
    },
  })

  return {
    query,
    endpoints,
    heard: rest.heard,
    close: rest.close,
    find: rest.find,
    remove: rest.remove,
    order: rest.order,

    /** Every item of every page. A page of another form is no answer. Throws NotAnswered. */
    list: async <Page, Item>(listing: Listing<Page, Item>): Promise<Item[]> => {
      const { role: permission, url, params = {}, body, shape, items, more } = listing
      // The links that the services give lack parameters without which they refuse, or lead elsewhere, so none is followed.
      const questionOf = (next: Record<string, string>) => ({
        permission,
        url: `${url}?${new URLSearchParams({ ...params, ...(body ? {} : next) }).toString()}`,
        ...(body ? { body: { ...body, ...next } } : {}),
      })
      let page: Page | undefined
      return rest.list(
        questionOf({}),
        (answer) => {
          page = shape.safeParse(answer).data
          return page && items(page)
        },
        () => {
          const next = page && more(page)
          return next && questionOf(next)
        },
      )
    },

    /** The account that the API key is of. It is known once anything was answered. */
    account: (): string => {
      const { account } = rest.heard
      if (account !== undefined) return account
      throw new NotAnswered(SIGN_IN, 'the token does not say of which account it is')
    },
  }
}

function accountOf(token: string): string | undefined {
  const [, claims = ''] = token.split('.')
  try {
    return claimsShape.safeParse(JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'))).data?.account.bss
  } catch {
    return undefined
  }
}

/** The API key is of another account than the profile. */
export class WrongAccount extends NotAnswered {}

/** In a wrong account everything looks empty. */
function requireAccount({ ibmcloud }: InventoryQuery, account: string | undefined): void {
  const wanted = ibmcloud?.account
  if (wanted !== undefined && wanted !== account)
    throw new WrongAccount(
      SIGN_IN,
      `the API key is of the account ${account}, and the profile is of ${wanted} (ibmcloud.account)`,
    )
}

/** Throws NotAnswered where another try is of no use. */
async function signIn(iam: string, apikey: string | undefined, signal: AbortSignal): Promise<string> {
  if (!apikey) throw new NotAnswered(SIGN_IN, 'there is no API key', { isDenied: true })
  const response = await fetch(`${iam}/identity/token`, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'urn:ibm:params:oauth:grant-type:apikey', apikey }).toString(),
    redirect: 'error',
    signal,
  })
  const body: unknown = await response.json().catch(() => undefined)
  const { data } = tokenShape.safeParse(body)
  if (response.ok && data) return data.access_token
  const why = `the sign-in answers ${response.status}${readError(body).text ? `: ${readError(body).text}` : ''}`
  if (response.status === 429 || response.status >= 500 || response.ok) throw new Error(why)
  throw new NotAnswered(SIGN_IN, why, { isDenied: true })
}
