// npm run judges: what others say of what this service makes. They are programs that share no code with it, of pinned
// versions, installed into a temporary directory. Takes Python 3 with venv, and the network.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureAdministrator } from '../../src/auth/api-tokens.ts'
import { createHttp } from '../../src/http/app.ts'
import { startWorker } from '../../src/worker/worker.ts'
import { eventually } from '../harness.ts'
import { openBenchApp } from '../bench/app.ts'
import { openGround, query, TOKEN } from '../bench/ground.ts'

const run = promisify(execFile)
const say = (text: string) => process.stdout.write(`${text}\n`)

/** By its rules for 1.0, these columns have the names that they had in drafts. They are given under both names. */
const DRAFT_NAMES = { InvoiceIssuer: 'InvoiceIssuerName', Provider: 'ProviderName', Publisher: 'PublisherName', ResourceID: 'ResourceId', ChargeType: 'ChargeCategory' } // prettier-ignore

const dir = mkdtempSync(join(tmpdir(), 'ocpctl-judges-'))
try {
  await judgeFocus()
} finally {
  rmSync(dir, { recursive: true, force: true })
}

function withDraftNames(csv: string): string {
  const [header = '', ...lines] = csv.split('\r\n').slice(0, -1)
  const names = header.split(',')
  const fieldsOf = (line: string) => line.match(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)?.map((field) => field.replace(/,$/, '')) ?? [] // prettier-ignore
  const more = (line: string) => Object.values(DRAFT_NAMES).map((name) => fieldsOf(line)[names.indexOf(name)] ?? '')
  return [`${header},${Object.keys(DRAFT_NAMES).join(',')}`, ...lines.map((line) => [line, ...more(line)].join(','))].join('\r\n') // prettier-ignore
}

/** The only public validator knows no newer version than 1.0, and starts only with an older multimethod. */
async function judgeFocus(): Promise<void> {
  const file = join(dir, 'usage.csv')
  writeFileSync(file, withDraftNames(await exportOfAFewClusters()))
  await run('python3', ['-m', 'venv', join(dir, 'venv')])
  await run(join(dir, 'venv/bin/pip'), ['install', '--quiet', 'focus-validator==1.0.0', 'multimethod<2'])
  // It looks for a file of its own where it is started.
  const { stdout: cwd } = await run(join(dir, 'venv/bin/python'), ['-c', 'import focus_validator, os; print(os.path.dirname(os.path.dirname(focus_validator.__file__)))']) // prettier-ignore
  const told = await run(join(dir, 'venv/bin/focus-validator'), ['--data-file', file, '--validate-version', '1.0'], {
    cwd: cwd.trim(),
    maxBuffer: 2 ** 26,
  }).catch((error: unknown) => error as Error & { stdout: string; stderr: string }) // of execFile
  const text = told.stdout + told.stderr
  if (told instanceof Error || !text.includes('Validation succeeded')) {
    say(text)
    throw new Error('focus-validator 1.0.0 does not accept the export of FOCUS 1.0')
  }
  say('focus-validator 1.0.0 accepts the export of FOCUS 1.0')
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
