// A backup of a test's database, and the way back to it, while the service's connections stay open as well as they can.
import { inject } from 'vitest'
import { query } from './global-setup.ts'
import { eventually, type Harness } from './harness.ts'

export type Backup = {
  take: () => Promise<void>
  putBack: () => Promise<void>
  lose: () => Promise<void>
  drop: () => Promise<void>
}

export function backupOf({ url, rows }: Harness): Backup {
  const server = inject('serverUrl')
  const database = new URL(url).pathname.slice(1)
  const backup = `${database}_backup`
  const drop = () => query(server, `drop database if exists ${backup} with (force)`)
  const isDone = (work: Promise<unknown>) =>
    work.then(
      () => true,
      () => false,
    )
  const makeAnew = async (template: string) => {
    await query(server, `drop database ${database} with (force)`)
    await query(server, `create database ${database} template ${template}`)
    await eventually(() => isDone(rows('select 1')))
  }
  return {
    drop,
    async take() {
      await drop()
      await query(server, `alter database ${database} with allow_connections false`)
      await query(server, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`)
      // A connection ends a moment after it was told to.
      await eventually(() => isDone(query(server, `create database ${backup} template ${database}`)))
      await query(server, `alter database ${database} with allow_connections true`)
      await eventually(() => isDone(rows('select 1')))
    },
    putBack: () => makeAnew(backup),
    lose: () => makeAnew(inject('template')),
  }
}
