// The kubeconfig of a cluster: printed, or merged into the one that kubectl and oc read.
import { delimiter, join, resolve } from 'node:path'
import { existsSync } from 'node:fs'
import type { Document, YAMLMap, YAMLSeq } from 'yaml'
import { v1, type Api } from './api.ts'
import { homeOf, type Environment } from './contexts.ts'
import { Failure } from './failure.ts'
import { changeFile } from './files.ts'
import { print, say } from './output.ts'
import { findCluster } from './resolve.ts'
import { loadYaml } from './unpack.ts'

const { isMap, isSeq, parseDocument } = await loadYaml()

export type KubeconfigOptions = { merge?: boolean; prune?: boolean; as?: string; file?: string; keepCurrent?: boolean }
type Mark = { server: string; clusterId: string }
type Named = { name: string }

/** The name of our extension of a context. Kubernetes keeps extensions that it does not know. */
const OURS = 'ocpctl'
const SECTIONS = ['clusters', 'users', 'contexts'] as const

export async function giveKubeconfig(
  api: Api,
  environment: Environment,
  idOrName: string | undefined,
  options: KubeconfigOptions,
): Promise<void> {
  const path = options.file === undefined ? pathOf(environment) : resolve(options.file)
  if (idOrName === undefined && options.prune !== true)
    throw new Failure('usage', 'say of which cluster: ocpctl kubeconfig ID|NAME')
  if (idOrName !== undefined) {
    const id = await findCluster(api, idOrName)
    const text = await (
      await api.send('GET', `${v1}/clusters/${id}/kubeconfig`, { headers: { accept: 'application/yaml' } })
    ).text()
    if (options.merge !== true) print(text)
    else {
      const { name } = await api.json('GET', `${v1}/clusters/${id}`)
      await merge(
        api,
        path,
        text,
        { server: api.url, clusterId: id },
        options.as ?? `ocpctl/${name}`,
        options.keepCurrent !== true,
      )
    }
  }
  if (options.prune === true) await prune(api, path)
}

/** As kubectl chooses it: of KUBECONFIG the first that exists, or else the last. */
function pathOf(environment: Environment): string {
  const paths = (environment['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  return resolve(paths.find((path) => existsSync(path)) ?? paths.at(-1) ?? join(homeOf(environment), '.kube', 'config'))
}

async function merge(
  api: Api,
  path: string,
  given: string,
  mark: Mark,
  name: string,
  makeCurrent: boolean,
): Promise<void> {
  const { cluster, user, namespace } = partsOf(given)
  await changeFile(path, async (text) => {
    const config = read(path, text)
    const there = markIn(entry(config, 'contexts', name))
    if (entry(config, 'contexts', name) !== undefined && there === undefined)
      throw new Failure(
        'conflict',
        `${path} has a context "${name}" that is not of ocpctl: give another with --as NAME`,
      )
    if (
      there !== undefined &&
      (there.clusterId !== mark.clusterId || there.server !== mark.server) &&
      !(await isDestroyed(api, there))
    )
      throw new Failure(
        'conflict',
        `the context "${name}" is of the cluster ${there.clusterId}, which is not destroyed: give another with --as NAME`,
      )
    put(config, 'clusters', name, 'cluster', cluster)
    put(config, 'users', name, 'user', user)
    put(config, 'contexts', name, 'context', {
      cluster: name,
      user: name,
      ...(namespace === undefined ? {} : { namespace }),
      extensions: [...otherExtensions(entry(config, 'contexts', name)), { name: OURS, extension: mark }],
    })
    if (makeCurrent || !config.get('current-context')) config.set('current-context', name)
    return config.toString(LAYOUT)
  })
  say(`${path} has the context ${name}${makeCurrent ? ', which is the current one' : `: kubectl --context ${name}`}`)
}

/** Takes away what was merged of clusters that are destroyed. */
async function prune(api: Api, path: string): Promise<void> {
  if (!existsSync(path)) return say(`there is no ${path}`)
  await changeFile(path, async (text) => {
    const config = read(path, text)
    const gone: string[] = []
    for (const name of namesIn(config)) {
      const mark = markIn(entry(config, 'contexts', name))
      if (mark?.server === api.url && (await isDestroyed(api, mark))) gone.push(name)
    }
    for (const name of gone) {
      for (const section of SECTIONS) remove(config, section, name)
      if (config.get('current-context') === name) config.set('current-context', '')
      say(`${name} is taken away: its cluster is destroyed`)
    }
    if (gone.length === 0) say('nothing to take away')
    return gone.length === 0 ? (text ?? '') : config.toString(LAYOUT)
  })
}

/** A cluster that one may not see may still be there. */
async function isDestroyed(api: Api, { server, clusterId }: Mark): Promise<boolean> {
  if (server !== api.url) return false
  try {
    return (await api.json('GET', `${v1}/clusters/${clusterId}`)).status === 'DESTROYED'
  } catch (error) {
    if (error instanceof Failure && error.exit === 'notAllowed') return false
    throw error
  }
}

/** As kubectl writes it; certificates stay on one line. */
const LAYOUT = { lineWidth: 0, indentSeq: false } as const

function read(path: string, text: string | undefined): Document {
  const empty = text === undefined || text.trim() === ''
  const config: Document = parseDocument(empty ? 'apiVersion: v1\nkind: Config\npreferences: {}\n' : text)
  if (config.errors.length > 0 || !isMap(config.contents))
    throw new Failure('usage', `${path} is no kubeconfig: correct it, or name another with --file`)
  return config
}

function partsOf(given: string): {
  cluster: Record<string, unknown>
  user: Record<string, unknown>
  namespace: string | undefined
} {
  const value = parseDocument(given).toJS() as Record<string, (Named & Record<string, unknown>)[]> & {
    'current-context'?: string
  } // as Kubernetes describes it
  const byName = (section: string, name: unknown) => value[section]?.find((each) => each.name === name)
  const context = (byName('contexts', value['current-context']) ?? value['contexts']?.[0])?.['context'] as
    | { cluster: string; user: string; namespace?: string }
    | undefined
  const cluster = byName('clusters', context?.cluster)?.['cluster'] as Record<string, unknown> | undefined
  const user = byName('users', context?.user)?.['user'] as Record<string, unknown> | undefined
  if (cluster === undefined || user === undefined)
    throw new Failure('failed', 'the kubeconfig of the cluster has no context with a cluster and a user')
  return { cluster, user, namespace: context?.namespace }
}

function listOf(config: Document, section: string): YAMLSeq | undefined {
  const list = config.get(section)
  return isSeq(list) ? list : undefined
}

const namesIn = (config: Document) =>
  (listOf(config, 'contexts')?.items ?? []).flatMap((item) => (isMap(item) ? [String(item.get('name'))] : []))

function entry(config: Document, section: string, name: string): YAMLMap | undefined {
  return listOf(config, section)?.items.find((item): item is YAMLMap => isMap(item) && item.get('name') === name)
}

/** Keeps the place of an entry, and the fields of it that are not ours. */
function put(config: Document, section: string, name: string, field: string, value: Record<string, unknown>): void {
  const found = entry(config, section, name)
  const within = found?.get(field)
  if (isMap(within)) for (const [key, each] of Object.entries(value)) within.set(key, config.createNode(each))
  else if (found) found.set(field, config.createNode(value))
  else if (listOf(config, section)) config.addIn([section], config.createNode({ name, [field]: value }))
  else config.set(section, config.createNode([{ name, [field]: value }]))
}

function remove(config: Document, section: string, name: string): void {
  const list = listOf(config, section)
  if (list) list.items = list.items.filter((item) => !(isMap(item) && item.get('name') === name))
}

const markIn = (context: YAMLMap | undefined): Mark | undefined =>
  extensionsOf(context).find(({ name }) => name === OURS)?.extension

const otherExtensions = (context: YAMLMap | undefined) => extensionsOf(context).filter(({ name }) => name !== OURS)

function extensionsOf(context: YAMLMap | undefined): { name: string; extension: Mark }[] {
  const extensions = context?.getIn(['context', 'extensions'])
  return isSeq(extensions) ? (extensions.toJSON() as { name: string; extension: Mark }[]) : [] // as Kubernetes describes it
}
