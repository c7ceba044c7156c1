// A token that proves an AWS identity: a presigned request that only says who one is. The credentials sign it here and go
// nowhere.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AwsV4Signer } from 'aws4fetch'
import type { Environment } from './contexts.ts'
import { Failure } from './failure.ts'

type Credentials = { AccessKeyId: string; SecretAccessKey: string; SessionToken?: string }

const PREFIX = 'ocpctl-aws-v1.'
const SERVER_ID_HEADER = 'x-ocpctl-server-id'
const LIFE_SECONDS = 15 * 60

export async function makeAwsToken(environment: Environment, serverId: string): Promise<string> {
  const { AccessKeyId, SecretAccessKey, SessionToken } = await findCredentials(environment)
  const region = environment['AWS_REGION'] || environment['AWS_DEFAULT_REGION'] || 'us-east-1'
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const endpoint = environment['AWS_ENDPOINT_URL_STS'] || `https://sts.${region}.${domain}`
  if (!URL.canParse(endpoint)) throw new Failure('usage', `AWS_ENDPOINT_URL_STS is no URL: ${endpoint}`)
  const url = new URL('/', endpoint)
  for (const [name, value] of Object.entries({
    Action: 'GetCallerIdentity',
    Version: '2011-06-15',
    'X-Amz-Expires': String(LIFE_SECONDS),
  }))
    url.searchParams.set(name, value)
  const signed = await new AwsV4Signer({
    method: 'GET',
    url: url.href,
    headers: { [SERVER_ID_HEADER]: serverId },
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    ...(SessionToken === undefined ? {} : { sessionToken: SessionToken }),
    service: 'sts',
    region,
    signQuery: true,
  }).sign()
  return `${PREFIX}${Buffer.from(signed.url.href).toString('base64url')}`
}

/** The environment, or whatever the AWS CLI finds: profiles, single sign-on, the role of the machine. */
async function findCredentials(environment: Environment): Promise<Credentials> {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: session } = environment
  if (id && secret && !environment['AWS_PROFILE'])
    return { AccessKeyId: id, SecretAccessKey: secret, ...(session ? { SessionToken: session } : {}) }
  try {
    const { stdout } = await promisify(execFile)('aws', ['configure', 'export-credentials', '--format', 'process'])
    return JSON.parse(stdout) as Credentials // as the AWS CLI documents it
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    throw new Failure(
      'notSignedIn',
      isMissing
        ? 'there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or install the AWS CLI (2.13 or newer), which finds all others'
        : 'the AWS CLI has no credentials: `aws sts get-caller-identity` says why',
    )
  }
}
