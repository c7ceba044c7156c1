// What it costs to ask each cloud what still exists of a cluster, among what others have there: calls, time, memory, and
// what is loaded for it. The clouds are doubles in this process, and whoever asks is a process of its own.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readInstallConfig } from '../../src/simulator/install-config.ts'
import { newIdentity } from '../../src/simulator/metadata.ts'
import { planResources } from '../../src/simulator/resources.ts'
import { platforms, type Platform } from '../../src/vocabulary.ts'
import { startCloudDoubles } from '../doubles/server.ts'
import type { Thing } from '../doubles/world.ts'
import { ROOT } from '../harness.ts'
import type { Ground } from './ground.ts'
import type { Looked } from './look.ts'
import type { Report } from './report.ts'

const FOREIGN = 5000
/** As far away as a cloud may be. */
const DELAY_MS = 250
const AT_ONCE = 200

const run = promisify(execFile)

const blocks: Record<Platform, object> = {
  aws: { region: 'us-east-1' },
  azure: { region: 'eastus', baseDomainResourceGroupName: 'clusters-dns' },
  gcp: { region: 'us-central1', projectID: 'clusters-test' },
  ibmcloud: { region: 'us-south' },
}

/** Whole clusters of others. */
function foreignThings(platform: Platform): Thing[] {
  const things: Thing[] = []
  for (let n = 0; things.length < FOREIGN; n++) {
    const config = readInstallConfig({
      apiVersion: 'v1',
      metadata: { name: `other${n}` },
      baseDomain: 'clusters.example.com',
      controlPlane: { replicas: 3 },
      compute: [{ replicas: 3 }],
      platform: { [platform]: blocks[platform] },
      pullSecret: '{"auths":{"registry.example":{}}}',
    })
    const { network, machines, initialize } = planResources(config, newIdentity(config.name))
    things.push(...[...network, ...machines, ...initialize].map(({ file, resource }) => ({ ...resource, file })))
  }
  return things.slice(0, FOREIGN)
}

const look = async (origin: string, platform: string, times: number): Promise<Looked> => {
  const script = join(ROOT, 'test/bench/look.ts')
  const { stdout } = await run(process.execPath, ['--expose-gc', script, origin, platform, String(times)], {
    cwd: ROOT,
  })
  return JSON.parse(stdout) as Looked // as it writes
}

export async function measureClouds(_ground: Ground, report: Report): Promise<void> {
  const alone: number[] = []
  for (const platform of platforms) {
    const foreign = foreignThings(platform)
    const crowded = await startCloudDoubles(() => foreign, { itemsPerPage: 1000, delayMs: DELAY_MS })
    const looked = await look(crowded.origin, platform, 1)
    await crowded.close()
    // One look that is measured, and one before it that loads what it needs.
    report.figure(`${platform}: calls among ${FOREIGN} things of others (goal ≤ 25)`, crowded.requests.length / 2, '')
    report.figure(`${platform}: a look among them (goal ≤ 20)`, looked.seconds, 's')
    report.figure(
      `${platform}: loaded before the first look, modules of its packages (goal 0)`,
      looked.loadedBefore,
      '',
    )
    report.figure(`${platform}: to load them, ${looked.loaded} modules`, looked.loadSeconds, 's')

    const empty = await startCloudDoubles(() => [], { itemsPerPage: 1000, delayMs: DELAY_MS })
    const { memoryMb } = await look(empty.origin, platform, 1)
    report.figure(`${platform}: calls where nobody else is`, empty.requests.length / 2, '')
    report.figure(`${platform}: its memory where nobody else is, which its packages take`, memoryMb, 'MiB')
    report.figure(`${platform}: more memory among them (goal ≤ 64)`, Math.max(0, looked.memoryMb - memoryMb), 'MiB')
    const second = empty.waits.slice(empty.waits.length / 2)
    alone.push(lengthOf(second))
    await empty.close()
  }
  const crowd = await startCloudDoubles(() => [], { itemsPerPage: 1000, delayMs: DELAY_MS })
  const { seconds } = await look(crowd.origin, 'all', AT_ONCE)
  await crowd.close()
  const waiting = Math.max(...alone) / 1000
  report.figure(`the waiting of the longest look alone, ${DELAY_MS} ms an answer`, waiting, 's')
  report.figure(`${AT_ONCE} looks at once, ${AT_ONCE / platforms.length} at each cloud`, seconds, 's')
  report.ratio(`${AT_ONCE} looks at once / the waiting`, seconds / waiting, '≤ 2')
}

/** Of all of them together, where they overlap. */
function lengthOf(waits: { from: number; to: number }[]): number {
  let sum = 0
  let end = 0
  for (const { from, to } of waits.toSorted((a, b) => a.from - b.from)) {
    sum += Math.max(0, to - Math.max(from, end))
    end = Math.max(end, to)
  }
  return sum
}
