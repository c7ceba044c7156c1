// Addresses as Go's net/url reads them. It takes some that a browser refuses, and the other way round. Pure.

export type GoUrl = { scheme: string; host: string; rest: string }

const host = /^(\[[^\]]*\]|[A-Za-z0-9\-._~!$&'()*+,;=:<>"%]*?)(:\d*)?$/
const userInfo = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/

/** What url.Parse makes of it, of an address with a scheme. Undefined where it is none. */
export function parseGoUrl(text: string): GoUrl | undefined {
  // oxlint-disable-next-line no-control-regex -- Go refuses exactly these
  if (/[\u0000-\u001f\u007f]/.test(text)) return undefined
  const [, written, after = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(text) ?? []
  if (written === undefined) return undefined
  const scheme = written.toLowerCase()
  const hierarchy = after.split('#')[0] ?? ''
  if (/%(?![0-9A-Fa-f]{2})/.test(hierarchy.split('?')[0] ?? '')) return undefined
  if (!hierarchy.startsWith('//')) return { scheme, host: '', rest: hierarchy }
  const [, authority = '', rest = ''] = /^\/\/([^/?]*)(.*)$/s.exec(hierarchy) ?? []
  const at = authority.lastIndexOf('@')
  if (at >= 0 && !userInfo.test(authority.slice(0, at))) return undefined
  const place = authority.slice(at + 1)
  const port = place.slice(place.lastIndexOf(':'))
  if (!host.test(place) || (!place.endsWith(']') && port.startsWith(':') && !/^:\d*$/.test(port))) return undefined
  return { scheme, host: place.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1'), rest }
}
