// Who asks Azure, and where: what the installer goes by, which reads one file and no variables. So both see the same
// subscription.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { hasCode, messageOf } from '../../errors.ts'
import { NotAnswered, type Environment } from '../asking.ts'

const word = z.string().optional()
const fileSchema = z.object({
  subscriptionId: z.string().min(1),
  tenantId: z.string().min(1),
  clientId: word,
  clientSecret: word,
  clientCertificate: word,
  clientCertificatePassword: word,
})

/** Without a secret and a certificate it is the managed identity of the machine. */
export type AzureCredentials = z.infer<typeof fileSchema>

export const SIGN_IN = 'sign-in'

export const credentialsFile = (environment: Environment): string =>
  environment['AZURE_AUTH_LOCATION'] || join(environment['HOME'] ?? '/', '.azure/osServicePrincipal.json')

/** Throws NotAnswered. */
export async function readCredentials(environment: Environment): Promise<AzureCredentials> {
  const path = credentialsFile(environment)
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const why = hasCode(error, 'ENOENT') ? `there is no ${path}` : `${path} cannot be read: ${messageOf(error)}`
    throw new NotAnswered(SIGN_IN, why, { cause: error })
  })
  const { data } = fileSchema.safeParse(parse(text))
  if (!data || (!data.clientId && (data.clientSecret || data.clientCertificate)))
    throw new NotAnswered(SIGN_IN, `${path} is no JSON with subscriptionId, tenantId and clientId`)
  return data
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
