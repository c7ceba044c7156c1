// The drill: at random points of a fleet's life its database is thrown away, or goes back to an older backup, and the
// service is brought back as docs/recovery.md says. At the end nothing is left, and nothing was made twice.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sealAudit } from '../src/audit/seal.ts'
import { findMarkAhead, keepMark, readMark } from '../src/clusters/mark.ts'
import { recoverLost } from '../src/commands/recover.ts'
import { newId } from '../src/ids.ts'
import { claimStore } from '../src/installation.ts'
import { startWorker } from '../src/worker/worker.ts'
import { seeded } from './chaos/random.ts'
import { backupOf, type Backup } from './backup.ts'
import { eventually, exitOf, openHarness, ROOT, type Harness } from './harness.ts'

const POINTS = 20
const NAMES = ['ash', 'birch', 'cedar']
const LIVING = `status not in ('DESTROYED', 'DESTROYING')`
type Destroyed = { id: string; infras: string[] }

let h: Harness
let backup: Backup
let token: string
beforeAll(async () => {
  h = await openHarness({ speed: 1_000_000, leaseSeconds: 10 })
  backup = backupOf(h)
  await claimStore(h.app, AbortSignal.timeout(10_000))
  token = h.admin
})
afterAll(async () => {
  await backup.drop()
  await h.close()
})

const seed = Number(process.env['DRILL_SEED'] ?? 20261201)
const random = seeded(seed)

it(
  `${POINTS} times the database is lost or goes back (seed ${seed}): 0 leaked, 0 doubled`,
  { timeout: 600_000 },
  async () => {
    const counts = { lost: 0, behind: 0, killed: 0, commands: 0 }
    for (let point = 0; point < POINTS; point++) {
      const isLost = point % 5 === 4
      await ask()
      await live(random.whole(1, 25))
      await clock()
      await backup.take()
      if (random.chance(0.7)) await ask()
      const isUnderWorker = random.chance(0.5)
      const worker = await live(random.whole(1, 40), isUnderWorker)
      for (let times = random.whole(0, 2); times > 0; times--) {
        await touch()
        await clock()
      }
      const newest = await readMark(h.app)
      const destroyed = await h.rows<Destroyed>(`select id, array(select infra_id from infra_ledger where cluster_id = clusters.id) as infras from clusters where status = 'DESTROYED'`) // prettier-ignore
      await (isLost ? backup.lose() : backup.putBack())
      await worker?.drain(0)
      const ahead = await findMarkAhead(h.app)
      if (isLost) counts.lost++
      else if (ahead) counts.behind++
      const ended = destroyed.filter(({ id }) => ahead && newest && !newest.living.has(id))

      // A lost one needs the command, which takes the place of the former installation.
      if (isLost || point % 10 === 1) {
        counts.commands++
        const killed = spawnRecover()
        await setTimeout(random.whole(200, 1500))
        if (killed.kill('SIGKILL')) counts.killed++
        await exitOf(killed)
        const again = spawnRecover()
        const said = Promise.all([text(again.stdout), text(again.stderr)])
        const code = await exitOf(again)
        // 1: something stays unknown, and all else is done.
        const [out, failure] = await said
        expect({ code, failure }).toEqual({ code: expect.toBeOneOf([0, 1]), failure: '' })
        if (ahead) expect(out).toContain('From now on this database counts')
      } else await recoverLost(h.app, { apply: true }, () => undefined)
      expect(await findMarkAhead(h.app)).toBeUndefined()
      if (isLost) token = await h.tokenFor([{ team: '*', role: 'platform_admin' }])

      await h.freeLocks()
      await rest()
      expect(doubled()).toEqual([])
      // What the mark knew to be destroyed is not made again.
      for (const { id, infras } of ended)
      expect(await h.rows(`select '${id}' as id, infra_id as infra from infra_ledger where cluster_id = '${id}' and not infra_id = any('{${infras.join()}}')`)).toEqual([]) // prettier-ignore
    }
    for (const { id } of await h.rows<{ id: string }>(`select id from clusters where ${LIVING}`)) await destroy(id)
    await rest()
    expect(await h.rows(`select id, name, status, status_reason from clusters where status <> 'DESTROYED'`)).toEqual([])
    expect(h.resources()).toEqual([])
    expect(await h.rows('select infra_id from infra_ledger where empty_at is null')).toEqual([])
    expect(await recoverLost(h.app, { apply: false }, () => undefined)).toBe(0)
    process.stdout.write(`${JSON.stringify({ seed, points: POINTS, ...counts })}\n`)
    expect(counts.behind).toBeGreaterThan(3)
  },
)

/** Asks for what has a free name, or destroys what lives. */
async function ask(): Promise<void> {
  const holders = new Map((await h.rows<{ id: string; name: string; status: string }>(`select id, name, status from clusters where status <> 'DESTROYED'`)).map((row) => [row.name, row])) // prettier-ignore
  for (const name of NAMES) {
    if (random.chance(0.3)) continue
    const holder = holders.get(name)
    if (holder && holder.status !== 'DESTROYING') await destroy(holder.id)
    if (!holder) {
      const body = { name, platform: 'aws', profile: 'aws-minimal-test' }
      expect(await h.call('POST', '/clusters', { token, key: newId('evt'), body })).toMatchObject({ status: 202 })
    }
  }
}

const destroy = async (id: string) =>
  expect(await h.call('POST', `/clusters/${id}/destroy`, { token, key: newId('evt') })).toMatchObject({ status: 202 })

/** Something that the trail tells, so that there is something to mark. */
const touch = () => h.tokenFor([{ team: 'blue', role: 'requester' }])

const clock = async () => {
  await keepMark(h.app, (await sealAudit(h.app.db)).head)
}

/** A worker runs until so many steps are done, or nothing is left to do. Then it is stopped, unless it is to go on. */
async function live(steps: number, goesOn = false) {
  const done = Promise.withResolvers<void>()
  let left = steps
  const worker = await startWorker({ ...h.app, onStep: () => (left-- > 1 ? undefined : done.resolve()) })
  await Promise.race([done.promise, eventually(isAtRest)])
  if (goesOn) return worker
  await worker.drain(0)
  return undefined
}

async function rest(): Promise<void> {
  const worker = await startWorker(h.app)
  await eventually(isAtRest)
  await worker.drain(0)
}

const isAtRest = async () =>
  (await h.rows(`select id from jobs where status in ('PENDING', 'RUNNING', 'RETRYING') limit 1`)).length === 0

const spawnRecover = () =>
  spawn(process.execPath, ['src/main.ts', 'recover', '--apply'], {
    cwd: ROOT,
    env: h.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })

/** Clusters of which two infrastructures stand. */
function doubled(): [string, string[]][] {
  const infras = new Map<string, Set<string>>()
  for (const file of h.resources()) {
    const { tags, infraID } = JSON.parse(readFileSync(join(h.cloudDir, 'resources', file), 'utf8')) as { tags: Record<string, string>; infraID: string } // prettier-ignore
    const id = tags['ocpctl-cluster-id']
    // Not everything can carry a tag; what it belongs to can.
    if (id !== undefined) infras.set(id, (infras.get(id) ?? new Set()).add(infraID))
  }
  return [...infras].filter(([, { size }]) => size > 1).map(([id, those]) => [id, [...those]])
}
