// The export of FOCUS 1.0, read by the only public validator. It knows no newer version than 1.0, and starts only with
// an older multimethod.
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureAdministrator } from '../../src/auth/api-tokens.ts'
import { createHttp } from '../../src/http/app.ts'
import { startWorker } from '../../src/worker/worker.ts'
import { openBenchApp } from '../bench/app.ts'
import { openGround, query, TOKEN } from '../bench/ground.ts'
import { eventually } from '../harness.ts'
import { ask, installPython, openVerdict, type Judge } from './judge.ts'

/** By its rules for 1.0, these columns have the names that they had in drafts. They are given under both names. */
const DRAFT_NAMES = { InvoiceIssuer: 'InvoiceIssuerName', Provider: 'ProviderName', Publisher: 'PublisherName', ResourceID: 'ResourceId', ChargeType: 'ChargeCategory' } // prettier-ignore

export const focus: Judge = {
  name: 'focus-validator 1.0.0, the export of FOCUS 1.0',
  async judge(dir) {
    const bin = await installPython(dir, 'focus-validator==1.0.0', 'multimethod<2')
    const file = join(dir, 'usage.csv')
    writeFileSync(file, withDraftNames(await exportOfAFewClusters()))
    // It looks for a file of its own where it is started.
    const { text: home } = await ask(join(bin, 'python'), ['-c', 'import focus_validator, os; print(os.path.dirname(os.path.dirname(focus_validator.__file__)))']) // prettier-ignore
    const told = await ask(join(bin, 'focus-validator'), ['--data-file', file, '--validate-version', '1.0'], { cwd: home.trim() }) // prettier-ignore
    const verdict = openVerdict()
    verdict.hold('the export is accepted', told.code === 0 && told.text.includes('Validation succeeded'), told.text)
    return verdict
  },
}

function withDraftNames(csv: string): string {
  const [header = '', ...lines] = csv.split('\r\n').slice(0, -1)
  const names = header.split(',')
  const fieldsOf = (line: string) => line.match(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)?.map((field) => field.replace(/,$/, '')) ?? [] // prettier-ignore
  const more = (line: string) => Object.values(DRAFT_NAMES).map((name) => fieldsOf(line)[names.indexOf(name)] ?? '')
  return [`${header},${Object.keys(DRAFT_NAMES).join(',')}`, ...lines.map((line) => [line, ...more(line)].join(','))].join('\r\n') // prettier-ignore
}

async function exportOfAFewClusters(): Promise<string> {
  const ground = await openGround()
  const url = await ground.createDatabase('judges')
  const { app, close } = await openBenchApp(ground, url, { OCPCTL_SIM_SPEED: '1000000', OCPCTL_ADMIN_TOKEN: TOKEN })
  await ensureAdministrator(app.config, app.db, app.log)
  const http = createHttp(app)
  const call = async (method: string, path: string, body?: object, accept = 'application/json') => {
    const answer = await http.request(`/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', 'idempotency-key': randomUUID(), accept }, // prettier-ignore
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`)
    return answer.text()
  }
  const worker = await startWorker(app)
  try {
    for (const [platform, profile] of [
      ['aws', 'aws-minimal-test'],
      ['ibmcloud', 'ibmcloud-standard'],
    ]) {
      const request = { name: `judged-${platform}`, platform, profile, ...(platform === 'aws' ? { costCenter: 'cc, "1"' } : {}) } // prettier-ignore
      const { cluster } = JSON.parse(await call('POST', '/clusters', request)) as { cluster: { id: string } }
      const reach = (status: string) =>
        eventually(async () => (await query<{ status: string }>(url, `select status from clusters where id = '${cluster.id}'`))[0]?.status === status) // prettier-ignore
      await reach('READY')
      if (platform === 'aws') {
        await call('POST', `/clusters/${cluster.id}/destroy`)
        await reach('DESTROYED')
      }
    }
    // As if they had lived for some days.
    await query(url, `update clusters set created_at = created_at - interval '3 days'; update usage_samples set at = at - interval '3 days' where status in ('PENDING', 'CREATING', 'READY')`) // prettier-ignore
    return await call('GET', '/usage?window=7d', undefined, 'text/csv;profile=focus-1.0')
  } finally {
    await worker.drain(0)
    await close()
    await ground.close()
  }
}
