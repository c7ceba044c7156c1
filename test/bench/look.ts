// node test/bench/look.ts ORIGIN PLATFORM TIMES: asks the doubles at the origin so many times at once, or all of them by
// turns, and writes what it cost.
import { registerHooks } from 'node:module'
import type { InventoryQuery } from '../../src/clouds/inventory.ts'
import { platforms, type Platform } from '../../src/vocabulary.ts'

export type Looked = { seconds: number; memoryMb: number; loadSeconds: number; loadedBefore: number; loaded: number }

const MB = 1024 * 1024
const SDKS = /node_modules\/(@aws-sdk|@smithy|@azure|google-auth-library)\//

let loaded = 0
registerHooks({
  load(url, context, next) {
    if (SDKS.test(url)) loaded++
    return next(url, context)
  },
})
const { inventoriesOfSimulator } = await import('../../src/clouds/doubles.ts')
const { isProvedEmpty } = await import('../../src/clouds/inventory.ts')
const { openInventory } = await import('../../src/clouds/by-platform.ts')
const loadedBefore = loaded

const [origin = '', wanted = '', times = '1'] = process.argv.slice(2)
const regions: Record<Platform, string> = {
  aws: 'us-east-1',
  azure: 'eastus',
  gcp: 'us-central1',
  ibmcloud: 'us-south',
}
const { find } = openInventory(inventoriesOfSimulator({ cloudDir: '', doubles: origin }))
const queryOf = (platform: Platform): InventoryQuery => ({
  platform,
  region: regions[platform],
  name: 'bench',
  baseDomain: 'clusters.example.com',
  clusterId: 'clu_bench',
  infraIds: ['bench-x7k2p'],
  records: 'all',
  project: 'clusters-test',
  stoodBefore: [],
})
const lookAt = async (platform: Platform) => {
  const answer = await find(queryOf(platform))
  if (!isProvedEmpty(answer)) throw new Error(`${platform}: ${JSON.stringify(answer)}`)
}

const chosen = platforms.filter((platform) => wanted === 'all' || wanted === platform)
globalThis.gc?.()
const before = process.memoryUsage.rss()
let most = before
const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5)
const firstFrom = performance.now()
await Promise.all(chosen.map(lookAt))
const first = performance.now() - firstFrom
const from = performance.now()
await Promise.all(Array.from({ length: Number(times) }, async (_, n) => lookAt(chosen[n % chosen.length] ?? 'aws')))
const seconds = (performance.now() - from) / 1000
clearInterval(watch)
const looked: Looked = {
  seconds,
  memoryMb: (most - before) / MB,
  loadSeconds: Math.max(0, first / 1000 - seconds),
  loadedBefore,
  loaded: loaded - loadedBefore,
}
process.stdout.write(JSON.stringify(looked))
