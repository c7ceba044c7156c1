// What a cluster may be called, so that its DNS names and its cloud resources can be made. Pure.
import type { Platform } from '../vocabulary.ts'

const LONGEST_NAME = 54
const LONGEST_DOMAIN = 253
/** The longest prefix among the names of a cluster. */
const LONGEST_HOST = 'console-openshift-console.apps.'
const subdomain = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/

// Azure refuses resources whose names contain these words: as the whole name, anywhere, or at the beginning.
const azureWords =
  /^(access|azure|bing|bizspark|biztalk|cortana|directx|dotnet|dynamics|excel|exchange|forefront|groove|hololens|hyperv|kinect|lync|msdn|o365|office|office365|onedrive|onenote|outlook|powerpoint|sharepoint|skype|visio|visualstudio)$|microsoft|windows|^login|^xbox/

/** What is wrong with a name on a platform, as a sentence. */
export const nameProblem = (platform: Platform | undefined, name: string): string | undefined =>
  nameRefusal(platform, name) ?? dashProblem(name)

/** Why an installer refuses the name. */
export function nameRefusal(platform: Platform | undefined, name: string): string | undefined {
  if (!subdomain.test(name))
    return `"${name}" is no DNS name: lower-case letters, digits and dashes, beginning and ending with a letter or digit`
  if (name.length > LONGEST_NAME) return `has ${name.length} characters; at most ${LONGEST_NAME} are allowed`
  if ((platform === 'gcp' || platform === 'azure') && !/^[a-z]/.test(name))
    return `a name on ${platform} begins with a letter`
  if (platform === 'gcp' && /^goog|g[o0]{2}gle/.test(name))
    return 'Google Cloud refuses names that begin with "goog" or look like "google"'
  if (platform === 'azure' && azureWords.test(name))
    return `Azure reserves a word in "${name}" for its owner's products: take another name`
  return undefined
}

/** Installers take such a name. Then they squeeze the dashes in one place and not in another, and always fail. */
export const dashProblem = (name: string): string | undefined =>
  name.includes('--') ? `"${name}" has two dashes in a row, with which every installation fails: leave one` : undefined

/** Why an installer refuses the domain that name and base domain make together. */
export function domainRefusal(name: string, baseDomain: string): string | undefined {
  const domain = baseDomain.replace(/\.$/, '')
  if (!subdomain.test(domain)) return `"${baseDomain}" is no DNS name in lower case`
  const whole = `${name}.${domain}`
  return whole.length > LONGEST_DOMAIN
    ? `with the name, it has ${whole.length} characters; DNS allows ${LONGEST_DOMAIN}`
    : undefined
}

/** What is wrong with that domain, as a sentence. */
export function domainProblem(name: string, baseDomain: string): string | undefined {
  const refusal = domainRefusal(name, baseDomain)
  if (refusal) return refusal
  const domain = baseDomain.replace(/\.$/, '')
  if (domain.split('.').some((label) => label.length > 63))
    return `a part of "${baseDomain}" is longer than 63 characters`
  const longest = `${LONGEST_HOST}${name}.${domain}`
  if (longest.length > LONGEST_DOMAIN)
    return `the cluster's longest host name, ${LONGEST_HOST}${name}.…, would have ${longest.length} characters; DNS allows ${LONGEST_DOMAIN}`
  return undefined
}
