// The way of an operation into its cluster, and how an operation ends that goes there.
import { openKubeconfig } from '../clusters/outputs.ts'
import type { Outcome } from '../jobs/settle.ts'
import type { Kubernetes } from '../kubernetes/client.ts'
import { KubeconfigRefused } from '../kubernetes/kubeconfig.ts'
import { ApiNotReached } from '../kubernetes/refusals.ts'
import { DayTwoFailed } from './failures.ts'
import type { Operation } from './operation.ts'

/** What it throws as DayTwoFailed is how the job fails. */
export async function runInside(operation: Operation, run: (api: Kubernetes) => Promise<Outcome>): Promise<Outcome> {
  let api: Kubernetes | undefined
  try {
    api = await openInside(operation)
    return await run(api)
  } catch (error) {
    if (!(error instanceof DayTwoFailed)) throw error
    operation.log('error', error.message)
    return { kind: 'failed', reason: error.reason, message: error.message }
  } finally {
    await api?.close()
  }
}

/** Asks nothing yet. Throws DayTwoFailed when there is no way. */
async function openInside({ app, claim, stopping }: Operation): Promise<Kubernetes> {
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

const SHOWN = 10

/** Names the first of them, for a sentence. */
export const nameFirst = (names: string[]): string =>
  [...names.slice(0, SHOWN), ...(names.length > SHOWN ? [`and ${names.length - SHOWN} more`] : [])].join(', ')
