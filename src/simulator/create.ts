import fs from 'node:fs'
import path from 'node:path'
import {
  certificate,
  hasIgnition,
  identityIn,
  loadState,
  readConfigFile,
  readManifests,
  removeConsumed,
  saveState,
  writeAsset,
  writeKubeconfig,
  type Assets,
  type Manifest,
} from './asset-dir.ts'
import { fatal } from './failure.ts'
import { readInstallConfig, serverOf, type InstallConfig, type Platform } from './install-config.ts'
import { printOut } from './log.ts'
import { metadataText, newIdentity } from './metadata.ts'
import { randomText } from './random.ts'
import { beginWork, cloudDirOf, endRun, ignoreSignals, type Run } from './run.ts'
import { runStage } from './stage.ts'

const firstAssets: Record<string, string> = {
  'create install-config': 'Install Config',
  'create manifests': 'Master Machines',
  'create ignition-configs': 'Bootstrap Ignition Config',
  'create single-node-ignition-config': 'Single Node Bootstrap Ignition Config',
  'create cluster': 'Metadata',
}

export async function create(run: Run): Promise<void> {
  const { command } = run.commandLine
  if (command === 'create cluster') {
    cloudDirOf(run)
    stopOnSignals(run)
  }
  const saved = loadState(run.dir)
  const given = await readGivenConfig(run.dir)
  const name = given?.name ?? saved?.config.name
  await beginWork(run, name, given === undefined ? saved?.identity.infraID : undefined)
  if (command === 'create cluster') refuseReentry(run.dir)

  const assets = await prepareAssets(run, given, saved)
  switch (command) {
    case 'create install-config': {
      const { stringify } = await import('yaml')
      return writeAsset(run.dir, 'install-config.yaml', stringify(assets.config.document))
    }
    case 'create manifests':
      for (const { file, text } of assets.manifests) writeAsset(run.dir, file, text)
      return run.log.info(`Manifests created in: ${listText(foldersOf(run.dir, assets.manifests))}`)
    case 'create ignition-configs':
      writeClusterFiles(run, assets)
      writeIgnition(run.dir, assets)
      return run.log.info(`Ignition-Configs created in: ${run.dir} and ${path.join(run.dir, 'auth')}`)
    case 'create single-node-ignition-config':
      writeClusterFiles(run, assets)
      writeAsset(run.dir, 'bootstrap-in-place-for-live-iso.ign', bootstrapIgnition(assets))
      return run.log.info(`Single-Node-Ignition-Config created in: ${run.dir} and ${path.join(run.dir, 'auth')}`)
    default:
      writeClusterFiles(run, assets)
      writeAsset(run.dir, 'tls/journal-gatewayd.crt', certificate('journal-gatewayd'))
      writeAsset(run.dir, 'tls/journal-gatewayd.key', certificate('journal-gatewayd key'))
      return (await import('./install.ts')).install(run, assets)
  }
}

const foldersOf = (dir: string, manifests: Manifest[]): string[] => [
  ...new Set(manifests.map(({ file }) => path.join(dir, path.dirname(file)))),
]

/** As the installer joins them: with commas, and with "and" before the last one. */
const listText = (names: string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`

interface GivenConfig {
  name: string | undefined
  document: unknown
  parseError: string | undefined
}

async function readGivenConfig(dir: string): Promise<GivenConfig | undefined> {
  const text = readConfigFile(dir)
  if (text === undefined) return undefined
  const { parse } = await import('yaml')
  try {
    const document = parse(text) as { metadata?: { name?: unknown } } | null
    const name = document?.metadata?.name
    return { name: typeof name === 'string' ? name : undefined, document, parseError: undefined }
  } catch (error) {
    return { name: undefined, document: undefined, parseError: (error as Error).message }
  }
}

async function prepareAssets(run: Run, given: GivenConfig | undefined, saved: Assets | undefined): Promise<Assets> {
  const first = firstAssets[run.commandLine.command] ?? ''
  if (given === undefined && saved === undefined) {
    throw fatal(
      1,
      `failed to fetch ${first}: failed to fetch dependency of "${first}": failed to fetch dependency of "Install Config": failed to generate asset "Platform": failed UserInput: EOF`,
    )
  }
  const configFailure = (problem: string) =>
    fatal(
      3,
      `failed to fetch ${first}: failed to load asset "Install Config": failed to create install config: ${problem}`,
    )
  await runStage(run, 'validate', [{ seconds: 3, act: () => {} }], {
    failure: () => configFailure('invalid "install-config.yaml" file: platform: Invalid value: simulated fault'),
  })
  let assets = saved
  if (given !== undefined) {
    let config: InstallConfig
    try {
      if (given.parseError !== undefined) {
        throw new Error(
          `failed to unmarshal install-config.yaml: error converting YAML to JSON: yaml: ${given.parseError}`,
        )
      }
      config = readInstallConfig(given.document)
    } catch (error) {
      throw configFailure((error as Error).message)
    }
    warnOfUnknownFields(run, config)
    if (config.document['fips'] === true && !run.environment.isFips) throw configFailure(notFips)
    if (run.faults.at('validate')?.action === 'no-credentials') {
      printOut('? Platform credentials ')
      throw configFailure(missingCredentials[config.platform])
    }
    run.log.info('Consuming Install Config from target directory')
    const isUnchanged = JSON.stringify(saved?.config.document) === JSON.stringify(config.document)
    assets = isUnchanged && saved ? saved : newAssets(config)
  }
  if (assets === undefined) throw new Error('neither a config nor a state')
  if (run.commandLine.command === 'create cluster' && Date.parse(assets.certificatesExpireAt) < Date.now()) {
    throw fatal(
      1,
      `failed to fetch ${first}: failed to load asset "Bootstrap Ignition Config": the certificates in the state file have expired (they were valid until ${assets.certificatesExpireAt}, 24 hours): start again in a fresh directory`,
    )
  }
  const manifests = readManifests(run.dir)
  if (manifests !== undefined) {
    for (const name of ['Common Manifests', 'Openshift Manifests', 'Master Machines', 'Worker Machines']) {
      run.log.info(`Consuming ${name} from target directory`)
    }
  }
  if (hasIgnition(run.dir)) {
    for (const name of ['Bootstrap', 'Master', 'Worker']) {
      run.log.info(`Consuming ${name} Ignition Config from target directory`)
    }
  }
  if (manifests !== undefined) assets = { ...assets, manifests }
  else if (assets.manifests.length === 0) assets = { ...assets, manifests: newManifests(assets) }
  await run.clock.pass(4)
  saveState(run.dir, assets)
  removeConsumed(run.dir)
  return assets
}

const notFips =
  'invalid "install-config.yaml" file: fips: Forbidden: target cluster is in FIPS mode, use the FIPS-capable installer binary for RHEL 9 on a host with FIPS enabled.\nTo obtain a suitable binary, extract the openshift-install-fips command from the release payload (simulated).'

/** It asks, and meets the end of its input. */
const missingCredentials: Record<Platform, string> = {
  aws: 'controlPlane.platform.aws: Internal error: creating AWS session: EOF',
  azure: 'creating Azure session: failed to retrieve credentials from user: EOF',
  gcp: 'failed to get session: failed to load credentials: EOF',
  ibmcloud: "failed to create IBM Cloud client: The 'ApiKey' property is required but was not specified.",
}

/** A field that the version does not know is thrown away; only a line in the log tells. */
function warnOfUnknownFields({ log, environment }: Run, { platform, settings }: InstallConfig): void {
  const minor = Number(environment.version.split('.')[1])
  if (platform !== 'aws' || minor >= 19 || settings['vpc'] === undefined) return
  log.warn(
    'failed to parse first occurrence of unknown field: failed to unmarshal install-config.yaml: error unmarshaling JSON: while decoding JSON: json: unknown field "vpc"',
  )
  log.info('Attempting to unmarshal while ignoring unknown keys because strict unmarshaling failed')
}

function newAssets(config: InstallConfig): Assets {
  const part = (): string => randomText(5, 'abcdefghijkmnopqrstuvwxyzABCDEFGHIJKLMNPQRSTUVWXYZ23456789')
  return {
    config,
    identity: newIdentity(config.name),
    kubeadminPassword: [part(), part(), part(), part()].join('-'),
    certificatesExpireAt: new Date(Date.now() + 24 * 3_600_000).toISOString(),
    manifests: [],
  }
}

function newManifests({ config, identity }: Assets): Manifest[] {
  const manifest = (file: string, kind: string, name: string, spec: string): Manifest => ({
    file,
    text: `apiVersion: ${kind.startsWith('Machine') ? 'machine.openshift.io/v1beta1' : 'config.openshift.io/v1'}\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n  ${spec}\n`,
  })
  const count = (length: number): number[] => Array.from({ length }, (_, n) => n)
  const domain = `baseDomain: ${config.name}.${config.baseDomain}`
  return [
    manifest('manifests/cluster-dns-02-config.yml', 'DNS', 'cluster', domain),
    manifest(
      'manifests/cluster-infrastructure-02-config.yml',
      'Infrastructure',
      'cluster',
      `infrastructureName: ${identity.infraID}`,
    ),
    manifest(
      'manifests/cluster-ingress-02-config.yml',
      'Ingress',
      'cluster',
      `domain: apps.${config.name}.${config.baseDomain}`,
    ),
    manifest('manifests/cluster-network-02-config.yml', 'Network', 'cluster', 'networkType: OVNKubernetes'),
    ...count(config.controlPlaneReplicas).map((n) =>
      manifest(
        `openshift/99_openshift-cluster-api_master-machines-${n}.yaml`,
        'Machine',
        `${identity.infraID}-master-${n}`,
        'lifecycleHooks: {}',
      ),
    ),
    manifest(
      'openshift/99_openshift-cluster-api_worker-machineset-0.yaml',
      'MachineSet',
      `${identity.infraID}-worker-${config.region}a`,
      `replicas: ${config.computeReplicas}`,
    ),
    manifest('cluster-api/02_infra-cluster.yaml', 'Cluster', identity.infraID, 'paused: false'),
  ]
}

/** Complete before any infrastructure: with metadata.json alone the cluster can be destroyed. */
function writeClusterFiles({ dir, environment }: Run, assets: Assets): void {
  writeAsset(dir, 'metadata.json', metadataText(assets.config, assets.identity, environment.version))
  writeKubeconfig(dir, assets.config.name, serverOf(assets.config), identityIn(environment.cloudDir))
  writeAsset(dir, 'auth/kubeadmin-password', assets.kubeadminPassword)
}

function writeIgnition(dir: string, assets: Assets): void {
  writeAsset(dir, 'bootstrap.ign', bootstrapIgnition(assets))
  const source = `https://api-int.${assets.config.name}.${assets.config.baseDomain}:22623/config`
  for (const role of ['master', 'worker']) {
    const config = { merge: [{ source: `${source}/${role}` }] }
    const authority = Buffer.from(certificate('root-ca')).toString('base64')
    const tls = { certificateAuthorities: [{ source: `data:text/plain;charset=utf-8;base64,${authority}` }] }
    writeAsset(dir, `${role}.ign`, JSON.stringify({ ignition: { config, security: { tls }, version: '3.2.0' } }))
  }
}

function bootstrapIgnition({ config, manifests }: Assets): string {
  const file = (name: string, text: string): object => ({
    path: name,
    mode: 384,
    contents: { source: `data:text/plain;charset=utf-8;base64,${Buffer.from(text).toString('base64')}` },
  })
  const files = [
    file('/root/.docker/config.json', String(config.document['pullSecret'])),
    ...manifests.map((manifest) => file(`/opt/openshift/${manifest.file}`, manifest.text)),
  ]
  return JSON.stringify({ ignition: { version: '3.2.0' }, storage: { files } })
}

function refuseReentry(dir: string): void {
  const problem = fs.readdirSync(dir).some((name) => /^terraform.*\.tfstate$/.test(name))
    ? 'terraform state files already exist.  There may already be a running cluster'
    : fs.existsSync(path.join(dir, '.clusterapi_output/envtest.kubeconfig'))
      ? 'local infrastructure provisioning artifacts already exist. There may already be a running cluster'
      : undefined
  if (problem !== undefined) throw fatal(1, `failed to fetch Cluster: failed to load asset "Cluster": ${problem}`)
}

function stopOnSignals(run: Run): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      ignoreSignals()
      run.log.warn('Received interrupt signal')
      run.log.info('Shutting down local Cluster API controllers...')
      run.log.info('Local Cluster API system has completed operations')
      endRun(run, 8)
    })
  }
}
