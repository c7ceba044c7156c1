// What each cloud accepts as a tag, and what an installer refuses. Pure. A cloud's rule is the tighter one: IAM and ELB
// accept fewer characters than the installer lets through.
import type { Platform } from '../vocabulary.ts'

/**
 * How many tags install-config.yaml may have, including ours. IBM Cloud's has none; the number for it is our choice.
 */
export const tagBudget: Record<Platform, number> = { aws: 25, azure: 10, gcp: 32, ibmcloud: 25 }
type Rule = { key: RegExp; value: RegExp; syntax: string; reserved: RegExp }

const amazon: Rule = {
  key: /^[0-9A-Za-z_.:/=+@ -]{1,128}$/,
  value: /^[0-9A-Za-z_.:/=+@ -]{1,256}$/,
  syntax:
    'a key has 1 to 128 and a value 1 to 256 characters, each a letter, a digit, a space or one of _ . : / = + @ -',
  reserved: /^name$|^aws:|(^|\.)(kubernetes|openshift)\.io\//i,
}

const rules: Record<Platform, Rule> = {
  aws: amazon,
  ibmcloud: amazon,
  azure: {
    key: /^[a-zA-Z]([0-9A-Za-z_.-]{0,126}[0-9A-Za-z_])?$/,
    value: /^[0-9A-Za-z_.:/=+@-]{1,256}$/,
    syntax:
      'a key has at most 128 letters, digits and _ . -, beginning with a letter; a value has 1 to 256 letters, digits and _ . : / = + @ -',
    reserved: /^name$|^(kubernetes\.io|openshift\.io|microsoft|azure|windows)/i,
  },
  gcp: {
    key: /^[a-z][0-9a-z_-]{0,62}$/,
    value: /^[0-9a-z_-]{1,63}$/,
    syntax:
      'a key has at most 63 lower-case letters, digits, _ and -, beginning with a letter; a value has 1 to 63 of the same',
    reserved: /^(kubernetes-io|openshift-io)/,
  },
}

/** What is wrong with a tag, as a sentence. Undefined when the cloud accepts it. */
export function tagProblem(platform: Platform, key: string, value: string): string | undefined {
  const rule = rules[platform]
  if (rule.reserved.test(key)) return `the key "${key}" is reserved on ${platform}`
  if (!rule.key.test(key) || !rule.value.test(value)) return `is no tag of ${platform}: ${rule.syntax}`
  return undefined
}

// What the installers themselves look at.
const refused: Record<Platform, { key: RegExp; value: RegExp; reserved: RegExp }> = {
  aws: {
    key: /^[0-9A-Za-z_.:/=+-@\p{Z}]{1,128}$/u,
    value: /^[0-9A-Za-z_.:/=+-@\p{Z}]{1,256}$/u,
    reserved: /^[Nn][Aa][Mm][Ee]$|^([^/]*\.)?(kubernetes|openshift).io\//,
  },
  azure: {
    key: /^[a-zA-Z]([0-9A-Za-z_.-]{0,126}[0-9A-Za-z_])?$/,
    value: /^[0-9A-Za-z_.=+-@]{1,256}$/,
    reserved: /^(name$|kubernetes\.io|openshift\.io|microsoft|azure|windows)/i,
  },
  gcp: { key: /^[a-z][0-9a-z_-]{0,62}$/, value: /^[0-9a-z_-]{1,63}$/, reserved: /^(kubernetes-io|openshift-io)/ },
  ibmcloud: { key: /^/, value: /^/, reserved: /$^/ },
}

/** Whether an installer refuses the tag. What it lets through, the cloud may still refuse. */
export function isTagRefused(platform: Platform, key: string, value: string): boolean {
  const rule = refused[platform]
  return rule.reserved.test(key) || !rule.key.test(key) || !rule.value.test(value)
}

/** Makes keys equal that one cloud takes for the same: Azure does not distinguish upper and lower case. */
export const tagIdentity = (platform: Platform, key: string): string => (platform === 'azure' ? key.toLowerCase() : key)

/** Turns the text into a value that the cloud accepts. Different texts may become the same. */
export function toTagValue(platform: Platform, text: string): string {
  if (platform === 'gcp')
    return text
      .toLowerCase()
      .replace(/[^0-9a-z_-]/g, '-')
      .slice(0, 63)
  return text.replace(platform === 'azure' ? /[^0-9A-Za-z_.:/=+@-]/g : /[^0-9A-Za-z_.:/=+@ -]/g, '-').slice(0, 256)
}

/**
 * The tags that every resource of the cluster carries, in the form that its cloud takes. Ours win, then the profile's.
 */
export function effectiveTags(
  {
    tags: requestTags,
    profile,
  }: {
    tags: Record<string, string>
    profile: { platform: Platform; tags: { defaults: Record<string, string>; fixed: Record<string, string> } }
  },
  cluster: {
    id: string
    name: string
    owner: string
    team: string
    costCenter: string | null
    destroyAt: Date
    installationId: string
  },
): Record<string, string> {
  const { platform, tags } = profile
  const own = {
    'ocpctl-cluster-id': cluster.id,
    'ocpctl-cluster-name': cluster.name,
    'ocpctl-owner': cluster.owner,
    'ocpctl-team': cluster.team,
    ...(cluster.costCenter ? { 'ocpctl-cost-center': cluster.costCenter } : {}),
    'ocpctl-expires': cluster.destroyAt.toISOString(),
    'ocpctl-installation-id': cluster.installationId,
  }
  return {
    ...tags.defaults,
    ...requestTags,
    ...tags.fixed,
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [key, toTagValue(platform, value)])),
  }
}
