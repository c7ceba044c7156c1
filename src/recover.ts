// The command that holds cloud and artifact store against the database and takes back the clusters that it has lost.
import type { App } from './app.ts'
import { adoptCluster, adoptedEnd, findAdoptable } from './clusters/adopt.ts'
import { findUnknown } from './reconcile/resources.ts'
import { messageOf } from './errors.ts'

/** Prints what it finds, and adopts only when told to. Returns the exit code: 1 when something stays unknown. */
export async function runRecover(
  app: App,
  { apply }: { apply: boolean },
  print: (line: string) => void,
): Promise<number> {
  const unknown = await findUnknown(app)
  if (unknown.size === 0)
    print('Every resource that carries the tag of this installation is of a cluster that the database knows.')
  let left = 0
  for (const [clusterId, { count }] of unknown) {
    const found = await findAdoptable(app, clusterId)
    if (!found) {
      left++
      print(
        `${clusterId}: ${count} resources, and the artifact store has no state that this version can adopt; see docs/recovery.md`,
      )
      continue
    }
    const { record, infras, outputs } = found
    const what = `${clusterId} ${record.name}.${record.baseDomain} of ${record.owner} (${record.team}), ${infras.map(({ metadata }) => metadata.infraID).join(', ')}, ${count} resources`
    const becomes = outputs
      ? `READY until ${adoptedEnd(app.config, record).toISOString()}`
      : 'FAILED, and what it made is destroyed'
    if (!apply) {
      print(`${what}: would become ${becomes}`)
      continue
    }
    try {
      await app.db.transaction((tx) => adoptCluster(app, tx, { kind: 'system', name: 'recovery' }, found))
      print(`${what}: is ${becomes}`)
    } catch (error) {
      left++
      print(`${what}: ${messageOf(error)}`)
    }
  }
  if (!apply && unknown.size > 0) print('Nothing was changed. Adopt them with: node src/main.ts recover --apply')
  return left > 0 ? 1 : 0
}
