// The command that makes a sign-in token from the caller's own AWS credentials. They are used only to sign, and are
// sent nowhere.
import { parseArgs } from 'node:util'
import { Sha256 } from '@aws-crypto/sha256-js'
import { defaultProvider } from '@aws-sdk/credential-provider-node'
import { SignatureV4, type SignatureV4Init } from '@smithy/signature-v4'
import { AWS_TOKEN_PREFIX, LONGEST_LIFE_SECONDS, SERVER_ID_HEADER } from '../auth/aws-iam.ts'
import { ConfigError, readAwsSigning, type AwsSigning } from '../config.ts'
import { messageOf } from '../errors.ts'

const USAGE = 'usage: node src/main.ts token aws [--server-id ID]   (default: OCPCTL_AWS_IAM_SERVER_ID)'

/** Throws ConfigError. */
export async function printToken(environment: NodeJS.ProcessEnv, options: string[]): Promise<void> {
  const { values, positionals } = readOptions(options)
  if (positionals.join(' ') !== 'aws') throw new ConfigError(USAGE)
  const signing = readAwsSigning(environment, values['server-id'])
  const token = await makeAwsToken({ ...signing, credentials: defaultProvider() }).catch((error: unknown) => {
    throw new ConfigError(`there are no AWS credentials to sign with: ${messageOf(error)}`)
  })
  process.stdout.write(`${token}\n`)
}

type Signing = AwsSigning & {
  credentials: SignatureV4Init['credentials']
  expiresInSeconds?: number
  signedAt?: Date
}

export async function makeAwsToken({ serverId, endpoint, region, credentials, ...time }: Signing): Promise<string> {
  const { host, hostname, protocol } = new URL(endpoint)
  const signer = new SignatureV4({ service: 'sts', region, sha256: Sha256, credentials })
  const query = { Action: 'GetCallerIdentity', Version: '2011-06-15' }
  const headers = { host, [SERVER_ID_HEADER]: serverId }
  const signed = await signer.presign(
    { method: 'GET', protocol, hostname, path: '/', query, headers },
    {
      expiresIn: time.expiresInSeconds ?? LONGEST_LIFE_SECONDS,
      signingDate: time.signedAt ?? new Date(),
      unhoistableHeaders: new Set([SERVER_ID_HEADER]),
    },
  )
  const url = new URL('/', endpoint)
  for (const [name, value] of Object.entries(signed.query ?? {})) url.searchParams.set(name, String(value))
  return `${AWS_TOKEN_PREFIX}${Buffer.from(url.href).toString('base64url')}`
}

function readOptions(options: string[]) {
  try {
    return parseArgs({ args: options, options: { 'server-id': { type: 'string' } }, allowPositionals: true })
  } catch (error) {
    throw new ConfigError(`${messageOf(error)}\n${USAGE}`)
  }
}
