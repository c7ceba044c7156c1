// The variables of the environment, and what each may be. config.ts alone reads them.
import { z } from 'zod'
import { isNetwork, isOrigin, isProxy, isPublicUrl, isSecretsKey, isSmtpUrl, list, safeUrl, SECRETS_KEY_FORM, url, whole } from './config-values.ts' // prettier-ignore

export const variables = z.object({
  DATABASE_URL: url(['postgres:', 'postgresql:']).optional(),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: whole(0, 65535).default(8080),
  OCPCTL_DATA_DIR: z.string().min(1).default('./.ocpctl'),
  OCPCTL_ARTIFACTS: url(['file:', 's3:']).optional(),
  OCPCTL_S3_ENDPOINT: url(['http:', 'https:']).optional(),
  OCPCTL_S3_KMS_KEY_ID: z.string().min(1).optional(),
  OCPCTL_S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  OCPCTL_S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  OCPCTL_S3_PROFILE: z.string().min(1).optional(),
  OCPCTL_INSTALLER: z.string().min(1).default('simulated'),
  OCPCTL_PROFILES: z.string().min(1).default('./profiles'),
  OCPCTL_CLOUD_CREDENTIALS: z.string().min(1).optional(),
  OCPCTL_SECRETS_KEY: z
    .string()
    .refine(isSecretsKey, { error: `must be ${SECRETS_KEY_FORM}` })
    .optional(),
  OCPCTL_SECRETS_KEYS_OLD: list(isSecretsKey, `must be keys with commas between, each ${SECRETS_KEY_FORM}`).default([]),
  OCPCTL_ADMIN_TOKEN: z
    .string()
    .regex(/^(?!eyJ|ocpctl-aws-)[\x21-\x7e]{20,512}$/, {
      error: 'must have 20 to 512 visible ASCII characters, no space, and not look like a token of AWS or a JWT',
    })
    .optional(),
  OCPCTL_WORKER_CONCURRENCY: whole(1, 1000).default(10),
  OCPCTL_WORKER_TURNS: whole(1, 1000).default(200),
  OCPCTL_LEASE_SECONDS: whole(10, 300).default(30),
  OCPCTL_DESTROYS_PER_MINUTE: whole(1, 1_000_000).default(1000),
  OCPCTL_DRAIN_TIMEOUT: whole(0, 86_400).default(5400),
  OCPCTL_DB_POOL_MIN: whole(0, 100).default(5),
  OCPCTL_DB_POOL_MAX: whole(2, 100).default(25),
  OCPCTL_DB_POOL_LIFETIME_SECONDS: whole(60, 86_400).default(3600),
  OCPCTL_DB_POOL_IDLE_SECONDS: whole(1, 86_400).default(1800),
  OCPCTL_DB_POOL_PROBE_SECONDS: whole(1, 3600).default(60),
  OCPCTL_OIDC_ISSUER: z
    .string()
    .refine(safeUrl, { error: 'must be a URL that starts with https:// (http:// only on this machine)' })
    .optional(),
  OCPCTL_OIDC_AUDIENCE: z.string().min(1).optional(),
  OCPCTL_OIDC_CLI_CLIENT_ID: z.string().min(1).optional(),
  OCPCTL_OIDC_CLIENT_SECRET: z.string().min(1).optional(),
  OCPCTL_OIDC_GROUPS_CLAIM: z.string().min(1).default('groups'),
  OCPCTL_AWS_IAM_SERVER_ID: z
    .string()
    .regex(/^[\w.:/-]{1,128}$/, { error: 'must be 1 to 128 letters, digits or any of . : / _ -' })
    .optional(),
  OCPCTL_AWS_IAM_ACCOUNTS: list((item) => /^\d{12}$/.test(item), 'must be account numbers of 12 digits').optional(),
  OCPCTL_AWS_STS_ENDPOINTS: list(
    (item) => safeUrl(item) && new URL(item).origin === item,
    'must be origins such as https://sts.eu-west-1.amazonaws.com, with commas between',
  ).optional(),
  OCPCTL_SMTP_URL: z
    .string()
    .refine(isSmtpUrl, {
      error: 'must be a URL such as smtp://user:password@mail.example.com:587?from=ocpctl@example.com',
    })
    .optional(),
  OCPCTL_WEBHOOK_ALLOW: list(isNetwork, 'must be networks such as 10.20.0.0/16, with commas between').default([]),
  OCPCTL_PUBLIC_URL: z
    .string()
    .refine(isPublicUrl, { error: 'must be an origin with an optional path, such as https://ocpctl.example.com' })
    .transform((value) => value.replace(/\/+$/, ''))
    .optional(),
  OCPCTL_PULL_SECRET_FILE: z.string().min(1).optional(),
  OCPCTL_TRUSTED_PROXIES: list(
    isProxy,
    'must be addresses or networks (10.0.0.0/8), or the names loopback, linklocal, uniquelocal, with commas between',
  ).default([]),
  OCPCTL_CORS_ORIGINS: list(
    isOrigin,
    'must be exact origins such as https://portal.example.com, with commas between; * is not one',
  ).default([]),
  OCPCTL_RATE_LIMIT_PER_MINUTE: whole(0, 1_000_000).default(1200),
  OCPCTL_RATE_LIMIT_ADDRESS_PER_MINUTE: whole(0, 10_000_000).default(6000),
  OCPCTL_METRICS_HOST: z.string().min(1).optional(),
  OCPCTL_METRICS_PORT: whole(0, 65535).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(['http:', 'https:']).optional(),
  OCPCTL_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  OCPCTL_RESIDUE: z.enum(['show', 'remove']).default('show'),
  OCPCTL_SIM_SPEED: z
    .string()
    .regex(/^\d+(\.\d+)?$/, { error: 'must be a positive number of simulated seconds per real second' })
    .transform(Number)
    .default(60),
  OCPCTL_SIM_CLOUD: z.string().min(1).optional(),
  OCPCTL_SIM_DOUBLES: z.url({ protocol: /^http$/ }).optional(),
  OCPCTL_SIM_FAULTS: z.string().min(1).optional(),
})

/** Whoever starts a server may have these for the command line. */
export const ofCommandLine = ['OCPCTL_URL', 'OCPCTL_TOKEN', 'OCPCTL_CONTEXT', 'OCPCTL_COMPLETION_MS']
