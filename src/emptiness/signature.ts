// Signs a certificate, and verifies one, with nothing but keys. The signed payload has a hash of each field, so that a
// reader is told which of them does not fit.
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import canonicalize from 'canonicalize'
import { calculateJwkThumbprint, CompactSign, compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose'
import { z } from 'zod'
import type { SecretBox } from '../secrets.ts'
import { certificateSchema, doubtsOf, TYPE, type Certificate, type Doubt, type Facts } from './certificate.ts'

const PURPOSE = 'ocpctl certificates of emptiness, ed25519'
/** RFC 8410: what comes before the 32 bytes of a private key. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
/** Fields are told apart down to here, such as /looks/0/found. */
const DEPTH = 3

const payloadSchema = z.object({ type: z.literal(TYPE), fields: z.record(z.string(), z.string()) })

export type PublicKey = Record<string, unknown> & { kid: string }
export type SigningKey = { publicKey: PublicKey; sign: (facts: Facts) => Promise<Certificate> }

/** The key follows from the secrets key, so it is another one when that is replaced. */
export async function signingKeyOf(box: Pick<SecretBox, 'derive'>): Promise<SigningKey> {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8, box.derive(PURPOSE)]),
    format: 'der',
    type: 'pkcs8',
  })
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as JWK // as the format says
  const kid = await calculateJwkThumbprint(jwk)
  return {
    publicKey: { ...jwk, kid, alg: 'EdDSA', use: 'sig' },
    async sign(facts) {
      const payload = canonicalize({ type: TYPE, fields: hashesOf(facts) }) ?? ''
      const signing = new CompactSign(Buffer.from(payload)).setProtectedHeader({ alg: 'EdDSA', kid })
      return { ...facts, signature: await signing.sign(privateKey) }
    },
  }
}

/** Returns what does not fit, the first things first; nothing when the certificate is good. */
export async function verify(
  text: string,
  keys: Record<string, unknown>[],
): Promise<{ doubts: Doubt[]; certificate?: Certificate }> {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return { doubts: [{ field: '', why: 'this is no JSON' }] }
  }
  const { signature, ...fields } = z.looseObject({ signature: z.string() }).safeParse(given).data ?? {}
  if (signature === undefined) return { doubts: [{ field: '/signature', why: 'it is missing' }] }
  const signed = await openSignature(signature, keys)
  if ('why' in signed) return { doubts: [{ field: '/signature', why: signed.why }] }
  const doubts = compare(signed.fields, hashesOf(fields))
  if (doubts.length > 0) return { doubts }
  const { data, error } = certificateSchema.safeParse(given)
  if (!data) return { doubts: error.issues.map(({ path, message }) => ({ field: `/${path.join('/')}`, why: message })) }
  return { doubts: doubtsOf(data), certificate: data }
}

async function openSignature(
  signature: string,
  keys: Record<string, unknown>[],
): Promise<{ fields: Record<string, string> } | { why: string }> {
  try {
    const { kid } = decodeProtectedHeader(signature)
    const jwk = keys.find((key) => key.kid === kid)
    if (!jwk) return { why: `none of the keys at hand is ${kid}, with which it says to be signed` }
    const { payload } = await compactVerify(signature, await importJWK(jwk as JWK, 'EdDSA'), { algorithms: ['EdDSA'] }) // or it is refused
    const { data } = payloadSchema.safeParse(JSON.parse(Buffer.from(payload).toString('utf8')))
    return data ?? { why: 'what it signs is no certificate of emptiness' }
  } catch {
    return { why: 'it is not the signature of this key' }
  }
}

function compare(signed: Record<string, string>, given: Record<string, string>): Doubt[] {
  const names = [...new Set([...Object.keys(signed), ...Object.keys(given)])].sort()
  return names.flatMap((field) => {
    if (signed[field] === given[field]) return []
    if (given[field] === undefined) return [{ field, why: 'it was signed, and is not there' }]
    return [
      { field, why: signed[field] === undefined ? 'it was added after the signing' : 'it is not what was signed' },
    ]
  })
}

/** By JSON pointer (RFC 6901), over the canonical form (RFC 8785). */
function hashesOf(fields: Record<string, unknown>): Record<string, string> {
  const hashes: Record<string, string> = {}
  const walk = (value: unknown, pointer: string, depth: number) => {
    const parts = typeof value === 'object' && value !== null ? Object.entries(value) : []
    if (depth < DEPTH && parts.length > 0)
      for (const [name, part] of parts)
        walk(part, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth + 1)
    else
      hashes[pointer] = createHash('sha256')
        .update(canonicalize(value) ?? '')
        .digest('base64url')
  }
  walk(fields, '', 0)
  return hashes
}
