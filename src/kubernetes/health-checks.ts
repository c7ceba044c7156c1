// Machine health checks, which would take a machine that sleeps for a sick one and replace it.
import { z } from 'zod'
import type { Kubernetes } from './client.ts'

const CHECKS = '/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machinehealthchecks'
const PAUSED = 'cluster.x-k8s.io/paused'
const BY_US = 'hibernated by ocpctl'

const check = z.object({
  metadata: z.object({ name: z.string(), annotations: z.record(z.string(), z.string()).default({}) }),
})

/** Those that nobody has paused. Throws ApiNotReached, ApiRefused, ZodError. */
export async function readHealthChecks(api: Kubernetes): Promise<string[]> {
  const all = (await api.list(CHECKS, (each) => check.parse(each))) ?? []
  return all.filter(({ metadata }) => !(PAUSED in metadata.annotations)).map(({ metadata }) => metadata.name)
}

/** Those that this service has paused. Throws as readHealthChecks. */
export async function readPausedHere(api: Kubernetes): Promise<string[]> {
  const all = (await api.list(CHECKS, (each) => check.parse(each))) ?? []
  return all.filter(({ metadata }) => metadata.annotations[PAUSED] === BY_US).map(({ metadata }) => metadata.name)
}

/** One that is gone is left out. */
export async function pauseHealthChecks(api: Kubernetes, names: string[], isPaused: boolean): Promise<void> {
  const patch = { metadata: { annotations: { [PAUSED]: isPaused ? BY_US : null } } }
  for (const name of names) await api.patch(`${CHECKS}/${encodeURIComponent(name)}`, patch, 'merge')
}
