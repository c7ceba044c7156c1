// The signing requests of nodes whose certificates ended while they slept. One is approved only if it asks for nothing but
// what that node is: a client certificate asked for by the bootstrapper for a machine that exists, or a serving certificate
// asked for by the node itself, for names and addresses that its machine has.
import type { SubjectAlternativeNameExtension } from '@peculiar/x509'
import { z } from 'zod'
import type { Kubernetes } from './client.ts'

const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const MACHINES = '/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machines'
const BOOTSTRAPPER = 'system:serviceaccount:openshift-machine-config-operator:node-bootstrapper'
const CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet'
const SERVING = 'kubernetes.io/kubelet-serving'
const usagesOf: Record<string, string> = { [CLIENT]: 'client auth', [SERVING]: 'server auth' }
const COMMON_USAGES = ['digital signature', 'key encipherment']

const signingRequest = z.object({
  metadata: z.object({ name: z.string(), uid: z.string() }),
  spec: z.object({
    request: z.string(),
    signerName: z.string(),
    username: z.string().default(''),
    groups: z.array(z.string()).default([]),
    usages: z.array(z.string()).default([]),
  }),
  status: z.object({ conditions: z.array(z.unknown()).nullish(), certificate: z.string().optional() }).prefault({}),
})
const machine = z.object({
  metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
  status: z
    .object({
      nodeRef: z.object({ name: z.string() }).optional(),
      addresses: z.array(z.object({ type: z.string(), address: z.string() })).nullish(),
    })
    .prefault({}),
})

/** What the request itself says, once its signature was checked. */
export type Asked = { commonName: string; organizations: string[]; dnsNames: string[]; addresses: string[]; other: string[] } // prettier-ignore
export type NodeRequest = z.infer<typeof signingRequest>
export type KnownMachine = { name: string; isGoing: boolean; node: string | undefined; addresses: string[] }

/** Requests that nobody has answered. Throws ApiNotReached, ApiRefused, ZodError. */
export async function readPending(api: Kubernetes): Promise<NodeRequest[]> {
  const all = (await api.list(REQUESTS, (each) => signingRequest.parse(each))) ?? []
  return all.filter(
    ({ spec, status }) =>
      (status.conditions ?? []).length === 0 &&
      status.certificate === undefined &&
      Object.hasOwn(usagesOf, spec.signerName),
  )
}

export async function readKnownMachines(api: Kubernetes): Promise<KnownMachine[]> {
  const all = (await api.list(MACHINES, (each) => machine.parse(each))) ?? []
  return all.map(({ metadata, status }) => ({
    name: metadata.name,
    isGoing: metadata.deletionTimestamp !== undefined,
    node: status.nodeRef?.name,
    addresses: (status.addresses ?? []).map(({ address }) => address.toLowerCase()),
  }))
}

/** Why the request is not approved. undefined: it may be. Pure. */
export function refusalOf({ spec }: NodeRequest, asked: Asked, machines: KnownMachine[]): string | undefined {
  const [, node = ''] = /^system:node:([a-z0-9.-]+)$/.exec(asked.commonName) ?? []
  if (node === '') return `it is for ${asked.commonName || 'nobody'}, which is no node`
  if (asked.organizations.length !== 1 || asked.organizations[0] !== 'system:nodes') return 'it is not of the group system:nodes alone' // prettier-ignore
  const wanted = usagesOf[spec.signerName] ?? ''
  const foreign = spec.usages.filter((each) => each !== wanted && !COMMON_USAGES.includes(each))
  if (!spec.usages.includes(wanted) || foreign.length > 0) return `its usages are ${spec.usages.join(', ')}`
  if (asked.other.length > 0) return `it names ${asked.other.join(', ')}`
  const own = machines.filter((each) => !each.isGoing && (each.node === node || each.addresses.includes(node)))
  const [mine, more] = own
  if (!mine || more) return `${own.length} machines are the node ${node}`
  if (mine.node !== undefined && mine.node !== node) return `the machine ${mine.name} is the node ${mine.node}`
  if (spec.signerName === CLIENT) {
    if (spec.username !== BOOTSTRAPPER) return `${spec.username} asks for it, and not the bootstrapper of nodes`
    return asked.dnsNames.length + asked.addresses.length > 0 ? 'a client certificate has no names' : undefined
  }
  if (spec.username !== asked.commonName || !spec.groups.includes('system:nodes')) return `${spec.username} asks for it, and not the node itself` // prettier-ignore
  const names = [...asked.dnsNames, ...asked.addresses].map((each) => each.toLowerCase())
  const strange = names.filter((each) => !mine.addresses.includes(each))
  if (names.length === 0) return 'it names nothing that it would serve'
  return strange.length > 0 ? `the machine ${mine.name} has not ${strange.join(', ')}` : undefined
}

/** Throws when it is no signing request, or is not signed by the key that it is for. */
export async function readAsked(encoded: string): Promise<Asked> {
  const { Pkcs10CertificateRequest } = await import('@peculiar/x509')
  const request = new Pkcs10CertificateRequest(Buffer.from(encoded, 'base64').toString('utf8'))
  if (!(await request.verify())) throw new Error('it is not signed by its own key')
  const subject = request.subjectName
  const alternative = request.getExtension('2.5.29.17') as SubjectAlternativeNameExtension | null // by its number
  const names = alternative?.names.items ?? []
  const of = (type: string) => names.filter((each) => each.type === type).map(({ value }) => value)
  return {
    commonName: subject.getField('CN').join(','),
    organizations: subject.getField('O'),
    dnsNames: of('dns'),
    addresses: of('ip'),
    other: names.filter(({ type }) => type !== 'dns' && type !== 'ip').map(({ type, value }) => `${type} ${value}`),
  }
}

export async function approve(api: Kubernetes, { metadata: { name } }: NodeRequest, at: Date): Promise<void> {
  const time = at.toISOString().replace(/\.\d+Z$/, 'Z')
  const condition = { type: 'Approved', status: 'True', reason: 'OcpctlResume', message: 'a node of this cluster that slept', lastUpdateTime: time, lastTransitionTime: time } // prettier-ignore
  await api.patch(`${REQUESTS}/${encodeURIComponent(name)}/approval`, { status: { conditions: [condition] } }, 'merge')
}
