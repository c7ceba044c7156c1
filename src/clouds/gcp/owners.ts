// What tells that something is the cluster's: labels, the names that the installer and the cluster's cloud provider give,
// and what it refers to. A filter only saves pages: all that it lets through is looked at again.
import { createHash } from 'node:crypto'
import type { InventoryQuery } from '../inventory.ts'
import type { Labels } from './session.ts'

/** How the cloud provider names all parts of one load balancer: after the UID of its service. */
const BALANCER = /(?<![0-9a-z])a[0-9a-f]{31}(?![0-9a-f])/
/** The beginnings of the names that it gives. */
export const PROVIDER_PREFIXES = ['a', 'k8s-']

export type Owners = ReturnType<typeof ownersOf>

export function ownersOf({
  infraIds,
  clusterId,
  disks = [],
}: Pick<InventoryQuery, 'infraIds' | 'clusterId' | 'disks'>) {
  const labels: [key: string, value: string][] = [
    ...(clusterId === undefined ? [] : [['ocpctl-cluster-id', clusterId] satisfies [string, string]]),
    ...infraIds.flatMap((infraId): [string, string][] => [
      [`kubernetes-io-cluster-${infraId}`, 'owned'],
      [`capg-cluster-${infraId}`, 'owned'],
    ]),
  ]
  const prefixes = infraIds.map((infraId) => `${infraId}-`)
  // The cloud provider knows the cluster by a hash of its infraID.
  const uids = infraIds.map((infraId) => createHash('md5').update(infraId).digest('hex').slice(0, 16))
  const isName = (name: string | undefined): boolean =>
    name !== undefined &&
    (prefixes.some((prefix) => name.startsWith(prefix)) ||
      uids.some((uid) => name === `k8s-ig--${uid}` || name.startsWith(`k8s-${uid}-`)))
  return {
    labels,
    prefixes,
    /** Those that the cluster's own objects named. */
    disks,
    isName,
    isLabelled: (theirs: Labels = {}): boolean => labels.some(([key, value]) => theirs[key] === value),
    /** Whether the URL of a resource names one of the cluster's. */
    isLink: (link: string | undefined): boolean => isName(link?.split('/').at(-1)),
  }
}

export const balancerOf = (name: string): string | undefined => BALANCER.exec(name)?.[0]

/** One of these holds. There are regular expressions too, but not in one filter with OR. */
export const anyOf = (terms: string[]): string => terms.map((term) => `(${term})`).join(' OR ')

export const termsOfNames = (prefixes: string[]): string[] => prefixes.map((prefix) => `name : "${prefix}*"`)

export const termsOfLabels = (labels: [key: string, value: string][]): string[] =>
  labels.map(([key, value]) => `labels.${key} = "${value}"`)
