// How a cluster reaches what it needs: proxy, image mirrors, certificates. Pure.
import { X509Certificate } from 'node:crypto'
import { blockOf, listOf, requireWord, textOf, type Block, type Path, type Report, type Subject } from './finding.ts'
import { parseGoUrl } from './go-url.ts'
import { contains, parseAddress, parseCidr } from './networks.ts'
import { isRepository } from './repository.ts'

const dnsName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/

export function lintProxy({ config, report }: Subject): void {
  if (config['proxy'] === undefined) return
  const proxy = blockOf(config['proxy'])
  if (!textOf(proxy['httpProxy']) && !textOf(proxy['httpsProxy']))
    report('error', 'proxy', ['proxy'], 'needs httpProxy or httpsProxy')
  for (const key of ['httpProxy', 'httpsProxy']) {
    const problem = proxyProblem(textOf(proxy[key]) ?? '', key, blockOf(config['networking']))
    if (problem) report('error', 'proxy', ['proxy', key], problem)
  }
  const noProxy = textOf(proxy['noProxy'])
  if (
    noProxy &&
    noProxy !== '*' &&
    (noProxy.includes(' ') || !noProxy.split(',').every((each) => isPassedBy(each.trim())))
  )
    // prettier-ignore
    report('error', 'proxy', ['proxy', 'noProxy'], 'must be *, or domains, addresses and networks joined by commas alone')
}

const isPassedBy = (item: string) =>
  dnsName.test(item.replace(/^\./, '').replace(/\.$/, '')) ||
  typeof parseCidr(item) !== 'string' ||
  parseAddress(item) !== undefined

function proxyProblem(text: string, key: string, networking: Block): string | undefined {
  if (text === '') return undefined
  const url = parseGoUrl(text)
  if (!url) return 'must be a URL such as http://proxy.example.com:3128'
  const allowed = key === 'httpProxy' ? ['http'] : ['http', 'https']
  if (!allowed.includes(url.scheme)) return `must begin with ${allowed.map((scheme) => `${scheme}://`).join(' or ')}`
  const address = parseAddress(url.host)
  if (!address) return undefined
  const inside = (cidr: unknown) => {
    const range = parseCidr(String(cidr))
    return typeof range !== 'string' && contains(range, address)
  }
  const clusters = listOf(networking['clusterNetwork']).map((entry) => blockOf(entry)['cidr'])
  if ((clusters.length > 0 ? clusters : ['10.128.0.0/14']).some(inside)) return 'lies in the cluster network'
  const services = listOf(networking['serviceNetwork'])
  if ((services.length > 0 ? services : ['172.30.0.0/16']).some(inside)) return 'lies in the service network'
  const join = blockOf(blockOf(networking['ovnKubernetesConfig'])['ipv4'])['internalJoinSubnet']
  return inside(join) ? "lies in OVN-Kubernetes' join network" : undefined
}

export function lintImages({ config, report }: Subject): void {
  const [old, images] = [listOf(config['imageContentSources']), listOf(config['imageDigestSources'])]
  if (old.length > 0)
    report(
      images.length === 0 ? 'warning' : 'error',
      'image-sources',
      ['imageContentSources'],
      'is deprecated and cannot stand beside imageDigestSources: take imageDigestSources alone',
    )
  for (const [key, entries] of Object.entries({ imageDigestSources: images, imageContentSources: old }))
    for (const [index, entry] of entries.map(blockOf).entries()) lintSource(entry, [key, index], report)
}

function lintSource(entry: Block, at: Path, report: Report): void {
  const mirrors = listOf(entry['mirrors'])
  const names: [Path, unknown][] = [
    [[...at, 'source'], entry['source'] ?? ''],
    ...mirrors.map((mirror, place): [Path, unknown] => [[...at, 'mirrors', place], mirror]),
  ]
  for (const [place, name] of names)
    if (!isRepository(String(name)))
      report('error', 'image-sources', place, 'is no repository: host/path without scheme, tag or digest')
  const policy = [...at, 'sourcePolicy']
  requireWord(report, 'image-sources', policy, entry['sourcePolicy'], ['AllowContactingSource', 'NeverContactSource'])
  if (textOf(entry['sourcePolicy']) && mirrors.length === 0) report('error', 'image-sources', policy, 'needs mirrors')
}

export function lintTrust({ config, report }: Subject): void {
  const bundle = textOf(config['additionalTrustBundle'])
  const policy = ['additionalTrustBundlePolicy']
  requireWord(report, 'trust-bundle', policy, config['additionalTrustBundlePolicy'], ['Proxyonly', 'Always'])
  if (config['additionalTrustBundlePolicy'] === 'Always' && !bundle)
    report('warning', 'trust-bundle', policy, 'does nothing without additionalTrustBundle', 'ours')
  if (!bundle) return
  const problem = bundleProblem(bundle)
  if (problem) report('error', 'trust-bundle', ['additionalTrustBundle'], problem)
}

const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'

function bundleProblem(bundle: string): string | undefined {
  if (/-----BEGIN (?!CERTIFICATE-----)/.test(bundle))
    return 'may hold certificates only: there is another kind of PEM block'
  const pieces = bundle.split(END)
  const rest = pieces.pop() ?? ''
  if (pieces.length === 0) return 'holds no certificate in PEM form'
  const broken = pieces.findIndex((piece) => !isCertificate(piece.slice(Math.max(0, piece.indexOf(BEGIN))) + END))
  if (broken >= 0) return `certificate ${broken + 1} of ${pieces.length} cannot be read`
  return rest.trim() === '' ? undefined : 'holds something after its last certificate'
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}
