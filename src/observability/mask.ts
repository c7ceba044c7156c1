// Takes secrets out of text before it is stored or printed: those that are known by value, and what looks like one.
const MASK = '***'

const shapes: [RegExp, string][] = [
  [/(password["']?\s*(?:is|was|[:=,])?\s*["']?)([^\s"',;\\]+)/gi, `$1${MASK}`],
  [
    /("?(?:auth|identitytoken|registrytoken|secret|token|client_?secret|api_?key|secret_?access_?key)"?\s*[:=]\s*\\?"?)([^\s"',;\\]{6,})/gi,
    `$1${MASK}`,
  ],
  [/\b((?:AKIA|ASIA)[A-Z0-9]{16})\b/g, MASK],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/_.~=-]{8,}/gi, `$1 ${MASK}`],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, MASK],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, MASK],
  [/\b[A-Za-z0-9]{5}-[A-Za-z0-9]{5}-[A-Za-z0-9]{5}-[A-Za-z0-9]{5}\b/g, MASK],
]

export type Masker = { mask: (text: string) => string; learn: (secret: string) => void }

export function createMasker(known: string[] = []): Masker {
  const secrets = new Set<string>()
  const learn = (secret: string) => {
    const text = secret.trim()
    if (text.length < 6) return
    for (const form of [
      text,
      Buffer.from(text).toString('base64'),
      encodeURIComponent(text),
      JSON.stringify(text).slice(1, -1),
    ])
      secrets.add(form)
  }
  known.forEach(learn)
  return {
    learn,
    mask(text) {
      let masked = text
      for (const secret of secrets) masked = masked.replaceAll(secret, MASK)
      for (const [shape, replacement] of shapes) masked = masked.replace(shape, replacement)
      return masked
    },
  }
}

/** The secret parts of a pull secret: itself and each registry's credential. */
export function secretsOfPullSecret(pullSecret: string): string[] {
  try {
    const { auths } = JSON.parse(pullSecret) as { auths?: Record<string, { auth?: unknown }> } // read defensively below
    const each = Object.values(auths ?? {}).flatMap((entry) => (typeof entry?.auth === 'string' ? [entry.auth] : []))
    return [
      pullSecret,
      ...each,
      ...each.map((auth) => Buffer.from(auth, 'base64').toString().split(':').slice(1).join(':')),
    ]
  } catch {
    return [pullSecret]
  }
}
