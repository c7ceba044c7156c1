// A worker that kills itself after the steps it is told, for the clusters it is told: JSON of
// { [cluster name]: [{ attempt, step }] } as its argument.
import { readConfig } from '../src/config.ts'
import { startWorker } from '../src/worker/worker.ts'
import { openTestApp } from './test-app.ts'

type Plan = Record<string, { attempt: number; step: string }[]>

const plan = JSON.parse(process.argv[2] ?? '{}') as Plan // written by the test
const config = readConfig(process.env)
const { app } = await openTestApp(config, config.databaseUrl ?? '')
// One job at a time, of whatever type: a death is to be of one attempt.
const work: typeof app.queue.work = (_, handle) => app.queue.work({ installers: 1, turns: 0 }, handle)
await startWorker({
  ...app,
  queue: { ...app.queue, work },
  onStep: (step, { clusterName, attempt }) => {
    if (plan[clusterName]?.some((death) => death.attempt === attempt && death.step === step))
      process.kill(process.pid, 'SIGKILL')
  },
})
