// The way of an operation into its cluster.
import { openKubeconfig } from '../clusters/outputs.ts'
import type { Kubernetes } from '../kubernetes/client.ts'
import { KubeconfigRefused } from '../kubernetes/kubeconfig.ts'
import { ApiNotReached } from '../kubernetes/refusals.ts'
import { DayTwoFailed } from './failures.ts'
import type { Operation } from './operation.ts'

/** Asks nothing yet. Throws DayTwoFailed when there is no way. */
export async function openInside({ app, claim, stopping }: Operation): Promise<Kubernetes> {
  const { id, name, baseDomain } = claim.cluster
  const kubeconfig = await openKubeconfig(app.db, app.box, id)
  if (kubeconfig === undefined) throw new DayTwoFailed('NoKubeconfig', 'the cluster has no kubeconfig by which it could be reached') // prettier-ignore
  try {
    return await app.reach.open(kubeconfig, `${name}.${baseDomain}`, stopping)
  } catch (error) {
    if (error instanceof KubeconfigRefused || error instanceof ApiNotReached)
      throw new DayTwoFailed(error.name, `the cluster's kubeconfig is not used: ${error.message}`)
    throw error
  }
}
