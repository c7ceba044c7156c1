// One look into a subscription, and the forms in which Azure Resource Manager answers.
import { z } from 'zod'
import { NotAnswered, type Environment } from '../asking.ts'
import type { InventoryQuery } from '../inventory.ts'
import { openRest } from '../rest.ts'
import { cloudOf, type AzureCloud, type SignIn } from './sign-in.ts'

export type AzureInventoryOptions = Readonly<{
  environment: Environment
  /** Asked instead of Azure, and who signs in there. */
  instead?: { resourceManager: string; signIn: (cloud: AzureCloud) => Promise<SignIn> }
  /** For one whole answer, retries included. */
  timeoutMs?: number
}>

/** By provider. Those of today may not have reached every cloud, and these have. */
export const apiVersions = {
  resources: '2021-04-01',
  permissions: '2022-04-01',
  networks: '2023-09-01',
  dnsZones: '2018-05-01',
  privateDnsZones: '2020-06-01',
  keyVaults: '2022-07-01',
  disks: '2023-04-02',
  virtualMachines: '2021-07-01',
}

export type Session = Awaited<ReturnType<typeof openSession>>

/** Throws NotAnswered for credentials that are not there. */
export async function openSession(
  query: InventoryQuery,
  { timeoutMs = 120_000, instead }: AzureInventoryOptions,
  signIn: (cloud: AzureCloud) => Promise<SignIn>,
) {
  const cloud = cloudOf(query.azure?.cloud)
  const { subscriptionId, token } = await signIn(cloud)
  const rest = openRest({
    authorize: async (signal, isRefused) => ({ authorization: `Bearer ${await token(signal, isRefused)}` }),
    readError,
    timeoutMs,
  })
  const origin = instead?.resourceManager ?? cloud.resourceManager
  const home = `${origin}/subscriptions/${subscriptionId}`
  const heard = Object.assign(rest.heard, { account: subscriptionId })
  return { query, subscriptionId, origin, home, rest, heard, close: rest.close }
}

const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) })

function readError(body: unknown): { text?: string; code?: string; permission?: string } {
  const { data } = errorSchema.safeParse(body)
  if (!data) return {}
  const { code, message } = data.error
  const permission = /perform action '([^']+)'/.exec(message)?.[1]
  return { text: `${code}: ${message}`, code, ...(permission && { permission }) }
}

export const tags = z
  .record(z.string(), z.string().nullable())
  .nullish()
  .transform((given) => given ?? {})
export type Tags = z.infer<typeof tags>

export type Listing<Item> = { permission: string; url: string; item: z.ZodType<Item>; onMissing?: () => void }

/** Every item of every page. Throws NotAnswered, but `onMissing` is told instead when there is no such place. */
export function listAll<Item>(
  { rest, subscriptionId }: Session,
  { permission, url: first, item, onMissing }: Listing<Item>,
): Promise<Item[]> {
  const form = z.object({ value: z.array(item) })
  const link = z.object({ nextLink: z.string().nullish() })
  return rest.list(
    { permission, url: first },
    (page) => {
      if (page !== undefined) return form.safeParse(page).data?.value
      if (onMissing) {
        onMissing()
        return []
      }
      throw new NotAnswered(
        permission,
        `there is nothing to list: the credentials see no subscription ${subscriptionId}`,
      )
    },
    (page) => {
      const url = link.safeParse(page).data?.nextLink
      return url ? { permission, url } : undefined
    },
  )
}

/** Ids and names are the same whatever their case, and Azure itself writes them in several. */
export const lower = z.string().transform((text) => text.toLowerCase())

export const groupOf = (id: string): string => /\/resourcegroups\/([^/]+)/.exec(id)?.[1] ?? ''
