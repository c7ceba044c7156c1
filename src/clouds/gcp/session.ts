// One look into Google Cloud: whose it is, and its services by REST.
import { z } from 'zod'
import { NotAnswered, type Environment } from '../asking.ts'
import type { InventoryQuery } from '../inventory.ts'
import { openRest, type RestQuestion } from '../rest.ts'
import type { SignIn } from './sign-in.ts'

export type GcpInventoryOptions = {
  environment: Environment
  /** Every service is asked at this address instead of at Google. */
  endpoint?: string
  /** The time for one whole answer, retries included. Default one minute. */
  timeoutMs?: number
}

export type Labels = Record<string, string>
type Service = 'compute' | 'dns' | 'storage' | 'iam' | 'cloudresourcemanager' | 'file'

export const warning = z.looseObject({ code: z.string() }).optional()

/** What a page has beside its list. */
export const pageShape = {
  kind: z.string().optional(),
  id: z.string().optional(),
  etag: z.string().optional(),
  selfLink: z.string().optional(),
  nextPageToken: z.string().optional(),
  header: z.unknown().optional(),
  warning,
  unreachable: z.array(z.string()).default([]),
  unreachables: z.array(z.string()).default([]),
}

const errorBody = z.looseObject({
  error: z.looseObject({
    message: z.string().optional(),
    status: z.string().optional(),
    errors: z.array(z.looseObject({ reason: z.string().optional() })).optional(),
    details: z
      .array(
        z.looseObject({
          reason: z.string().optional(),
          metadata: z.record(z.string(), z.string()).optional(),
        }),
      )
      .optional(),
  }),
})

/** Some services tell by 403 that they are asked too much. */
const BUSY = /^(userRateLimitExceeded|rateLimitExceeded|RATE_LIMIT_EXCEEDED)$/

export type Session = Awaited<ReturnType<typeof openSession>>

export async function openSession(query: InventoryQuery, options: GcpInventoryOptions, signIn: SignIn) {
  const { project } = query
  if (project === undefined) throw new NotAnswered('gcp.project', 'the profile names no project')
  const universe = await signIn.findUniverse()
  const rest = openRest({
    authorize: signIn.authorize,
    readError,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  })
  const at = (service: Service, path: string, parameters: Record<string, string | undefined> = {}): string => {
    const url = new URL(`${options.endpoint ?? `https://${service}.${universe}`}${path}`)
    for (const [name, value] of Object.entries(parameters)) if (value) url.searchParams.set(name, value)
    return url.href
  }

  return {
    query,
    project,
    /** Where the network is, and where records may be. */
    networkProject: query.networkProject ?? project,
    projects: [...new Set([project, query.networkProject ?? project])],
    /** How a network's own URL begins in all that refers to it. */
    linkTo: (owner: string, path: string) => `https://www.${universe}/compute/v1/projects/${owner}/${path}`,
    heard: Object.assign(rest.heard, { account: project }),
    find: rest.find,
    listBy: rest.list,
    remove: rest.remove,
    order: rest.order,
    close: rest.close,
    at,

    /** Every item of every page, in one form. A page that tells of places which did not answer is none. */
    list: async <Item extends z.ZodType>(
      question: RestQuestion,
      list: string,
      item: Item,
    ): Promise<z.output<Item>[]> => {
      // Google leaves out a list that is empty. So a page is known by having nothing else than pages have.
      const form = z.strictObject({ ...pageShape, items: z.array(item).optional() })
      return rest.list<z.output<Item>>(
        question,
        (body) => {
          if (typeof body !== 'object' || body === null) return undefined
          const { [list]: items, ...rest } = body as Record<string, unknown> // an object
          const { data, error } = form.safeParse({ ...rest, ...(items === undefined ? {} : { items }) })
          if (!data) throw unknownForm(question, error)
          requireWhole(question, data)
          return data.items ?? []
        },
        (body) => nextPage(question, body),
      )
    },
  }
}

type Wholeness = { warning?: { code: string } | undefined; unreachable?: string[]; unreachables?: string[] }

/** Silence is told in a warning. Whatever it warns of but that there is nothing, may hide something. */
export function requireWhole({ permission }: RestQuestion, told: Wholeness): void {
  const { warning: warned, unreachable = [], unreachables = [] } = told
  const missing = [...unreachable, ...unreachables]
  if (missing.length > 0) throw new NotAnswered(permission, `the answer leaves out ${missing.slice(0, 5).join(', ')}`)
  if (warned && warned.code !== 'NO_RESULTS_ON_PAGE')
    throw new NotAnswered(permission, `the answer is not whole: ${warned.code}`)
}

export function unknownForm({ permission }: RestQuestion, error: z.ZodError): NotAnswered {
  const [issue] = error.issues
  const where = [...(issue?.path ?? []), ...(issue?.code === 'unrecognized_keys' ? issue.keys : [])].join('.')
  return new NotAnswered(permission, `the answer has not the form that is known, at "${where}"`)
}

export function nextPage(question: RestQuestion, body: unknown): RestQuestion | undefined {
  const token = (body as { nextPageToken?: string }).nextPageToken // a page that was parsed
  if (!token) return undefined
  const url = new URL(question.url)
  url.searchParams.set('pageToken', token)
  return { ...question, url: url.href }
}

function readError(body: unknown) {
  const { data } = errorBody.safeParse(body)
  if (!data) return {}
  const { message, status, errors = [], details = [] } = data.error
  const metadata = details.map((each) => each.metadata ?? {})
  const reasons = [...errors, ...details].flatMap(({ reason }) => reason ?? [])
  const isOff = reasons.includes('SERVICE_DISABLED') || reasons.includes('accessNotConfigured')
  const named =
    metadata.map((each) => each['permission']).find(Boolean) ??
    /'(\w+\.\w+\.\w+)'/.exec(message ?? '')?.[1] ??
    /have ([a-z]+\.\w+\.\w+) access/.exec(message ?? '')?.[1]
  return {
    text: [status ?? reasons[0], message].filter(Boolean).join(': ') || undefined,
    code: reasons[0] ?? status,
    permission: isOff ? serviceOff(metadata.map((each) => each['service']).find(Boolean)) : named,
    isBusy: reasons.some((reason) => BUSY.test(reason)),
  }
}

/** What it takes to be told, when a service is not switched on in the project. */
export const serviceOff = (service = 'a service'): string => `${service} is switched off`
