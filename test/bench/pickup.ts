// From the commit of a request until its handler runs, beside an empty queue of pg-boss that notifies.
import { PgBoss } from 'pg-boss'
import { newId } from '../../src/ids.ts'
import { openBenchApp } from './app.ts'
import { medianOf, query, type Ground } from './ground.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const JOBS = 60

export async function measurePickup(ground: Ground, report: Report): Promise<void> {
  const url = await ground.createDatabase('pickup')
  const { app, close } = await openBenchApp(ground, url)
  const boss = new PgBoss({
    connectionString: url,
    migrate: false,
    supervise: false,
    schedule: false,
    useListenNotify: true,
  })
  await boss.start()
  await boss.createQueue('notified', { notify: true })
  let heard = () => {}
  const unhear = app.events.on('work', 'all', app.queue.wake)
  await app.queue.work({ installers: 1, turns: 1 }, async (delivery) => {
    heard()
    await app.db.transaction((tx) => app.queue.complete(tx, delivery))
  })
  await boss.work('notified', { pollingIntervalSeconds: 2 }, async () => heard())
  const took = async (ask: () => Promise<unknown>) => {
    const times: number[] = []
    for (let n = 0; n < JOBS; n++) {
      const handled = new Promise<number>((resolve) => (heard = () => resolve(performance.now())))
      await ask()
      const committedAt = performance.now()
      times.push(Math.max(0, (await handled) - committedAt))
      // The worker goes to sleep again.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    times.sort((a, b) => a - b)
    return { p50: times[Math.floor(JOBS / 2)] ?? 0, p99: times.at(-1) ?? 0 }
  }
  const p50: Record<'ours' | 'floor', number[]> = { ours: [], floor: [] }
  const p99: Record<'ours' | 'floor', number[]> = { ours: [], floor: [] }
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      const ours = await took(() =>
        app.db.transaction(async (tx) => {
          app.queue.enqueue(tx, [{ id: newId('job'), clusterId: newId('clu'), type: 'CREATE' }])
          tx.words.push('work all')
        }),
      )
      const floor = await took(() => boss.send('notified', {}))
      if (round === 0) continue // it warms
      for (const [of, { p50: half, p99: most }] of [
        ['ours', ours],
        ['floor', floor],
      ] as const) {
        p50[of].push(half)
        p99[of].push(most)
      }
    }
  } finally {
    unhear()
    await boss.stop({ graceful: false })
    await close()
    await query(ground.url, 'select 1')
  }
  report.figure('commit of a request → its handler, p50', medianOf(p50.ours), 'ms')
  report.figure('pg-boss with notify, p50', medianOf(p50.floor), 'ms')
  report.ratio('pick-up p50 / pg-boss with notify', medianOf(p50.ours) / medianOf(p50.floor), '≤ 1.5')
  report.ratio(`pick-up, worst of ${JOBS} / pg-boss with notify`, medianOf(p99.ours) / medianOf(p99.floor), '≤ 3')
}
