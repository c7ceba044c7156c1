// Addresses of a cloud's services that stand in for its own. Pure.
import type { Platform } from '../vocabulary.ts'
import { blockOf, listOf, textOf, type Block, type Report } from './finding.ts'
import { parseGoUrl } from './go-url.ts'

/** What may stand behind the host. */
const isPathAllowed: Partial<Record<Platform, (path: string) => boolean>> = {
  aws: (path) => path === '/',
  // The version of an API.
  ibmcloud: (path) => path === '/' || path.replace(/\/(api\/)?v\d+\/?/g, '') === '',
}

export function lintEndpoints(settings: Block, platform: Platform, report: Report): void {
  const names = new Set<string>()
  for (const [index, endpoint] of listOf(settings['serviceEndpoints']).map(blockOf).entries()) {
    const name = textOf(endpoint['name']) ?? ''
    const at = ['platform', platform, 'serviceEndpoints', index]
    const problem = urlProblem(textOf(endpoint['url']) ?? '', platform)
    if (names.has(name)) report('error', 'service-endpoint', [...at, 'name'], `there are two addresses for ${name}`)
    if (problem) report('error', 'service-endpoint', [...at, 'url'], problem)
    names.add(name)
  }
}

/** It may leave out https://. */
function urlProblem(given: string, platform: Platform): string | undefined {
  const url = parseGoUrl(/^[^:]+:\/\//.test(given) ? given : `https://${given}`)
  if (!url || url.host === '') return 'must be an address such as https://ec2.example.com'
  if (url.scheme !== 'https') return 'must begin with https://'
  const isAllowed = isPathAllowed[platform]?.(url.rest || '/') ?? true
  return isAllowed ? undefined : `may hold no path and no parameters: there is ${url.rest}`
}
