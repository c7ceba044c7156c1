// How this service signs in at Azure. The package for it is loaded when Azure is first asked.
import type { TokenCredential } from '@azure/identity'
import { messageOf } from '../../errors.ts'
import { NotAnswered, type Environment } from '../asking.ts'
import { readCredentials, SIGN_IN, type AzureCredentials } from './credentials.ts'

export type AzureCloud = { authority: string; resourceManager: string; scope: string }

const clouds: Record<string, AzureCloud> = {
  AzurePublicCloud: {
    authority: 'https://login.microsoftonline.com',
    resourceManager: 'https://management.azure.com',
    scope: 'https://management.azure.com/.default',
  },
  AzureUSGovernmentCloud: {
    authority: 'https://login.microsoftonline.us',
    resourceManager: 'https://management.usgovcloudapi.net',
    scope: 'https://management.core.usgovcloudapi.net/.default',
  },
  AzureChinaCloud: {
    authority: 'https://login.chinacloudapi.cn',
    resourceManager: 'https://management.chinacloudapi.cn',
    scope: 'https://management.core.chinacloudapi.cn/.default',
  },
}

/** Throws NotAnswered for a cloud that cannot be asked. */
export function cloudOf(name = 'AzurePublicCloud'): AzureCloud {
  const cloud = clouds[name]
  if (!cloud) throw new NotAnswered(SIGN_IN, `nobody knows where ${name} can be asked`)
  return cloud
}

/** The token for a cloud. `isRefused`: the last one was not accepted. Throws NotAnswered for credentials that are wrong. */
export type SignIn = {
  subscriptionId: string
  token: (signal: AbortSignal, isRefused: boolean) => Promise<string>
}

/** Signs in anew only when the credentials have changed, however often Azure is asked. */
export function openSignIn(environment: Environment): (cloud: AzureCloud) => Promise<SignIn> {
  let kept: { key: string; credential: TokenCredential } | undefined
  return async (cloud) => {
    const credentials = await readCredentials(environment)
    const key = JSON.stringify([cloud, credentials])
    return {
      subscriptionId: credentials.subscriptionId.toLowerCase(),
      async token(abortSignal, isRefused) {
        if (kept?.key !== key || isRefused) kept = { key, credential: await openCredential(credentials, cloud) }
        try {
          const token = await kept.credential.getToken(cloud.scope, { abortSignal })
          if (token) return token.token
        } catch (error) {
          abortSignal.throwIfAborted()
          throw new NotAnswered(SIGN_IN, `signing in at ${cloud.authority} failed: ${firstLine(messageOf(error))}`, {
            cause: error,
          })
        }
        throw new NotAnswered(SIGN_IN, `signing in at ${cloud.authority} brought no token`)
      },
    }
  }
}

/** What comes after it is for whoever reads traces. */
const firstLine = (text: string) => text.split(/\r?\n|Trace ID/)[0]?.trim() ?? ''

async function openCredential(given: AzureCredentials, { authority }: AzureCloud): Promise<TokenCredential> {
  const identity = await import('@azure/identity')
  const { tenantId, clientId, clientSecret, clientCertificate, clientCertificatePassword } = given
  // The authorities are known, and nobody else needs to be asked about them.
  const options = { authorityHost: authority, disableInstanceDiscovery: true }
  if (clientId && clientCertificate)
    return new identity.ClientCertificateCredential(
      tenantId,
      clientId,
      {
        certificatePath: clientCertificate,
        ...(clientCertificatePassword && { certificatePassword: clientCertificatePassword }),
      },
      { ...options, sendCertificateChain: true },
    )
  if (clientId && clientSecret) return new identity.ClientSecretCredential(tenantId, clientId, clientSecret, options)
  return new identity.ManagedIdentityCredential(clientId ? { clientId } : {})
}
