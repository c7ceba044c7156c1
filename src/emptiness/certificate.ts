// What a certificate of emptiness says, and what must hold for it to be true. Pure.
import { z } from 'zod'
import { platforms } from '../vocabulary.ts'

/** Timers end a moment early. */
const EXACTNESS_SECONDS = 1

export const TYPE = 'ocpctl.emptiness/v1'

const time = z.iso.datetime()
const lingering = z.object({ id: z.string(), type: z.string(), name: z.string(), region: z.string() })

const look = z.object({
  at: time,
  /** Where it was looked: an account, subscription or project. */
  account: z.string().nullable(),
  zones: z.array(z.string()),
  checked: z.array(z.string()),
  notChecked: z.array(z.object({ kind: z.string(), why: z.string(), isOptional: z.boolean() })),
  found: z.int(),
  lingering: z.array(lingering),
})
export type Look = z.infer<typeof look>

export const factsSchema = z.object({
  type: z.literal(TYPE),
  id: z.string(),
  issuedAt: time,
  installation: z.string(),
  /** Nothing of it ever was in a real cloud. */
  isSimulated: z.boolean(),
  cluster: z.object({
    id: z.string(),
    name: z.string(),
    platform: z.enum(platforms),
    region: z.string(),
    baseDomain: z.string(),
    team: z.string(),
    owner: z.string(),
    requestedBy: z.string(),
    createdAt: time,
    infraIds: z.array(z.string()),
  }),
  job: z.object({ id: z.string(), type: z.string() }),
  askedBy: z.object({
    clusterTag: z.string(),
    infraIds: z.array(z.string()),
    namePrefixes: z.array(z.string()),
    domain: z.string(),
    /** `own`: the name may be another cluster's, so only records that point to this one count. */
    records: z.enum(['all', 'own', 'unclear']),
    stoodBefore: z.array(z.string()),
  }),
  lagSeconds: z.int(),
  looks: z.array(look),
  /** Other than that of the inventory, the word of the installer proves nothing. */
  installer: z.object({ ran: z.boolean(), warning: z.string().nullable() }),
  result: z.literal('empty'),
})
export type Facts = z.infer<typeof factsSchema>

/** `signature`: a JWS (RFC 7515), whose payload has a hash of each field. */
export const certificateSchema = factsSchema.extend({ signature: z.string() })
export type Certificate = z.infer<typeof certificateSchema>

export type Doubt = { field: string; why: string }

/** What of the facts does not bear out that nothing was left. Empty: it does. */
export function doubtsOf({ looks, lagSeconds, isSimulated }: Facts): Doubt[] {
  const doubts: Doubt[] = looks.flatMap(({ found, notChecked, checked }, index) => [
    ...(found === 0 ? [] : [{ field: `/looks/${index}/found`, why: `${found} resources were found` }]),
    ...(checked.length > 0 ? [] : [{ field: `/looks/${index}/checked`, why: 'nothing was asked' }]),
    ...notChecked
      .filter(({ isOptional }) => !isOptional)
      .map(({ kind, why }) => ({ field: `/looks/${index}/notChecked`, why: `${kind} could not be asked: ${why}` })),
  ])
  const [first, last] = [looks[0], looks.at(-1)]
  if (looks.length < 2 || !first || !last)
    return [...doubts, { field: '/looks', why: `it was looked ${looks.length} times, and twice is needed` }]
  const apart = (Date.parse(last.at) - Date.parse(first.at)) / 1000
  // A simulated cloud is never late.
  if (apart + EXACTNESS_SECONDS < lagSeconds && !isSimulated)
    doubts.push({
      field: '/looks',
      why: `the looks are ${Math.round(apart)} s apart, and the cloud may be ${lagSeconds} s late`,
    })
  return doubts
}
