// Another installation of the service in the same cloud account, with a database, a store and a key of its own. It asks for
// clusters of its own names and of names that the first one holds just then, and destroys all of them again.
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Evidence } from './evidence.ts'
import { startFleet, type Fleet } from './fleet.ts'
import type { Random } from './random.ts'

export const DATABASE = 'neighbour'
const EVERY_MS = 6_000
const LIVES_MS = 15_000
const BOUND_MS = 120_000

export type Neighbour = {
  fleet: Fleet
  /** Destroys all that it has, and tells what it saw. */
  finish: () => Promise<NonNullable<Evidence['neighbour']>>
}

export async function startNeighbour(
  options: Parameters<typeof startFleet>[0] & { token: string; cloudDir: string; livingNames: () => Promise<string[]> },
  random: Random,
): Promise<Neighbour> {
  const { postgres, token } = options
  const fleet = await startFleet({ ...options, database: DATABASE, prefix: 'n-', workers: 1, servers: 1 })
  const url = fleet.members.find((member) => member.role === 'serve')?.url
  const over = new AbortController()
  const made = new Map<string, number>()
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  const call = async (method: string, path: string, body?: object): Promise<{ status: number; clusterId: string }> => {
    try {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        signal: AbortSignal.timeout(5000),
        headers: {
          authorization: `Bearer ${token}`,
          'idempotency-key': randomUUID(),
          ...(body ? { 'content-type': 'application/json' } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
      const { cluster } = (await response.json()) as { cluster?: { id: string } } // of the operations asked here
      return { status: response.status, clusterId: cluster?.id ?? '' }
    } catch {
      return { status: 0, clusterId: '' } // it is away just now
    }
  }
  const live = async () => {
    for (let number = 1; !over.signal.aborted; number++) {
      const taken = await options.livingNames().catch(() => [])
      const name = taken.length > 0 && random.chance(0.5) ? random.pick(taken) : `twin-${number}`
      const { status, clusterId } = await call('POST', '/clusters', {
        name,
        platform: 'aws',
        profile: 'aws-minimal-test',
      })
      if (status === 202) made.set(clusterId, Date.now())
      for (const [id, at] of made)
        if (Date.now() - at > LIVES_MS && (await call('POST', `/clusters/${id}/destroy`)).status === 202)
          made.delete(id)
      await pause(EVERY_MS)
    }
  }
  /** infraIDs of the first one that were READY while their public record was gone. */
  const harmed = new Set<string>()
  const watch = async () => {
    const ready = () =>
      postgres.rows<{ infraId: string }>(`select infra_id as "infraId" from clusters where status = 'READY'`)
    const hasRecord = (infraId: string) =>
      existsSync(join(options.cloudDir, 'resources', infraId, 'dns-record-api.json'))
    while (!over.signal.aborted) {
      const lacking = (await ready()).filter(({ infraId }) => !hasRecord(infraId))
      const still = new Set((await ready()).map(({ infraId }) => infraId))
      for (const { infraId } of lacking) if (still.has(infraId)) harmed.add(infraId)
      await pause(1000)
    }
  }
  const living = Promise.all([live(), watch()])

  return {
    fleet,
    async finish() {
      over.abort()
      await living
      const rows = postgres.rowsOf(DATABASE)
      let unfinished: { id: string; name: string; status: string; reason: string | null }[] = []
      for (const until = Date.now() + BOUND_MS; Date.now() < until; await pause(500)) {
        unfinished = await rows(
          `select id, name, status, status_reason as reason from clusters where status <> 'DESTROYED'`,
        )
        if (unfinished.length === 0) break
        for (const { id, status } of unfinished)
          if (status !== 'DESTROYING') await call('POST', `/clusters/${id}/destroy`)
      }
      const findings = await rows<{ told: string }>(
        `select type || ' ' || subject || ': ' || detail as told from findings
         where type in ('resources-without-cluster', 'resources-of-destroyed-cluster')`,
      )
      return {
        findings: findings.map(({ told }) => told),
        harmed: [...harmed],
        unfinished: unfinished.map(({ name, status, reason }) => `${name} is ${status} (${reason ?? ''})`),
      }
    },
  }
}
