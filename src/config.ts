// Only this module interprets the environment. It makes one frozen object, which is handed to everything else.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { z } from 'zod'
import { ofCommandLine, variables } from './config-variables.ts'

export type Config = Readonly<{
  /** undefined: the embedded PostgreSQL under dataDir. */
  databaseUrl: string | undefined
  pool: { min: number; max: number; lifetimeSeconds: number; idleSeconds: number; probeSeconds: number }
  dataDir: string
  host: string
  port: number
  artifactsUrl: string
  s3Endpoint: string | undefined
  s3KmsKeyId: string | undefined
  s3Region: string | undefined
  /** undefined: those of s3Profile. */
  s3Credentials: { accessKeyId: string; secretAccessKey: string } | undefined
  /** undefined: the store has the credentials that the AWS SDK finds. */
  s3Profile: string | undefined
  /** undefined: the simulated installer; otherwise the directory of `openshift-install-<version>` binaries. */
  installerDir: string | undefined
  profilesDir: string
  /** undefined: all cloud credentials are in the environment. */
  credentialsDir: string | undefined
  secretsKey: string | undefined
  /** These keys open what they sealed, and seal nothing more. */
  secretsKeysOld: readonly string[]
  adminToken: string | undefined
  workerConcurrency: number
  workerTurns: number
  /** How long a cluster stays locked when its worker is gone. The installer's own lease is two thirds of it. */
  leaseSeconds: number
  drainTimeoutSeconds: number
  /** How many clusters whose end has come the janitor begins to destroy in a minute, at most. */
  destroysPerMinute: number
  smtpUrl: string | undefined
  webhookAllow: readonly string[]
  /** Where people reach the service, without a slash at its end. */
  publicUrl: string | undefined
  pullSecretFile: string | undefined
  /** undefined: nobody signs in with OIDC. */
  oidc:
    | {
        issuer: string
        audience: string
        groupsClaim: string
        cliClientId: string | undefined
        clientSecret: string | undefined
      }
    | undefined
  /** stsEndpoints undefined: the endpoints of AWS. accounts undefined: any account. */
  awsIam:
    | { serverId: string; accounts: string[] | undefined; stsEndpoints: string[] | undefined; region: string }
    | undefined
  /** The proxies whose X-Forwarded-For is believed. */
  trustedProxies: readonly string[]
  corsOrigins: readonly string[]
  /** 0: no limit. */
  rateLimit: { perMinute: number; addressPerMinute: number }
  /** undefined: no listener of its own for metrics. */
  metrics: { host: string; port: number } | undefined
  /** Where spans are sent; undefined: nowhere. */
  tracesUrl: string | undefined
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** What the installer is known to leave is taken away. */
  removesResidue: boolean
  simulator: { speed: number; cloudDir: string; doubles: string | undefined; faultsFile: string | undefined }
  /** What a child process may inherit; the names are chosen where the child is started. */
  environment: Readonly<Record<string, string | undefined>>
}>

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Throws ConfigError, with one line for each variable that is unknown or wrong. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const unknown = Object.keys(given).filter(
    (name) => name.startsWith('OCPCTL_') && !(name in variables.shape) && !ofCommandLine.includes(name),
  )
  const parsed = variables.safeParse(given)
  const problems = [
    ...unknown.map((name) => `${name} is not a variable of ocpctl; it has ${Object.keys(variables.shape).join(', ')}`),
    ...(parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')} ${plainIssue(issue)}`),
  ]
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems.join('\n'))
  const env = parsed.data
  const dataDir = resolve(env.OCPCTL_DATA_DIR)
  const simulated = env.OCPCTL_INSTALLER === 'simulated'
  if (env.DATABASE_URL && !env.OCPCTL_SECRETS_KEY)
    throw new ConfigError(
      'OCPCTL_SECRETS_KEY is required with DATABASE_URL: 32 bytes in base64, the same in every process, as `openssl rand -base64 32` prints them',
    )
  if (!simulated && !env.OCPCTL_PULL_SECRET_FILE)
    throw new ConfigError(
      'OCPCTL_PULL_SECRET_FILE is required unless OCPCTL_INSTALLER is simulated: the path of the pull secret',
    )
  if (env.OCPCTL_METRICS_HOST !== undefined && env.OCPCTL_METRICS_PORT === undefined)
    throw new ConfigError('OCPCTL_METRICS_HOST says where metrics are served, which takes OCPCTL_METRICS_PORT too')
  if (env.OCPCTL_DB_POOL_MIN > env.OCPCTL_DB_POOL_MAX)
    throw new ConfigError('OCPCTL_DB_POOL_MIN must not be above OCPCTL_DB_POOL_MAX')
  const { OCPCTL_OIDC_ISSUER: issuer, OCPCTL_OIDC_AUDIENCE: audience, OCPCTL_AWS_IAM_SERVER_ID: serverId } = env
  if (serverId === undefined && (env.OCPCTL_AWS_IAM_ACCOUNTS || env.OCPCTL_AWS_STS_ENDPOINTS))
    throw new ConfigError(
      'OCPCTL_AWS_IAM_ACCOUNTS and OCPCTL_AWS_STS_ENDPOINTS say who signs in with AWS, which takes OCPCTL_AWS_IAM_SERVER_ID too',
    )
  const { OCPCTL_S3_ACCESS_KEY_ID: accessKeyId, OCPCTL_S3_SECRET_ACCESS_KEY: secretAccessKey } = env
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new ConfigError('OCPCTL_S3_ACCESS_KEY_ID and OCPCTL_S3_SECRET_ACCESS_KEY go together: set both or neither')
  if (accessKeyId !== undefined && env.OCPCTL_S3_PROFILE !== undefined)
    throw new ConfigError(
      'OCPCTL_S3_PROFILE and OCPCTL_S3_ACCESS_KEY_ID both say whose credentials the artifact store has: set one of them',
    )
  const region = given['AWS_REGION'] ?? given['AWS_DEFAULT_REGION']
  if ((issuer === undefined) !== (audience === undefined))
    throw new ConfigError(
      'OCPCTL_OIDC_ISSUER and OCPCTL_OIDC_AUDIENCE go together: a JWT that is for somebody else must not be let in',
    )
  return Object.freeze({
    databaseUrl: env.DATABASE_URL,
    pool: {
      min: env.OCPCTL_DB_POOL_MIN,
      max: env.OCPCTL_DB_POOL_MAX,
      lifetimeSeconds: env.OCPCTL_DB_POOL_LIFETIME_SECONDS,
      idleSeconds: env.OCPCTL_DB_POOL_IDLE_SECONDS,
      probeSeconds: env.OCPCTL_DB_POOL_PROBE_SECONDS,
    },
    dataDir,
    host: env.HOST,
    port: env.PORT,
    artifactsUrl: env.OCPCTL_ARTIFACTS ?? pathToFileURL(resolve(dataDir, 'artifacts')).href,
    s3Endpoint: env.OCPCTL_S3_ENDPOINT,
    s3KmsKeyId: env.OCPCTL_S3_KMS_KEY_ID,
    s3Region: region,
    s3Credentials:
      accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey },
    s3Profile: env.OCPCTL_S3_PROFILE,
    installerDir: simulated ? undefined : resolve(env.OCPCTL_INSTALLER),
    profilesDir: resolve(env.OCPCTL_PROFILES),
    credentialsDir: env.OCPCTL_CLOUD_CREDENTIALS && resolve(env.OCPCTL_CLOUD_CREDENTIALS),
    secretsKey: env.OCPCTL_SECRETS_KEY,
    secretsKeysOld: env.OCPCTL_SECRETS_KEYS_OLD,
    adminToken: env.OCPCTL_ADMIN_TOKEN,
    workerConcurrency: env.OCPCTL_WORKER_CONCURRENCY,
    workerTurns: env.OCPCTL_WORKER_TURNS,
    leaseSeconds: env.OCPCTL_LEASE_SECONDS,
    drainTimeoutSeconds: env.OCPCTL_DRAIN_TIMEOUT,
    destroysPerMinute: env.OCPCTL_DESTROYS_PER_MINUTE,
    smtpUrl: env.OCPCTL_SMTP_URL,
    webhookAllow: env.OCPCTL_WEBHOOK_ALLOW,
    publicUrl: env.OCPCTL_PUBLIC_URL,
    pullSecretFile: env.OCPCTL_PULL_SECRET_FILE,
    oidc:
      issuer === undefined || audience === undefined
        ? undefined
        : {
            issuer,
            audience,
            groupsClaim: env.OCPCTL_OIDC_GROUPS_CLAIM,
            cliClientId: env.OCPCTL_OIDC_CLI_CLIENT_ID,
            clientSecret: env.OCPCTL_OIDC_CLIENT_SECRET,
          },
    awsIam:
      serverId === undefined
        ? undefined
        : {
            serverId,
            accounts: env.OCPCTL_AWS_IAM_ACCOUNTS,
            stsEndpoints: env.OCPCTL_AWS_STS_ENDPOINTS,
            region: region ?? 'us-east-1',
          },
    trustedProxies: env.OCPCTL_TRUSTED_PROXIES,
    corsOrigins: env.OCPCTL_CORS_ORIGINS,
    rateLimit: {
      perMinute: env.OCPCTL_RATE_LIMIT_PER_MINUTE,
      addressPerMinute: env.OCPCTL_RATE_LIMIT_ADDRESS_PER_MINUTE,
    },
    metrics:
      env.OCPCTL_METRICS_PORT === undefined
        ? undefined
        : { host: env.OCPCTL_METRICS_HOST ?? env.HOST, port: env.OCPCTL_METRICS_PORT },
    tracesUrl: env.OTEL_EXPORTER_OTLP_ENDPOINT && `${env.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/+$/, '')}/v1/traces`,
    logLevel: env.OCPCTL_LOG_LEVEL,
    removesResidue: env.OCPCTL_RESIDUE === 'remove',
    simulator: {
      speed: env.OCPCTL_SIM_SPEED,
      cloudDir: resolve(env.OCPCTL_SIM_CLOUD ?? resolve(dataDir, 'cloud')),
      doubles: env.OCPCTL_SIM_DOUBLES,
      faultsFile: env.OCPCTL_SIM_FAULTS,
    },
    environment: Object.freeze({ ...environment }),
  })
}

/**
 * Converts a span of the installer's or the cloud's time to real milliseconds. A simulation shortens it, but never
 * below the floor.
 */
export const realMs = ({ installerDir, simulator }: Config, spanMs: number, floorMs: number): number =>
  installerDir === undefined ? Math.max(floorMs, spanMs / simulator.speed) : spanMs

export type AwsSigning = { serverId: string; endpoint: string; region: string }

/** Reads what a caller's AWS token is made of. The machine need not be set up for the service. Throws ConfigError. */
export function readAwsSigning(environment: Record<string, string | undefined>, serverId?: string): AwsSigning {
  const of = (name: string) => environment[name] || undefined
  const id = variables.shape.OCPCTL_AWS_IAM_SERVER_ID.safeParse(serverId ?? of('OCPCTL_AWS_IAM_SERVER_ID'))
  if (!id.success) throw new ConfigError(`the server id ${id.error.issues[0]?.message}`)
  if (id.data === undefined) throw new ConfigError('say which server the token is for: --server-id ID')
  const region = of('AWS_REGION') ?? of('AWS_DEFAULT_REGION') ?? 'us-east-1'
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const endpoint = of('AWS_ENDPOINT_URL_STS') ?? `https://sts.${region}.${domain}`
  if (!URL.canParse(endpoint)) throw new ConfigError(`AWS_ENDPOINT_URL_STS is no URL: ${endpoint}`)
  return { serverId: id.data, endpoint: new URL(endpoint).origin, region }
}

function plainIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`
  return issue.message
}
