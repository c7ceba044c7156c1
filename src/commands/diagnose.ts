// `diagnose LOG`: what an installer's log means, for people and for programs. It needs neither database nor configuration.
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { diagnose, type Diagnosis } from '../diagnosis/diagnosis.ts'
import { hasCode, messageOf } from '../errors.ts'

const USAGE = `usage: node src/main.ts diagnose LOG [--exit-code N] [--json]

  LOG            a log of openshift-install, or - to read standard input
  --exit-code N  what the installer ended with; it makes the answer surer
  --json         for programs`

type Streams = {
  stdin: NodeJS.ReadableStream
  stdout: { write: (text: string) => unknown }
  stderr: { write: (text: string) => unknown }
}

/** Resolves with the exit code of the process: 0 when there is an answer, 2 when the command was used wrongly. */
export async function runDiagnose(args: string[], streams: Streams = process): Promise<number> {
  const refuse = (message: string) => {
    streams.stderr.write(`ocpctl: ${message}\n`)
    return 2
  }
  let asked: ReturnType<typeof readArguments>
  try {
    asked = readArguments(args)
  } catch (error) {
    return refuse(`${messageOf(error)}\n\n${USAGE}`)
  }
  let log: string
  try {
    log = asked.path === '-' ? await text(streams.stdin) : await readFile(asked.path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return refuse(`there is no file ${asked.path}`)
    return refuse(`${asked.path} cannot be read: ${messageOf(error)}`)
  }
  const diagnosis = diagnose({ log, exitCode: asked.exitCode })
  streams.stdout.write(asked.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : describe(diagnosis))
  return 0
}

function readArguments(args: string[]): { path: string; exitCode: number | undefined; json: boolean } {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'exit-code': { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const [path, ...rest] = positionals
  if (path === undefined || rest.length > 0) throw new Error('one log is expected')
  const code = values['exit-code']
  if (code !== undefined && !(/^\d{1,3}$/.test(code) && Number(code) < 256))
    throw new Error(`--exit-code must be from 0 to 255, not "${code}"`)
  return { path, exitCode: code === undefined ? undefined : Number(code), json: values.json }
}

const actors: Record<Diagnosis['actor'], string> = {
  requester: 'whoever asked for the cluster',
  'platform-team': 'the platform team',
  'cloud-provider': 'the cloud provider',
}

function describe(diagnosis: Diagnosis): string {
  const { reason, category, actor, retry, remedy, stage, fingerprint, evidence } = diagnosis
  if (reason === 'None') return `No failure: ${remedy}\n`
  const shown = evidence.map(({ line, text }, index) => [index === 0 ? 'Evidence' : '', `line ${line}: ${text}`])
  if (reason === 'NotEnded') return rowsOf([['No failure yet', remedy], ['How far', stage], ...shown])
  return rowsOf([
    ['What happened', `${reason} (${category})`],
    ['', remedy],
    ['Who acts', actors[actor]],
    ['How far', stage],
    ['Try again', retryText(retry)],
    ['In the cloud', diagnosis.infrastructureMayExist ? 'something may exist: destroy it' : 'nothing was made'],
    ['Fingerprint', fingerprint],
    ...shown,
  ])
}

const rowsOf = (rows: string[][]): string =>
  rows.map(([label = '', value = '']) => `${label.padEnd(15)}${value}\n`).join('')

function retryText({ worthwhile, delaySeconds, maxAttempts }: Diagnosis['retry']): string {
  if (!worthwhile) return 'not before that is put right'
  const when = delaySeconds < 120 ? `after ${delaySeconds} seconds` : `after ${Math.round(delaySeconds / 60)} minutes`
  return `${when}${maxAttempts === undefined ? '' : `, ${maxAttempts} attempts in all`}`
}
