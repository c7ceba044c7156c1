// Who asks Azure, and where. The installer reads one file and no variables, so the file comes first: both must see the
// same subscription.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { hasCode, messageOf } from '../../errors.ts'
import { NotAnswered } from '../asking.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const word = z.string().optional()
const fileSchema = z.object({
  subscriptionId: z.string().min(1),
  tenantId: z.string().min(1),
  clientId: word,
  clientSecret: word,
  clientCertificate: word,
  clientCertificatePassword: word,
})

/** Without a secret, a certificate and a token file it is the managed identity of the machine. */
export type AzureCredentials = z.infer<typeof fileSchema> & { tokenFile?: string | undefined }

export const SIGN_IN = 'sign-in'

/** Throws NotAnswered. */
export async function readCredentials(environment: Environment): Promise<AzureCredentials> {
  const path = environment['AZURE_AUTH_LOCATION'] || join(environment['HOME'] ?? '/', '.azure/osServicePrincipal.json')
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw new NotAnswered(SIGN_IN, `${path} cannot be read: ${messageOf(error)}`, { cause: error })
  })
  const given = text === undefined ? readVariables(environment) : parse(text)
  const { success, data } = fileSchema.safeParse(given)
  if (!success || (!data.clientId && (data.clientSecret || data.clientCertificate)))
    throw new NotAnswered(
      SIGN_IN,
      text === undefined
        ? `there is no ${path}, and AZURE_SUBSCRIPTION_ID, AZURE_TENANT_ID and AZURE_CLIENT_ID do not say who asks`
        : `${path} is no JSON with subscriptionId, tenantId and clientId`,
    )
  return text === undefined ? { ...data, tokenFile: environment['AZURE_FEDERATED_TOKEN_FILE'] } : data
}

const readVariables = (environment: Environment) => ({
  subscriptionId: environment['AZURE_SUBSCRIPTION_ID'],
  tenantId: environment['AZURE_TENANT_ID'],
  clientId: environment['AZURE_CLIENT_ID'],
  clientSecret: environment['AZURE_CLIENT_SECRET'],
  clientCertificate: environment['AZURE_CLIENT_CERTIFICATE_PATH'],
  clientCertificatePassword: environment['AZURE_CLIENT_CERTIFICATE_PASSWORD'],
})

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
