// How long the command line takes, beside Node's own start and the request that it makes.
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { buildCommandLine } from '../../cli/build.ts'
import { medianOf, startServer, TOKEN, type Ground } from './ground.ts'
import type { Report } from './report.ts'

const ROUNDS = 21

export async function measureCommandLine(ground: Ground, report: Report): Promise<void> {
  const program = await buildCommandLine(join(ground.dir, 'ocpctl.mjs'))
  const server = await startServer(ground, await ground.createDatabase('cli'))
  const request = '/api/v1/clusters?limit=200'
  const run = (...args: string[]) => {
    const from = performance.now()
    const { status, stderr } = spawnSync(process.execPath, args, {
      env: {
        OCPCTL_URL: server.url,
        OCPCTL_TOKEN: TOKEN,
        HOME: ground.dir,
        XDG_CONFIG_HOME: join(ground.dir, randomUUID()),
      },
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`)
    return performance.now() - from
  }
  await server.call('GET', request)
  const times = {
    node: [] as number[],
    version: [] as number[],
    ls: [] as number[],
    request: [] as number[],
    completion: [] as number[],
  }
  for (let round = 0; round < ROUNDS; round++) {
    times.node.push(run('-e', '0'))
    times.version.push(run(program, '--version'))
    times.ls.push(run(program, 'ls'))
    times.completion.push(run(program, 'complete', '--', 'get', ''))
    const from = performance.now()
    await server.call('GET', request)
    times.request.push(performance.now() - from)
  }
  await server.stop()
  const [node, version, ls, asked, completion] = [
    times.node,
    times.version,
    times.ls,
    times.request,
    times.completion,
  ].map(medianOf) as [number, number, number, number, number] // as many as given
  report.figure('the command line, one file (goal ≤ 400)', statSync(program).size / 1000, 'kB')
  report.figure('node -e 0', node, 'ms')
  report.ratio('ocpctl --version / node -e 0', version / node, '≤ 1.5')
  report.ratio('ocpctl ls beyond its request / node -e 0', (ls - asked) / node, '≤ 3')
  report.ratio('completion with live names / node -e 0', completion / node, '≤ 7')
  report.figure('ocpctl ls beyond its request (goal ≤ 120)', ls - asked, 'ms')
  report.figure('completion with live names (goal ≤ 300)', completion, 'ms')
}
