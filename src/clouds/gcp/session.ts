// One look into Google Cloud: whose it is, and its services by REST.
import { z } from 'zod'
import { NotAnswered } from '../asking.ts'
import type { InventoryQuery } from '../inventory.ts'
import { openRest, type RestQuestion } from '../rest.ts'
import type { Environment } from './key.ts'
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

/** Google leaves out a list that is empty. So what is no list must be known by everything else that a page may have. */
const page = <Item extends z.ZodType>(list: string, item: Item) =>
  z.strictObject({
    [list]: z.array(item).optional(),
    kind: z.string().optional(),
    id: z.string().optional(),
    etag: z.string().optional(),
    selfLink: z.string().optional(),
    nextPageToken: z.string().optional(),
    header: z.unknown().optional(),
    warning: z.looseObject({ code: z.string() }).optional(),
    unreachable: z.array(z.string()).optional(),
    unreachables: z.array(z.string()).optional(),
  })

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
    find: rest.find,
    listBy: rest.list,
    close: rest.close,
    at,

    /** Every item of every page, in one form. A page that tells of places which did not answer is none. */
    async list<Item extends z.ZodType>(
      question: RestQuestion,
      list: string,
      item: Item,
    ): Promise<z.output<Item>[]> {
      const form = page(list, item)
      return rest.list<z.output<Item>>(
        question,
        (body) => {
          const { data, error } = form.safeParse(body)
          if (!data) throw unknownForm(question, error)
          const { warning, unreachable = [], unreachables = [] } = data
          requireWhole(question, warning as Warning, [...(unreachable as string[]), ...(unreachables as string[])]) // as parsed
          return (data[list] ?? []) as z.output<Item>[] // as parsed
        },
        (body) => nextPage(question, body),
      )
    },
  }
}

export type Warning = { code: string; message?: unknown } | undefined

/** Silence is told in a warning. Whatever it warns of but that there is nothing, may hide something. */
export function requireWhole({ permission }: RestQuestion, warning: Warning, unreachable: string[] = []): void {
  if (unreachable.length > 0)
    throw new NotAnswered(permission, `the answer leaves out ${unreachable.slice(0, 5).join(', ')}`)
  if (warning && warning.code !== 'NO_RESULTS_ON_PAGE')
    throw new NotAnswered(permission, `the answer is not whole: ${warning.code}`)
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
    permission: isOff ? serviceOff(metadata.map((each) => each['service']).find(Boolean)) : named,
    isBusy: reasons.some((reason) => BUSY.test(reason)),
  }
}

/** What it takes to be told, when a service is not switched on in the project. */
export const serviceOff = (service = 'a service'): string => `${service} is switched off`
