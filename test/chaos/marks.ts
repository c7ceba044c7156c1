// Rows of our own, committed one after the other while commits are being lost. The last that survives tells which moment
// the database went back to.
import { Client } from 'pg'

export type Loss = {
  /** Whatever was acknowledged between these moments may be lost, and nothing else. */
  from: number
  to: number
  /** How many of our own acknowledged commits were. */
  marks: number
}

const MARK_MS = 10

export const marksSql = 'create table witness.marks (id bigint primary key)'

type Mark = { id: number; sentAt: number }

export async function writeMarks(url: string) {
  const client = new Client({ connectionString: url, application_name: 'chaos' })
  client.on('error', () => undefined)
  await client.connect()
  const startedAt = Date.now()
  const acknowledged: Mark[] = []
  const over = new AbortController()
  const loop = async () => {
    for (let count = 0; !over.signal.aborted; count++) {
      const mark = { id: startedAt * 1000 + count, sentAt: Date.now() }
      await client.query('insert into witness.marks values ($1)', [mark.id])
      acknowledged.push(mark)
      await new Promise((resolve) => setTimeout(resolve, MARK_MS))
    }
  }
  const looping = loop().catch(() => undefined) // the server is gone

  return {
    /** After the server is down. */
    async stop() {
      over.abort()
      await looping
      await client.end().catch(() => undefined)
    },
    /** After it is up again. Undefined: nothing was lost. */
    async findLoss(
      rows: <T extends { id: string }>(sql: string) => Promise<T[]>,
      to: number,
    ): Promise<Loss | undefined> {
      const [newest] = await rows<{ id: string }>('select coalesce(max(id), 0)::text as id from witness.marks')
      const lost = acknowledged.filter((mark) => mark.id > Number(newest?.id))
      const last = acknowledged.findLast((mark) => mark.id <= Number(newest?.id))
      return lost.length > 0 ? { from: last?.sentAt ?? startedAt, to, marks: lost.length } : undefined
    },
  }
}
