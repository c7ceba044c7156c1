// Networks and addresses, written as Go's net.ParseCIDR and net.ParseIP take them. Pure.
import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js'
import type { Block, Path } from './finding.ts'

export type Range = [IPv4 | IPv6, number]
export type Kind = 'machine' | 'cluster' | 'service'
/** A network of an install-config: where it stands, and what else is said of it there. */
export type Network = { path: Path; kind: Kind; cidr: string; range: Range; entry: Block }

const LONGEST_CIDR = 50
// Four decimal parts without leading zeros.
const V4 = String.raw`(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}`
const v4Cidr = new RegExp(String.raw`^${V4}/\d{1,2}$`)
const v4Address = new RegExp(`^${V4}$`)
const v6Cidr = /^[0-9a-f:.]*:[0-9a-f:.]*\/\d{1,3}$/i

/** The range as it is written, or what is wrong with its form. */
export function parseCidr(cidr: string): Range | string {
  if (cidr.length > LONGEST_CIDR) return 'is no network: write it as 10.0.0.0/16'
  const kind = v4Cidr.test(cidr) ? ipaddr.IPv4 : v6Cidr.test(cidr) ? ipaddr.IPv6 : undefined
  if (!kind?.isValidCIDR(cidr)) return `"${cidr}" is no network: write it as 10.0.0.0/16`
  return kind.parseCIDR(cidr)
}

/** The range of a network, or why it is none: no address, or bits behind the mask. */
export function parseNetwork(cidr: string): Range | string {
  const range = parseCidr(cidr)
  if (typeof range === 'string') return range
  const [address, bits] = range
  if (address.toByteArray().every((byte) => byte === 0)) return `${cidr} begins with no address`
  const first = (address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(cidr).toString()
  return address.toString() === first ? range : `${cidr} has host bits set: the network is ${first}/${bits}`
}

export const parseAddress = (text: string): IPv4 | IPv6 | undefined =>
  v4Address.test(text) || text.includes(':') ? (ipaddr.isValid(text) ? ipaddr.parse(text) : undefined) : undefined

export const isV4 = (range: Range): boolean => range[0].kind() === 'ipv4'

export function overlap(a: Range, b: Range): boolean {
  if (a[0].kind() !== b[0].kind()) return false
  const bits = Math.min(a[1], b[1])
  return a[0].match([b[0], bits] as [IPv4 & IPv6, number]) // of one kind, as was seen above
}

export const contains = (range: Range, address: IPv4 | IPv6): boolean =>
  overlap(range, [address, address.kind() === 'ipv4' ? 32 : 128]) && range[1] <= (isV4(range) ? 32 : 128)
