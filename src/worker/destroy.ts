// Destroys a cluster: what the ledger names, what only the artifact store remembers, and first what the cluster itself made.
import { listOpenEntries, reopenEntry, reopenUnbegun } from '../clusters/ledger.ts'
import { forgetSleep } from '../clusters/sleep.ts'
import type { Transaction } from '../db/client.ts'
import { issueCertificate } from '../emptiness/issue.ts'
import { countTries } from '../jobs/attempts.ts'
import type { Outcome } from '../jobs/settle.ts'
import { firstLookAt } from '../reconcile/leftovers.ts'
import { factsOf, type Proved } from './certify.ts'
import { DestroyFailed } from './failures.ts'
import type { Operation } from './operation.ts'
import { recallEntries } from './restore.ts'
import { retrySeconds } from './retry.ts'
import { pointsOf, takeSteps, type OperationPlan, type Step } from './steps.ts'
import { sweepCluster } from './sweep.ts'
import { destroyInfrastructure, proveEmpty, takeAwayPoints } from './take-away.ts'

const RETRY_SECONDS = 60
const SWEEP_MINUTES = 10

type State = { proved: Proved }

const steps: readonly Step<State>[] = [
  { name: 'recalled', leaves: 'the entries that the ledger had lost', take: (operation) => recallEntries(operation) },
  {
    name: 'swept',
    leaves: 'a cluster with fewer load balancers and disks of its own making, and their names with the job',
    budget: { minutes: () => SWEEP_MINUTES, leastMs: 10_000 },
    take: (operation, _, budgetMs = 0) => sweepCluster(operation, budgetMs),
  },
  {
    name: 'taken-away',
    leaves: 'a cloud without the cluster, and no open entry in the ledger',
    within: takeAwayPoints,
    async take(operation, state) {
      const { id } = operation.claim.cluster
      await operation.fenced((tx) => reopenUnbegun(tx, id))
      const entries = await listOpenEntries(operation.app.db, id)
      state.proved =
        entries.length > 0 ? await destroyInfrastructure(operation, entries) : await proveEmptyAgain(operation)
    },
  },
]

export const destroyPlan: OperationPlan = {
  name: 'destroy',
  types: ['DESTROY', 'JANITOR_DESTROY'],
  points: pointsOf('destroy', steps),
  run: runDestroy,
}

async function runDestroy(operation: Operation): Promise<Outcome> {
  const { app, claim } = operation
  const state: State = { proved: { ran: false, looks: [] } }
  try {
    await takeSteps('destroy', steps, operation, state)
    const changes = { destroyedAt: new Date(), lookAt: firstLookAt(app.config), hibernatedAt: null, wakeBy: null }
    const facts = await factsOf(operation, state.proved)
    const record = async (tx: Transaction) => {
      await issueCertificate(tx, app, facts)
      await forgetSleep(tx, claim.cluster.id)
    }
    return { kind: 'succeeded', message: state.proved.told, changes, record }
  } catch (error) {
    if (!(error instanceof DestroyFailed)) throw error
    operation.log('error', error.message)
    const tries = await countTries(app.db, claim.job.id)
    return {
      kind: 'failed',
      reason: error.reason,
      message: error.message,
      ...(error.worthRetrying ? { retryInSeconds: retrySeconds(operation, RETRY_SECONDS, tries) } : {}),
      ...(error.exitCode === undefined ? {} : { exitCode: error.exitCode }),
    }
  }
}

/**
 * For a cluster whose ledger is closed. An inventory may have been taken too early, or a cloud may have been slow to
 * tell. What is still there is destroyed by the ledger entry that it belongs to, which is opened again.
 */
async function proveEmptyAgain(operation: Operation): Promise<Proved> {
  try {
    return await proveEmpty(operation)
  } catch (error) {
    if (!(error instanceof DestroyFailed) || error.resources.length === 0) throw error
    const { id } = operation.claim.cluster
    const names = error.resources.map((resource) => `${resource.id} ${resource.name}`).join('\n')
    const entry = await operation.fenced((tx) => reopenEntry(tx, id, (infraId) => names.includes(infraId)))
    if (!entry) throw error
    operation.log('warning', `${entry.infraId} was thought to be gone; its ledger entry is opened again`)
    return await destroyInfrastructure(operation, [entry])
  }
}
