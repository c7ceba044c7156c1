// Good install-configs of each platform, and ways to spoil them.
import path from 'node:path'
import { buildInstallConfig } from '../src/install-config/install-config.ts'
import { loadCatalog, profileNamed } from '../src/profiles/catalog.ts'
import type { Platform } from '../src/vocabulary.ts'
import { ROOT } from './harness.ts'

export type Draft = Record<string, any> // eslint-disable-line -- each case breaks another part
export type Change = (config: Draft) => void

const catalog = loadCatalog(path.join(ROOT, 'profiles'))

/** A good install-config of a platform, as what a person would have written. */
export function goodConfig(platform: Platform = 'aws'): Draft {
  const profile = profileNamed(catalog, `${platform}-standard`)
  return structuredClone(
    buildInstallConfig({
      name: 'demo',
      version: '4.20.3',
      baseDomain: 'example.com',
      region: profile.regions.default,
      workerReplicas: 3,
      profile,
      tags: { team: 'a' },
      pullSecret: '{"auths":{"quay.io":{"auth":"YTpi"}}}',
    }),
  )
}

export const set =
  (at: string, value: unknown): Change =>
  (config) => {
    const steps = at.split('.')
    const last = steps.pop() ?? ''
    let place = config
    for (const step of steps) place = place[step] ??= {}
    if (value === undefined) delete place[last]
    else place[last] = value
  }

export const all =
  (...changes: Change[]): Change =>
  (config) =>
    changes.forEach((change) => change(config))

export const cidr = (field: string, value: string): Change =>
  field === 'service'
    ? set('networking.serviceNetwork', [value])
    : set(`networking.${field}Network`, [field === 'machine' ? { cidr: value } : { cidr: value, hostPrefix: 23 }])

export const join = (value: string): Change =>
  set('networking.ovnKubernetesConfig', { ipv4: { internalJoinSubnet: value } })

/** With the features that are still being tried. */
export const tech = (...changes: Change[]): Change => all(set('featureSet', 'TechPreviewNoUpgrade'), ...changes)

/** Both families on AWS, but for what is given. */
export const dual = (networking: Draft): Change =>
  tech(set('platform.aws.ipFamily', 'DualStackIPv4Primary'), (config) =>
    Object.assign(
      config['networking'],
      {
        serviceNetwork: ['172.30.0.0/16', 'fd02::/112'],
        clusterNetwork: [
          { cidr: '10.128.0.0/14', hostPrefix: 23 },
          { cidr: 'fd01::/48', hostPrefix: 64 },
        ],
      },
      networking,
    ),
  )

export const mirror = (more: Draft = {}): Draft => ({ source: 'quay.io/a/b', mirrors: ['m.example.com/a'], ...more })
export const tags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`t${n}`, 'x']))
export const roles = (...types: string[]) => types.map((type) => ({ type }))
export const subnets = (...each: Draft[]): Change => set('platform.aws.vpc', { subnets: each })

export const azureNetwork = (more: Draft): Change =>
  all(
    ...Object.entries({
      networkResourceGroupName: 'g',
      virtualNetwork: 'v',
      controlPlaneSubnet: 'a',
      computeSubnet: 'b',
      ...more,
    }).map(([key, value]) => set(`platform.azure.${key}`, value)),
  )

export const confidential = (uefiSettings: Draft): Change =>
  all(
    set('compute.0.platform.azure.settings', { securityType: 'ConfidentialVM', confidentialVM: { uefiSettings } }),
    set('compute.0.platform.azure.osDisk', { securityProfile: { securityEncryptionType: 'DiskWithVMGuestState' } }),
  )

/** Made for the tests; nobody keeps its key. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUYO00Z4ZF1HMNtqup3vdKS+ap0h8wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMzAwMDA0NDNaGA8yMTI2MTEwNjAwMDQ0
M1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOB+
1dclHpYQM9f2TxV0Bcfz5Jk9CT71nrv6gVHTN574OWjJbRygulVs3J8UgtkZ02VM
SwIsqekalhIrq1h/4cyjUzBRMB0GA1UdDgQWBBTge7fEUs1BKEbch2ud/2HJfRQu
9zAfBgNVHSMEGDAWgBTge7fEUs1BKEbch2ud/2HJfRQu9zAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCkQGfnpP3eHINgnTHRRl3n7sVLxuQyEz4F
7QQFnMM7twIgcVib8Evc4fqGR9wST3hhB+Jnf1vjyMKZ03fCBJJ6IaI=
-----END CERTIFICATE-----
`
