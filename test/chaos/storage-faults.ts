// Harm to the store, to what it holds, to the workers' disks, and to the clouds' APIs.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CloudFault } from '../doubles/server.ts'
import type { S3Fault } from '../s3-server.ts'
import type { Act, Hand } from './fault.ts'
import type { Member } from './fleet.ts'

const LATE_CLUSTERS = 12

export function storageFaults(
  hand: Hand,
): Record<'store-fails' | 'delete-work' | 'corrupt-snapshot' | 'clouds-fail', Act> {
  const { fleet, random, store, doubles, note, healAfter } = hand
  return {
    'store-fails'() {
      if (store.faults.length > 0) return false
      const how: S3Fault['how'] = random.pick(['500', 'drop', 'stall', 'lose-answer', 'cut-body'])
      const lastsMs = random.whole(2000, 8000)
      const fault = note({ kind: 'store-fails', target: how, lastsMs })
      store.faults.push({ how, times: Infinity })
      healAfter(lastsMs, () => {
        store.faults.length = 0
        fault.healedAt = Date.now()
      })
      return true
    },
    'clouds-fail'() {
      if (doubles.trouble.fault !== undefined) return false
      const how: CloudFault = random.pick(['busy', 'reset'])
      const lastsMs = random.whole(2000, 8000)
      const fault = note({ kind: 'clouds-fail', target: how, lastsMs })
      doubles.trouble.fault = how
      healAfter(lastsMs, () => {
        doubles.trouble.fault = undefined
        fault.healedAt = Date.now()
      })
      return true
    },
    async 'delete-work'() {
      const used: { member: Member; names: string[] }[] = []
      for (const member of fleet.members) {
        const names = await readdir(join(member.dataDir, 'work')).catch(() => [])
        if (names.length > 0) used.push({ member, names })
      }
      if (used.length === 0) return false
      const { member, names } = random.pick(used)
      const doomed = random.chance(0.5) ? names : [random.pick(names)]
      note({ kind: 'delete-work', target: `${member.name} ${doomed.join(' ')}` })
      for (const name of doomed)
        await rm(join(member.dataDir, 'work', name), { recursive: true, force: true }).catch(() => undefined) // it is being written
      return true
    },
    'corrupt-snapshot'() {
      const own = [...store.objects.keys()].filter((key) => key.startsWith(`${hand.home}/`))
      const byCluster = Map.groupBy(own, (key) => /clusters\/([^/]+)\//.exec(key)?.[1] ?? '')
      if (byCluster.size === 0) return false
      // Those of late, which somebody may still want to read.
      const name = random.pick([...byCluster.keys()].slice(-LATE_CLUSTERS))
      const newest = byCluster.get(name)?.at(-1) ?? ''
      const object = store.objects.get(newest)
      if (!object || object.bytes.length === 0) return false
      const bytes = Buffer.from(object.bytes)
      for (let flips = 0; flips < 8; flips++) {
        const place = random.whole(0, bytes.length - 1)
        bytes.writeUInt8(bytes.readUInt8(place) ^ random.whole(1, 255), place)
      }
      store.objects.set(newest, { ...object, bytes })
      note({ kind: 'corrupt-snapshot', target: newest })
      return true
    },
  }
}
