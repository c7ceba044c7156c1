// An OpenSSH public key as one line of authorized_keys. It is read according to RFC 4253 (6.6), RFC 5656 (3.1) and RFC
// 8709 (4).

export type SshKey = { kind: string; bits: number }

const kinds = ['ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521']
const SHORTEST_RSA_BITS = 2048
/** FIPS 140 has no Ed25519 that the installer would accept. */
const NOT_IN_FIPS = 'ssh-ed25519'

/** What is wrong with the key, as a sentence. Undefined when the installer and the nodes accept it. */
export function sshKeyProblem(line: string, { fips }: { fips: boolean }): string | undefined {
  const key = readSshKey(line)
  if (typeof key === 'string') return key
  if (key.kind === 'ssh-rsa' && key.bits < SHORTEST_RSA_BITS)
    return `is an RSA key of ${key.bits} bits; at least ${SHORTEST_RSA_BITS} are needed, such as ssh-keygen -t rsa -b 4096 makes`
  if (fips && key.kind === NOT_IN_FIPS)
    return 'is an Ed25519 key, which FIPS does not allow: take an RSA key, or ecdsa-sha2-nistp256'
  return undefined
}

/**
 * Why an installer refuses a line of authorized_keys. It looks past options before the key, odd blanks and the first
 * word, and takes any length.
 */
export function sshLineRefusal(line: string, { fips }: { fips: boolean }): string | undefined {
  const text = line.trim()
  if (text.startsWith('#')) return 'may hold no comment: the installer takes each line for a key'
  const kind = kindOf(text.split(/[ \t]+/)[1]) ?? kindOf(afterOptions(text).split(/[ \t]+/)[1])
  if (kind === undefined) return 'is no OpenSSH public key, such as "ssh-ed25519 AAAA… you@host"'
  return fips && !/^ecdsa-sha2-nistp\d{3}$|^ssh-rsa$/.test(kind)
    ? `is a key of kind ${kind}, which FIPS does not allow: take an RSA key, or ecdsa-sha2-nistp256`
    : undefined
}

/** What stands behind the first blank that is not in quotes. */
function afterOptions(line: string): string {
  let isQuoted = false
  for (let index = 0; index < line.length; index++) {
    const char = line[index]
    if (!isQuoted && (char === ' ' || char === '\t')) return line.slice(index).trim()
    if (char === '"' && line[index - 1] !== '\\') isQuoted = !isQuoted
  }
  return ''
}

/** How many parts a key of a kind has beside its name, and how long its first one is. */
const partsOf: Record<string, [count: number, first?: number]> = {
  'ssh-rsa': [2],
  'ssh-dss': [4],
  'ssh-ed25519': [1, 32],
  'ecdsa-sha2-nistp256': [2],
  'ecdsa-sha2-nistp384': [2],
  'ecdsa-sha2-nistp521': [2],
  'sk-ecdsa-sha2-nistp256@openssh.com': [3],
  'sk-ssh-ed25519@openssh.com': [2, 32],
}

/** The kind of key that is in the word. Undefined when there is none. */
function kindOf(base64: string | undefined): string | undefined {
  if (!base64 || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const [name, ...parts] = readParts(Uint8Array.from(Buffer.from(base64, 'base64'))) ?? []
  const kind = Buffer.from(name ?? []).toString('latin1')
  if (kind.endsWith('-cert-v01@openssh.com')) return kind
  const [count, first] = Object.hasOwn(partsOf, kind) ? (partsOf[kind] ?? []) : []
  return parts.length === count && (first === undefined || parts[0]?.length === first) ? kind : undefined
}

/** The key, or what is wrong with its form. */
export function readSshKey(line: string): SshKey | string {
  const match = /^(\S+) ([A-Za-z0-9+/]+={0,2})( [^\p{C}\p{Zl}\p{Zp}]*)?$/u.exec(line)
  const [, kind = '', base64 = ''] = match ?? []
  if (!match) return 'must be one line of an OpenSSH public key, such as "ssh-ed25519 AAAA… you@host"'
  if (!kinds.includes(kind)) return `"${kind}" is no kind of key that the nodes take; they take ${kinds.join(', ')}`
  const parts = readParts(Uint8Array.from(Buffer.from(base64, 'base64')))
  const [named, first, second] = parts ?? []
  if (!named || Buffer.from(named).toString('latin1') !== kind || !first)
    return 'is cut off or not what its first word says: copy the whole line of the .pub file'
  const bits =
    kind === 'ssh-rsa' ? bitLength(second) : kind === NOT_IN_FIPS ? first.length * 8 : curveBits(kind, second)
  return bits === undefined || (kind === NOT_IN_FIPS && bits !== 256)
    ? 'is cut off: copy the whole line of the .pub file'
    : { kind, bits }
}

/** Reads length-prefixed strings to the very end. Undefined when their lengths do not add up. */
function readParts(bytes: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer)
  const parts: Uint8Array[] = []
  let offset = 0
  while (offset < bytes.length) {
    if (offset + 4 > bytes.length) return undefined
    const end = offset + 4 + view.getUint32(offset)
    if (end > bytes.length) return undefined
    parts.push(bytes.subarray(offset + 4, end))
    offset = end
  }
  return parts
}

/** The bits of a positive multiple-precision integer. */
function bitLength(bytes: Uint8Array | undefined): number | undefined {
  const first = bytes?.findIndex((byte) => byte !== 0) ?? -1
  if (!bytes || first === -1) return undefined
  return (bytes.length - first) * 8 - Math.clz32(bytes[first] ?? 0) + 24
}

function curveBits(kind: string, point: Uint8Array | undefined): number | undefined {
  const bits = Number(kind.slice(-3))
  // Uncompressed form: the byte 4, then both coordinates.
  return point?.[0] === 4 && point.length === 1 + 2 * Math.ceil(bits / 8) ? bits : undefined
}
