// Takes secrets out of text before it is stored or printed: those that are known by value, in any encoding, and text
// that looks like a secret. Its cost grows only with the text, whatever the text is and however many secrets it knows.
const MASK = '***'
const SHORTEST = 6
const BLOCK = 4
/** A text may be quoted in JSON that is quoted in JSON, or be a URL in a URL. */
const DECODINGS = 3

/**
 * What looks like a secret; group 1 is the part that may stay. No pattern may have two unbounded repetitions in a row.
 */
const shapes: RegExp[] = [
  /(passw(?:or)?d\\{0,8}["']?\s{0,8}(?:is|was|[:=,])?\s{0,8}\\{0,8}["']?)(?:[^\s"',;\\]|[,;](?=[^\s"',;\\]))+/gi,
  /("?(?:auth|identitytoken|registrytoken|secret|token|client_?secret|api_?key|secret_?access_?key)\\{0,8}"?\s{0,8}[:=]\s{0,8}\\{0,8}"?)[^\s"',;\\]{6,}/gi,
  /(:\/\/[^\s:@/"']{0,256}:)[^\s"']{1,256}(?=@)/g,
  /()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /(\b(?:Bearer|Basic)\s{1,8})[A-Za-z0-9+/_.~=-]{8,}/gi,
  /()(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g,
  /()-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g,
  // The same in base64, as a kubeconfig has it: everything that begins like a PEM block and is not a certificate.
  /()LS0tLS1CRUdJTi(?!BDRVJUSUZJQ0FUR)[A-Za-z0-9+/=_-]+/g,
  /()\b[A-Za-z0-9]{5}-[A-Za-z0-9]{5}-[A-Za-z0-9]{5}-[A-Za-z0-9]{5}\b/g,
]
/** A text without one of these contains no shape. */
const HINT =
  /passw|auth|token|secret|api_?key|access_?key|AKIA|ASIA|bearer|basic|@|eyJ|-----BEGIN|LS0tLS1CRUdJTi|-\w{5}-/i

const SECRET_NAME = /SECRET|PASSWORD|TOKEN|API_?KEY|ACCESS_KEY|CREDENTIALS/
const NO_SECRET_NAME = /_(?:FILE|ID|PATH|DIR|URI)$|^GOOGLE_APPLICATION_CREDENTIALS$/

const KEY_BEGIN = /^-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----/
const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----/
/** An RSA key of 16384 bits has 200 lines. */
const KEY_LINES = 400
const LINES_BESIDE_KEY = 20
const KEY_BODY = /^[\s"'|]*[A-Za-z0-9+/]+={0,2}[\s"',\\]*$/
const KEY_BODY_WITHIN = /[A-Za-z0-9+/]{40}/
const KEY_PARTS = /[A-Za-z0-9+/]{16,}={0,2}/g

export type Masker = {
  mask: (text: string) => string
  /** For the lines of one log, in order, because a private key may be spread over several lines. */
  maskLine: (line: string) => string
  /**
   * A place near the limit, and not beyond it, where the text can be cut in two without cutting a secret. undefined:
   * nowhere.
   */
  findCut: (text: string, limit: number) => number | undefined
  learn: (secret: string) => void
}

/** A place that was found. It goes from `start` to `end`, and its context begins at `from`. */
type Span = { from: number; start: number; end: number }

export function createMasker(known: string[] = []): Masker {
  const dictionary = createDictionary()
  const learn = (secret: string) => {
    const text = secret.trim()
    if (text.length >= SHORTEST) for (const form of formsOf(text)) dictionary.add(form)
  }
  known.forEach(learn)

  function find(text: string): Span[] {
    const spans: Span[] = []
    let level: Decoded | undefined = { text, at: undefined }
    for (let decodings = 0; level && decodings <= DECODINGS; decodings++) {
      const { text: decoded, at } = level
      const note = (from: number, start: number, end: number) =>
        spans.push(
          at ? { from: at[from] ?? 0, start: at[start] ?? 0, end: at[end] ?? text.length } : { from, start, end },
        )
      dictionary.find(decoded, (start, end) => note(start, start, end))
      const joined = decoded.includes('\n')
        ? takeOff({ text: decoded, at: undefined }, LINE_BREAKS, () => '')
        : undefined
      if (joined) {
        const placeOf = (index: number) => joined.at?.[index] ?? index
        dictionary.find(joined.text, (start, end) => note(placeOf(start), placeOf(start), placeOf(end - 1) + 1))
      }
      if (HINT.test(decoded))
        for (const shape of shapes)
          for (const match of decoded.matchAll(shape))
            note(match.index, match.index + (match[1]?.length ?? 0), match.index + match[0].length)
      level = decode(level)
    }
    return spans.length > 1 ? spans.sort((a, b) => a.start - b.start) : spans
  }

  function mask(text: string): string {
    const spans = find(text)
    if (spans.length === 0) return text
    let masked = ''
    let done = 0
    for (const { start, end } of spans) {
      if (end <= done) continue
      if (start > done || done === 0) masked += text.slice(done, start) + MASK
      done = end
    }
    return masked + text.slice(done)
  }

  // How many lines of an open private key may still come, and how many other lines in a row may come between them.
  let keyLines = 0
  let patience = 0

  function maskLine(line: string): string {
    const isInKey = keyLines > 0
    const end = isInKey ? KEY_END.exec(line) : null
    const opens = line.lastIndexOf('-----BEGIN ')
    if (isInKey) {
      const isBody = KEY_BODY.test(line)
      patience = isBody || KEY_BODY_WITHIN.test(line) ? LINES_BESIDE_KEY : patience - 1
      keyLines = end || patience === 0 ? 0 : keyLines - 1
      if (isBody) return MASK
    }
    if (opens >= 0 && KEY_BEGIN.test(line.slice(opens)) && !KEY_END.test(line.slice(opens))) {
      keyLines = KEY_LINES
      patience = LINES_BESIDE_KEY
    }
    if (end) return MASK + mask(line.slice(end.index + end[0].length))
    return isInKey ? mask(line).replace(KEY_PARTS, MASK) : mask(line)
  }

  return {
    learn,
    mask,
    maskLine,
    findCut(text, limit) {
      let cut = limit
      for (const { from, end } of find(text).sort((a, b) => b.end - a.end)) if (from < cut && cut < end) cut = from
      return cut > 0 ? cut : undefined
    },
  }
}

type Form = { text: string; isBase64: boolean }

/** Finds any of many texts in one pass, by a hash of their first characters. */
function createDictionary() {
  const isStart = new Uint8Array(0x10000)
  const forms = new Map<number, Form[]>()
  const next = (hash: number, code: number) => ((hash << 4) ^ code) & 0xffff // of the last four characters

  return {
    add(form: Form) {
      let hash = 0
      for (let at = 0; at < BLOCK; at++) hash = next(hash, form.text.charCodeAt(at))
      const others = forms.get(hash) ?? []
      if (others.some(({ text }) => text === form.text)) return
      forms.set(hash, [...others, form])
      isStart[hash] = 1
    },

    find(text: string, note: (start: number, end: number) => void) {
      let hash = 0
      for (let at = 0; at < text.length; at++) {
        hash = next(hash, text.charCodeAt(at))
        if (isStart[hash] === 0 || at < BLOCK - 1) continue
        const start = at - BLOCK + 1
        for (const form of forms.get(hash) ?? [])
          if (text.startsWith(form.text, start)) {
            const end = start + form.text.length
            if (form.isBase64) note(widen(text, start - 1) ? start - 1 : start, widen(text, end) ? end + 1 : end)
            else note(start, end)
          }
      }
    },
  }
}

/** The characters beside it contain the last bits of the secret and the first bits of the text around it. */
const widen = (text: string, at: number) => /[A-Za-z0-9+/_=-]/.test(text.charAt(at))

function formsOf(secret: string): Form[] {
  const plain = new Set([secret, Buffer.from(secret).toString('latin1')])
  // A secret that looks encoded itself is decoded together with the text around it.
  for (let level = decode({ text: secret, at: undefined }); level; level = decode(level)) plain.add(level.text)
  for (const text of plain) plain.add(text.replaceAll(' ', '+'))
  const hex = Buffer.from(secret).toString('hex')
  plain.add(hex).add(hex.toUpperCase())
  const base64 = new Set<string>()
  for (const text of [secret, JSON.stringify(secret).slice(1, -1)])
    for (const offset of [0, 1, 2]) {
      const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)])
      // Only the characters that no neighbour influences: the others depend on what is around the secret.
      const core = bytes.toString('base64').slice(Math.ceil((offset * 4) / 3), Math.floor((bytes.length * 4) / 3))
      base64.add(core).add(core.replaceAll('+', '-').replaceAll('/', '_'))
    }
  return [
    ...[...plain].filter((text) => text.length >= BLOCK).map((text) => ({ text, isBase64: false })),
    ...[...base64].map((text) => ({ text, isBase64: true })),
  ]
}

/** `at`: where in the original text each character begins, and then its length. undefined: it is the original. */
type Decoded = { text: string; at: Uint32Array | undefined }

const ENCODED = /%[0-9A-Fa-f]{2}|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|["'\\/bfnrt])/g
/** Base64 is often wrapped. */
const LINE_BREAKS = /\r?\n[ \t]{0,64}/g
const ESCAPES: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** Removes one layer of percent-encoding and of escapes. Undefined when there is none. */
function decode(level: Decoded): Decoded | undefined {
  if (!level.text.includes('%') && !level.text.includes('\\')) return undefined
  return takeOff(level, ENCODED, decodeOne)
}

function takeOff({ text, at }: Decoded, encoding: RegExp, decodeOne: (encoded: string) => string): Decoded | undefined {
  const from = new Uint32Array(text.length + 1)
  let decoded = ''
  let length = 0
  let done = 0
  const copy = (end: number) => {
    decoded += text.slice(done, end)
    for (; done < end; done++) from[length++] = at?.[done] ?? done
  }
  for (const { index, 0: encoded } of text.matchAll(encoding)) {
    copy(index)
    const one = decodeOne(encoded)
    decoded += one
    if (one !== '') from[length++] = at?.[index] ?? index
    done = index + encoded.length
  }
  if (done === 0) return undefined
  copy(text.length)
  from[length] = at?.[text.length] ?? text.length
  return { text: decoded, at: from }
}

/** Each byte of UTF-8 stays a separate character, as in the form of the secret that is compared with it. */
function decodeOne(encoded: string): string {
  const kind = encoded.charAt(1)
  if (encoded.startsWith('%')) return String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
  if (encoded.length > 2) return String.fromCharCode(Number.parseInt(encoded.slice(2), 16))
  return ESCAPES[kind] ?? kind
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

/** The secrets in the environment that an installer inherits. Names of files and other names are not secrets. */
export function secretsOfEnvironment(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    if (value === undefined) return []
    if (/_PROXY$/i.test(name)) return URL.canParse(value) ? decodeURIComponent(new URL(value).password) : []
    return SECRET_NAME.test(name) && !NO_SECRET_NAME.test(name) ? [value] : []
  })
}
