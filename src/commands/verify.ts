// `verify FILE [--keys FILE]`: whether a certificate of emptiness is genuine and says what it must. Nothing is asked over a network.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { ConfigError, type Config } from '../config.ts'
import { signingKeyOf, verify } from '../emptiness/signature.ts'
import type { Certificate } from '../emptiness/certificate.ts'
import { messageOf } from '../errors.ts'
import { createSecretBox } from '../secrets.ts'

const USAGE = 'usage: verify [--keys FILE] CERTIFICATE, as GET /api/v1/clusters/{id}/emptiness gives it; the keys are those of /.well-known/ocpctl-keys.json' // prettier-ignore

const keysFile = z.object({ keys: z.array(z.looseObject({ kid: z.string() })) })

/** Returns 0 for a good certificate, otherwise 1. Throws ConfigError when there is nothing to read. */
export async function runVerify(options: string[], config: () => Config): Promise<number> {
  const { file, keys } = readOptions(options)
  const text = await read(file)
  const { doubts, certificate } = await verify(
    text,
    keys === undefined ? await ownKeys(config()) : await readKeys(keys),
  )
  for (const { field, why } of doubts) process.stdout.write(`${file}: ${field || 'the file'}: ${why}\n`)
  if (doubts.length > 0 || !certificate) return 1
  process.stdout.write(describe(certificate))
  return 0
}

function describe({ cluster, looks, isSimulated, installer, job, issuedAt, installation }: Certificate): string {
  const { checked = [], notChecked = [], zones = [], account } = looks.at(-1) ?? {}
  const lines = [
    `${cluster.name} (${cluster.id}, ${cluster.platform}${isSimulated ? ', simulated' : ''}, ${cluster.region}) was empty.`,
    `Proved for the job ${job.id} of the installation ${installation}, issued ${issuedAt}.`,
    `Looked ${looks.length} times, from ${looks[0]?.at} to ${looks.at(-1)?.at}, in ${account ?? 'the account'}${zones.length > 0 ? ` and the zones ${zones.join(', ')}` : ''}.`,
    `Asked: ${checked.join(', ')}.`,
    ...notChecked.map(({ kind, why }) => `Not asked: ${kind}: ${why}`),
    ...(installer.warning === null ? [] : [`The installer: ${installer.warning}`]),
  ]
  return `${lines.join('\n')}\n`
}

/** Of the installation that this environment belongs to. */
async function ownKeys({ secretsKey, secretsKeysOld, dataDir }: Config): Promise<Record<string, unknown>[]> {
  const key =
    secretsKey ??
    (await readFile(join(dataDir, 'secrets-key'), 'utf8').catch(() => {
      throw new ConfigError(
        'there is no key to verify with: give the file of /.well-known/ocpctl-keys.json as --keys, or set OCPCTL_SECRETS_KEY',
      )
    }))
  const signing = [key.trim(), ...secretsKeysOld].map(
    async (each) => (await signingKeyOf(createSecretBox(each))).publicKey,
  )
  return Promise.all(signing)
}

async function readKeys(file: string): Promise<Record<string, unknown>[]> {
  try {
    return keysFile.parse(JSON.parse(await read(file))).keys
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`${file} is no set of keys (RFC 7517); take it from /.well-known/ocpctl-keys.json`)
  }
}

const read = (file: string) =>
  readFile(file, 'utf8').catch((error: unknown) => {
    throw new ConfigError(`${file} cannot be read: ${messageOf(error)}`)
  })

function readOptions(options: string[]): { file: string; keys: string | undefined } {
  try {
    const { values, positionals } = parseArgs({
      args: options,
      options: { keys: { type: 'string' } },
      allowPositionals: true,
    })
    const [file, ...more] = positionals
    if (file === undefined || more.length > 0) throw new ConfigError(USAGE)
    return { file, keys: values.keys }
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError(`${messageOf(error)}; ${USAGE}`)
  }
}
