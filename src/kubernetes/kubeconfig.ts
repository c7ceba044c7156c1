// Reads the kubeconfig that the installer wrote. A kubeconfig may name programs to run, files to read and servers to
// trust, and whoever wrote it would choose what happens on this host. So only what the installer writes is accepted.
import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { parse } from 'yaml'

/** How a cluster's API is reached. `until`: when the client certificate ends. */
export type Access = Readonly<{ origin: string; host: string; ca: string; cert: string; key: string; until: Date }>

/** As which a cluster counts this service's requests. */
export const OWN_AGENT = 'ocpctl'

/** `field` is where it is, such as `users[0].user.exec`. Nothing of the file's content is in the message. */
export class KubeconfigRefused extends Error {
  override readonly name = 'KubeconfigRefused'
  readonly field: string
  constructor(field: string, why: string) {
    super(`the kubeconfig is refused: ${field} ${why}`)
    this.field = field
  }
}

type Fields = Record<string, unknown>

const EXTENSIONS = 'extensions'
const CA = 'certificate-authority-data'
const CERT = 'client-certificate-data'
const KEY = 'client-key-data'
const fileFields = ['apiVersion', 'kind', 'clusters', 'contexts', 'users', 'current-context', 'preferences', EXTENSIONS]
const clusterFields = ['server', CA, 'disable-compression', EXTENSIONS]
const contextFields = ['cluster', 'user', 'namespace', EXTENSIONS]
const userFields = [CERT, KEY, EXTENSIONS]

const readsFile = 'names a file of this host'
const reasons = new Map([
  ['exec', 'would run a program on this host'],
  ['auth-provider', 'would have another program or server sign in'],
  ['tokenFile', readsFile],
  ['certificate-authority', readsFile],
  ['client-certificate', readsFile],
  ['client-key', readsFile],
  ['insecure-skip-tls-verify', 'would let anybody answer for the cluster'],
  ['tls-server-name', 'would let another server answer for the cluster'],
  ['proxy-url', 'would send everything through another server'],
])

/** `domain` is the cluster's own, which its API is within. Throws KubeconfigRefused. */
export function readKubeconfig(text: string, domain: string): Access {
  const file = parseFile(text)
  requireKnown('', file, fileFields)
  const clusters = entriesOf(file, 'clusters', 'cluster', clusterFields)
  const contexts = entriesOf(file, 'contexts', 'context', contextFields)
  const users = entriesOf(file, 'users', 'user', userFields)
  for (const each of clusters) readServer(each, domain)

  const context = pick(contexts, 'contexts', file['current-context'], 'current-context')
  const cluster = pick(clusters, 'clusters', context.fields['cluster'], `${context.at}.cluster`)
  const user = pick(users, 'users', context.fields['user'], `${context.at}.user`)
  const { origin, hostname } = readServer(cluster, domain)
  const host = hostname.replace(/\.$/, '')
  const ca = readPem(cluster, CA)
  // Without an authority of its own, a connection would trust those that the whole world trusts.
  for (const block of ca.match(/-----BEGIN [^-]+-----[^-]*-----END [^-]+-----/g) ?? ['']) certificateIn(block, cluster.at, CA) // prettier-ignore
  const cert = readPem(user, CERT)
  const key = readPem(user, KEY)
  const until = new Date(certificateIn(cert, user.at, CERT).validTo)
  requirePair(cert, key, user.at)
  return { origin, host, ca, cert, key, until }
}

function parseFile(text: string): Fields {
  let file: unknown
  try {
    file = parse(text, { prettyErrors: false })
  } catch {
    throw new KubeconfigRefused('the file', 'is not YAML')
  }
  return requireFields('the file', file)
}

type Entry = { at: string; name: unknown; fields: Fields }

function entriesOf(file: Fields, list: string, inner: string, known: string[]): Entry[] {
  const entries = file[list]
  if (!Array.isArray(entries)) throw new KubeconfigRefused(list, 'is missing')
  return entries.map((entry: unknown, index) => {
    const { name, ...rest } = requireFields(`${list}[${index}]`, entry)
    requireKnown(`${list}[${index}].`, rest, [inner])
    const at = `${list}[${index}].${inner}`
    const fields = requireFields(at, rest[inner])
    requireKnown(`${at}.`, fields, known)
    return { at, name, fields }
  })
}

function pick(entries: Entry[], list: string, name: unknown, field: string): Entry {
  const found = entries.find((each) => each.name === name)
  if (typeof name !== 'string' || !found) throw new KubeconfigRefused(field, `names none of the ${list}`)
  return found
}

function requireFields(at: string, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new KubeconfigRefused(at, 'is not a map')
  return Object.fromEntries(Object.entries(value))
}

/** A field that is empty says nothing, and does no harm. */
function requireKnown(at: string, fields: Fields, known: string[]): void {
  for (const [field, value] of Object.entries(fields)) {
    if (known.includes(field) || value === null || value === '' || value === false) continue
    throw new KubeconfigRefused(`${at}${field}`, reasons.get(field) ?? 'is nothing that the installer writes')
  }
}

function readServer({ at, fields: { server } }: Entry, domain: string): URL {
  const field = `${at}.server`
  if (typeof server !== 'string' || !URL.canParse(server)) throw new KubeconfigRefused(field, 'is not a URL')
  const url = new URL(server)
  if (url.protocol !== 'https:') throw new KubeconfigRefused(field, 'is not https')
  if (url.username || url.password || url.search || url.hash || url.pathname !== '/')
    throw new KubeconfigRefused(field, 'has more than a host and a port')
  const host = url.hostname.replace(/\.$/, '')
  if (!host.endsWith(`.${domain.toLowerCase()}`)) throw new KubeconfigRefused(field, `is not within ${domain}`)
  return url
}

function readPem({ at, fields }: Entry, field: string): string {
  const value = fields[field]
  if (typeof value !== 'string' || value === '') throw new KubeconfigRefused(`${at}.${field}`, 'is missing')
  return Buffer.from(value, 'base64').toString('utf8')
}

function certificateIn(pem: string, at: string, field: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw new KubeconfigRefused(`${at}.${field}`, 'has no certificate')
  }
}

function requirePair(cert: string, key: string, at: string): void {
  try {
    createSecureContext({ cert, key })
  } catch {
    throw new KubeconfigRefused(`${at}.${KEY}`, 'is not the key of the client certificate')
  }
}
