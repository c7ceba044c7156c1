// The manifests, as kustomize builds them, against what Kubernetes and the Prometheus operator publish of their resources, and
// docker-compose.yml against the schema of Compose. Nothing that a schema does not know passes.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { parse, parseAllDocuments } from 'yaml'
import { ROOT } from '../harness.ts'
import { ask, downloadGo, installGo, openVerdict, type Judge } from './judge.ts'

const VERSIONS = ['1.34.4', '1.36.3']
const OPERATOR = '0.85.0'
const COMPOSE = '2.9.1'
const OVERLAYS = ['production', 'openshift']
/** OpenShift publishes its resources in no place that is asked here. */
const UNKNOWN = 'Route'

type Schema = { [key: string]: unknown }
type Kind = { group: string; version: string; kind: string }

export const kubernetes: Judge[] = VERSIONS.map((version) => ({
  name: `kustomize 5.8.1 and kubeconform 0.7.0, the manifests, kubernetes ${version}`,
  async judge(dir) {
    const kustomize = await installGo(dir, 'sigs.k8s.io/kustomize/kustomize/v5@v5.8.1', 'kustomize')
    const kubeconform = await installGo(dir, 'github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0')
    const schemas = join(dir, 'schemas')
    mkdirSync(schemas)
    writeKubernetes(schemas, await downloadGo(`k8s.io/kubernetes@v${version}`))
    writeOperator(schemas, await downloadGo(`github.com/prometheus-operator/prometheus-operator@v${OPERATOR}`))
    const verdict = openVerdict()
    for (const overlay of OVERLAYS) {
      const built = await ask(kustomize, ['build', join(ROOT, 'deploy/kubernetes/overlays', overlay)])
      verdict.hold(`${overlay} is built`, built.code === 0, built.text)
      const file = join(dir, `${overlay}.yaml`)
      writeFileSync(file, built.text)
      const judge = (given: string) => ask(kubeconform, ['-strict', '-summary', '-skip', UNKNOWN, '-schema-location', `${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`, given]) // prettier-ignore
      const told = await judge(file)
      verdict.hold(`${overlay} is valid`, told.code === 0, told.text)
      const kinds = parseAllDocuments(built.text).map((document) => (document.toJS() as { kind: string }).kind) // of kustomize
      verdict.hold(`all of ${overlay} is asked about`, told.text.includes(`Valid: ${kinds.filter((kind) => kind !== UNKNOWN).length},`), told.text) // prettier-ignore
      // What would pass anything proves nothing.
      for (const [what, from, to] of [
        ['a field that there is not', 'terminationGracePeriodSeconds:', 'terminationGraceSeconds:'],
        ['a value of another type', 'replicas: 2', 'replicas: two'],
        ['a field of a monitor that there is not', 'scrapeTimeout:', 'timeout:'],
      ] as const) {
        const wrong = join(dir, 'wrong.yaml')
        writeFileSync(wrong, built.text.replace(from, to))
        const { code, text } = await judge(wrong)
        verdict.hold(`${what} is found`, code !== 0 && built.text.includes(from), text)
      }
    }
    return verdict
  },
}))

export const compose: Judge = {
  name: `the schema of compose-go ${COMPOSE}, docker-compose.yml`,
  async judge() {
    const home = await downloadGo(`github.com/compose-spec/compose-go/v2@v${COMPOSE}`)
    const ajv = new Ajv({ strict: false, allErrors: true, formats: { duration: true, ports: true, expose: true, subnet_ip_address: true } }) // prettier-ignore
    // It names its draft by an address that nobody has.
    const { $schema: _, ...schema } = JSON.parse(readFileSync(join(home, 'schema/compose-spec.json'), 'utf8')) as Schema
    const check = ajv.compile(schema)
    const file = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as { services: Record<string, Schema> } // prettier-ignore
    const verdict = openVerdict()
    verdict.hold('it fits the schema', check(file), check.errors)
    verdict.hold('a word that there is not is found', !check({ ...file, services: { api: { ...file.services['api'], imagee: 'x' } } })) // prettier-ignore
    return verdict
  },
}

/** The OpenAPI document of the API server, as one JSON schema for each kind. */
function writeKubernetes(target: string, home: string): void {
  const { definitions } = JSON.parse(readFileSync(join(home, 'api/openapi-spec/swagger.json'), 'utf8')) as { definitions: Record<string, Schema> } // prettier-ignore
  // These two are more than the document says of them.
  definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString'] = { type: ['string', 'integer'] }
  definitions['io.k8s.apimachinery.pkg.api.resource.Quantity'] = { type: ['string', 'number'] }
  for (const definition of Object.values(definitions)) close(definition)
  writeFileSync(join(target, '_definitions.json'), JSON.stringify({ definitions }))
  for (const [name, definition] of Object.entries(definitions))
    for (const kind of (definition['x-kubernetes-group-version-kind'] ?? []) as Kind[])
      writeFileSync(join(target, fileOf(kind)), JSON.stringify({ $ref: `_definitions.json#/definitions/${name}` }))
}

/** Those of the operator, from the definitions that it is installed with. */
function writeOperator(target: string, home: string): void {
  for (const name of ['servicemonitors', 'prometheusrules']) {
    const file = join(home, `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`)
    const { spec } = parse(readFileSync(file, 'utf8')) as {
      spec: {
        group: string
        names: { kind: string }
        versions: { name: string; schema: { openAPIV3Schema: Schema } }[]
      }
    } // a CustomResourceDefinition
    for (const { name: version, schema } of spec.versions) {
      close(schema.openAPIV3Schema)
      writeFileSync(join(target, fileOf({ group: spec.group, version, kind: spec.names.kind })), JSON.stringify(schema.openAPIV3Schema)) // prettier-ignore
    }
  }
}

/** As kubeconform looks for it. */
function fileOf({ group, version, kind }: Kind): string {
  const [first = ''] = group.split('.')
  return `${[kind, first, version].filter(Boolean).join('-').toLowerCase()}.json`
}

/** An object has the properties that are declared and no others. What is metadata is not told by a custom definition. */
function close(schema: Schema): void {
  const { properties, items, additionalProperties, 'x-kubernetes-int-or-string': isEither } = schema
  if (isEither === true) schema['type'] = ['string', 'integer']
  if (properties !== undefined && additionalProperties === undefined && schema['x-kubernetes-preserve-unknown-fields'] === undefined) schema['additionalProperties'] = false // prettier-ignore
  for (const [name, each] of Object.entries((properties ?? {}) as Record<string, Schema>)) if (name !== 'metadata' || Object.keys(each).length > 1) close(each) // prettier-ignore
  for (const each of [items, additionalProperties]) if (typeof each === 'object' && each !== null) close(each as Schema)
}
