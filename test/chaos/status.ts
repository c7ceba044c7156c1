// A line now and then while a run goes on, and the passwords that come by.
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Adversary } from './adversary.ts'
import type { Fleet } from './fleet.ts'
import type { Database } from './postgres.ts'

/** The passwords that installers make, so that they can be looked for. */
export function watchPasswords(dir: string) {
  const seen = new Set<string>()
  const look = async () => {
    for await (const file of glob(join(dir, 'hosts/*/work/*/*/auth/kubeadmin-password')))
      await readFile(file, 'utf8').then(
        (text) => text.trim() && seen.add(text.trim()),
        () => undefined, // gone again
      )
  }
  const timer = setInterval(() => void look().catch(() => undefined), 1000)
  return { seen, stop: () => clearInterval(timer) }
}

export function startStatus(ground: {
  database: Database
  adversary: Adversary
  fleet: Fleet
  seconds: () => number
  say: (line: string) => void
}) {
  const show = async () => {
    const rows = await ground.database.rows<{ status: string; count: number }>(
      'select status, count(*)::int as count from clusters group by status order by status',
    )
    const troubles = ground.fleet.members.flatMap((member) =>
      member.trouble === undefined ? [] : [`${member.name} ${member.trouble}`],
    )
    ground.say(
      `[${ground.seconds()} s] ${rows.map(({ status, count }) => `${status} ${count}`).join(', ') || 'no clusters'}; ` +
        `${ground.adversary.faults.length} faults${troubles.length > 0 ? `; now: ${troubles.join(', ')}` : ''}`,
    )
  }
  const timer = setInterval(() => void show().catch(() => undefined), 5000)
  return { stop: () => clearInterval(timer) }
}
