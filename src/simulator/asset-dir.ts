import fs from 'node:fs'
import path from 'node:path'
import { fatal } from './failure.ts'
import { readInstallConfig, type InstallConfig } from './install-config.ts'
import type { ClusterIdentity } from './metadata.ts'

const stateFile = '.openshift_install_state.json'
const manifestDirs = ['manifests', 'openshift', 'cluster-api']
const ignitionFiles = ['bootstrap.ign', 'master.ign', 'worker.ign']

export interface Manifest {
  file: string
  text: string
}

/** Everything that the steps hand to each other through the state file. */
export interface Assets {
  config: InstallConfig
  identity: ClusterIdentity
  kubeadminPassword: string
  certificatesExpireAt: string
  /** Empty until `create manifests` or a later step has made them. */
  manifests: Manifest[]
}

/** Keyed by Go type names, as the installer's state file is. */
interface State {
  '*installconfig.InstallConfig': { config: Record<string, unknown> }
  '*installconfig.ClusterID': { UUID: string; InfraID: string }
  '*password.KubeadminPassword': { Password: string }
  '*tls.RootCA': { CertRaw: string; NotAfter: string }
  '*manifests.Manifests': { FileList: { Filename: string; Data: string }[] }
}

export function loadState(dir: string): Assets | undefined {
  const text = readIfPresent(path.join(dir, stateFile))
  if (text === undefined) return undefined
  let state: State
  try {
    state = JSON.parse(text) as State
  } catch (error) {
    throw fatal(1, `failed to unmarshal state file ${path.join(dir, stateFile)}: ${(error as Error).message}`)
  }
  const { UUID: uuid, InfraID: infraID } = state['*installconfig.ClusterID']
  return {
    config: readInstallConfig(state['*installconfig.InstallConfig'].config),
    identity: { uuid, infraID },
    kubeadminPassword: state['*password.KubeadminPassword'].Password,
    certificatesExpireAt: state['*tls.RootCA'].NotAfter,
    manifests: state['*manifests.Manifests'].FileList.map(({ Filename, Data }) => ({
      file: Filename,
      text: Buffer.from(Data, 'base64').toString(),
    })),
  }
}

export function saveState(dir: string, assets: Assets): void {
  const state: State = {
    '*installconfig.InstallConfig': { config: assets.config.document },
    '*installconfig.ClusterID': { UUID: assets.identity.uuid, InfraID: assets.identity.infraID },
    '*password.KubeadminPassword': { Password: assets.kubeadminPassword },
    '*tls.RootCA': {
      CertRaw: Buffer.from(certificate('root-ca')).toString('base64'),
      NotAfter: assets.certificatesExpireAt,
    },
    '*manifests.Manifests': {
      FileList: assets.manifests.map(({ file, text }) => ({
        Filename: file,
        Data: Buffer.from(text).toString('base64'),
      })),
    },
  }
  writeAsset(dir, stateFile, JSON.stringify(state, null, 4))
}

export function readConfigFile(dir: string): string | undefined {
  return readIfPresent(path.join(dir, 'install-config.yaml'))
}

/** The manifests on disk, among them what the user changed or added; undefined when no step has left any. */
export function readManifests(dir: string): Manifest[] | undefined {
  if (!fs.existsSync(path.join(dir, 'manifests'))) return undefined
  return manifestDirs.flatMap((name) => {
    const full = path.join(dir, name)
    if (!fs.existsSync(full)) return []
    return fs
      .readdirSync(full, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort()
      .map((file) => ({ file: path.relative(dir, file), text: fs.readFileSync(file, 'utf8') }))
  })
}

export function hasIgnition(dir: string): boolean {
  return fs.existsSync(path.join(dir, 'bootstrap.ign'))
}

export function removeConsumed(dir: string): void {
  for (const name of ['install-config.yaml', ...manifestDirs, ...ignitionFiles]) remove(dir, name)
}

/** After a cluster is destroyed. The log and the ignition files stay; without a state file everything does. */
export function removeClusterFiles(dir: string): void {
  if (!fs.existsSync(path.join(dir, stateFile))) return
  for (const name of fs.readdirSync(dir)) {
    if (/^terraform.*\.tfstate$|\.tfvars\.json$/.test(name)) remove(dir, name)
  }
  for (const name of ['metadata.json', 'auth', 'tls', stateFile, '.clusterapi_output']) remove(dir, name)
}

export function writeAsset(dir: string, name: string, text: string): void {
  const file = path.join(dir, name)
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o750 })
  fs.writeFileSync(file, text, { mode: 0o640 })
}

/** In PEM. Where a program serves the APIs of the simulated clusters, it says in the cloud's directory what they have. */
export interface Identity {
  ca: string
  cert: string
  key: string
}

export function identityIn(cloudDir: string | undefined): Identity {
  const text = cloudDir === undefined ? undefined : readIfPresent(path.join(cloudDir, 'kubernetes.json'))
  if (text !== undefined) return JSON.parse(text) as Identity
  return { ca: certificate('kube-apiserver'), cert: certificate('system:admin'), key: certificate('system:admin key') }
}

export function writeKubeconfig(dir: string, clusterName: string, server: string, { ca, cert, key }: Identity): void {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  writeAsset(
    dir,
    'auth/kubeconfig',
    `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${base64(ca)}
    server: ${server}
  name: ${clusterName}
contexts:
- context:
    cluster: ${clusterName}
    user: admin
  name: admin
current-context: admin
kind: Config
preferences: {}
users:
- name: admin
  user:
    client-certificate-data: ${base64(cert)}
    client-key-data: ${base64(key)}
`,
  )
}

/** The API's address, undefined without a kubeconfig. */
export function serverOfKubeconfig(dir: string): string | undefined {
  const text = readIfPresent(path.join(dir, 'auth/kubeconfig'))
  return text === undefined ? undefined : /^\s*server: (\S+)$/m.exec(text)?.[1]
}

/** Clients trust the console's routes only when the router's CA comes before the API's own. */
export function prependRouterCa(dir: string, cloudDir: string | undefined): void {
  const text = readIfPresent(path.join(dir, 'auth/kubeconfig'))
  if (text === undefined) return
  // A real authority would not be found behind a simulated one.
  if (identityIn(cloudDir).ca !== certificate('kube-apiserver')) return
  const router = certificate('ingress-operator')
  const extended = text.replace(/(certificate-authority-data: )(\S+)/, (whole, key: string, data: string) => {
    const bundle = Buffer.from(data, 'base64').toString()
    return bundle.startsWith(router) ? whole : key + Buffer.from(router + bundle).toString('base64')
  })
  writeAsset(dir, 'auth/kubeconfig', extended)
}

export function readPassword(dir: string): string | undefined {
  return readIfPresent(path.join(dir, 'auth/kubeadmin-password'))
}

export function certificate(subject: string): string {
  const body = Buffer.from(`simulated certificate of ${subject}`).toString('base64')
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`
}

function remove(dir: string, name: string): void {
  fs.rmSync(path.join(dir, name), { recursive: true, force: true })
}

function readIfPresent(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
