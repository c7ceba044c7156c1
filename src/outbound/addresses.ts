// Which addresses the service lets people send it to. Pure. What is not a public address, or not known to be one, is
// refused, in whatever way it is written.
import ipaddr from 'ipaddr.js'

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Public by their number, but not for others: the platform address of Azure, NAT64 of a site, IPv4 within IPv6. */
const alsoRefused = ['168.63.129.16/32', '192.88.99.0/24', '::/96', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '2001::/23', '3fff::/20', '5f00::/16'].map((text) => ipaddr.parseCIDR(text)) // prettier-ignore
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3')

const isIn = (address: ipaddr.IPv4 | ipaddr.IPv6, [network, bits]: Network): boolean =>
  address.kind() === network.kind() && address.match(network, bits) // of one kind, as match wants it

export type AddressRule = ((address: string) => 'public' | 'allowed' | 'refused') & { hasAllowed: boolean }

/** `allowed`: networks that may be reached beside the public ones. */
export function addressRule(allowed: readonly string[]): AddressRule {
  const networks = allowed.map((text) => ipaddr.parseCIDR(text))
  const rule = (text: string) => {
    // Only the usual form, as a resolver or a parsed URL has it.
    if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return 'refused'
    const address = ipaddr.parse(text)
    if (networks.some((network) => isIn(address, network))) return 'allowed'
    if (address.range() !== 'unicast' || alsoRefused.some((network) => isIn(address, network))) return 'refused'
    return address.kind() === 'ipv4' || isIn(address, GLOBAL_UNICAST) ? 'public' : 'refused'
  }
  return Object.assign(rule, { hasAllowed: networks.length > 0 })
}

/** A literal address in a URL's host, or undefined for a name. */
export function literalIn(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  return ipaddr.isValid(bare) ? bare : undefined
}

/** Why a URL is not one that may be sent to; undefined: it is, as far as its text tells. */
export function problemOfUrl(text: string, rule: AddressRule): string | undefined {
  if (!URL.canParse(text)) return 'is not a URL'
  const { protocol, hostname, port, username, password } = new URL(text)
  if (protocol !== 'https:' && protocol !== 'http:') return 'must begin with https://'
  if (username !== '' || password !== '') return 'may hold no user and no password'
  if (hostname === '') return 'has no host'
  const literal = literalIn(hostname)
  const verdict = literal === undefined ? undefined : rule(literal)
  if (verdict === 'refused') return 'is an address that is not public; an operator may allow its network'
  if (verdict === 'allowed') return undefined
  // Where the name leads is known when it is sent to.
  if (literal === undefined && rule.hasAllowed) return undefined
  if (literal === undefined && !hostname.includes('.')) return 'has a host without a domain'
  return problemOfPublic(protocol, port)
}

/** What holds for everything that is not in an allowed network. */
export const problemOfPublic = (protocol: string, port: string): string | undefined =>
  protocol !== 'https:' || (port !== '' && port !== '443')
    ? 'must be https on port 443; an operator may allow more for a network'
    : undefined
