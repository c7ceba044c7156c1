// How a cluster reaches what it needs: proxy, image mirrors, certificates. Pure.
import { X509Certificate } from 'node:crypto'
import { blockOf, listOf, textOf, type Block, type Path, type Report } from './finding.ts'

export function lintProxy(config: Block, report: Report): void {
  if (config['proxy'] === undefined) return
  const proxy = blockOf(config['proxy'])
  if (!textOf(proxy['httpProxy']) && !textOf(proxy['httpsProxy']))
    report('error', 'proxy', ['proxy'], 'needs httpProxy or httpsProxy')
  for (const key of ['httpProxy', 'httpsProxy']) {
    const url = textOf(proxy[key])
    if (!url) continue
    const problem = proxyProblem(url, key)
    if (problem) report('error', 'proxy', ['proxy', key], problem)
  }
  const noProxy = textOf(proxy['noProxy'])
  if (
    noProxy !== undefined &&
    noProxy !== '*' &&
    noProxy.split(',').some((item) => !/^\.?[^\s*/]+(\/\d+)?$/.test(item.trim()))
  )
    report('error', 'proxy', ['proxy', 'noProxy'], 'must be *, or domains, addresses and networks joined by commas')
}

function proxyProblem(url: string, key: string): string | undefined {
  if (!URL.canParse(url)) return 'must be a URL such as http://proxy.example.com:3128'
  const { protocol } = new URL(url)
  const allowed = key === 'httpProxy' ? ['http:'] : ['http:', 'https:']
  return allowed.includes(protocol)
    ? undefined
    : `must begin with ${allowed.map((scheme) => `${scheme}//`).join(' or ')}`
}

export function lintImages(config: Block, report: Report): void {
  if (config['imageContentSources'] !== undefined)
    report(
      config['imageDigestSources'] === undefined ? 'warning' : 'error',
      'image-sources',
      ['imageContentSources'],
      'is deprecated and cannot stand beside imageDigestSources: take imageDigestSources alone',
    )
  for (const key of ['imageDigestSources', 'imageContentSources'])
    for (const [index, entry] of listOf(config[key]).map(blockOf).entries()) {
      const images: [Path, unknown][] = [
        [[key, index, 'source'], entry['source']],
        ...listOf(entry['mirrors']).map((mirror, place): [Path, unknown] => [[key, index, 'mirrors', place], mirror]),
      ]
      for (const [at, image] of images)
        if (typeof image === 'string' && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(\/[a-z0-9._-]+)*$/.test(image))
          report('error', 'image-sources', at, 'is no repository: host/path without scheme, tag or digest')
    }
}

export function lintTrust(config: Block, report: Report): void {
  const bundle = textOf(config['additionalTrustBundle'])
  if (config['additionalTrustBundlePolicy'] === 'Always' && !bundle)
    report('warning', 'trust-bundle', ['additionalTrustBundlePolicy'], 'does nothing without additionalTrustBundle')
  if (!bundle) return
  if (/-----BEGIN (?!CERTIFICATE-----)/.test(bundle))
    report(
      'error',
      'trust-bundle',
      ['additionalTrustBundle'],
      'may hold certificates only: there is another kind of PEM block',
    )
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0)
    report('error', 'trust-bundle', ['additionalTrustBundle'], 'holds no certificate in PEM form')
  for (const [index, block] of blocks.entries())
    if (!isCertificate(block))
      report(
        'error',
        'trust-bundle',
        ['additionalTrustBundle'],
        `certificate ${index + 1} of ${blocks.length} cannot be read`,
      )
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}
