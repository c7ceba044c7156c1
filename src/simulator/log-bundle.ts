import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync, gzip } from 'node:zlib'
import { loadState } from './asset-dir.ts'
import { Cloud } from './cloud.ts'
import { fatal } from './failure.ts'
import { findMetadata } from './metadata.ts'
import { beginWork, cloudDirOf, type Run } from './run.ts'

const diagnosis = 'The bootstrap machine failed to download the release image (simulated)'

export async function gatherBootstrap(run: Run): Promise<void> {
  const infraID = findMetadata(run.dir)?.infraID ?? loadState(run.dir)?.identity.infraID
  await beginWork(run, findMetadata(run.dir)?.clusterName, infraID)
  if (!run.commandLine.flags.has('bootstrap')) {
    const hosts = new Cloud(cloudDirOf(run)).listBootstrap(infraID ?? '')
    if (hosts.length === 0) throw fatal(1, 'failed to get bootstrap and control plane host addresses')
  }
  run.log.info('Pulling debug logs from the bootstrap machine')
  await run.clock.pass(60)
  run.log.info(`Bootstrap gather logs captured here "${await writeLogBundle(run.dir)}"`)
}

export async function analyze(run: Run): Promise<void> {
  await beginWork(run, undefined, undefined)
  const bundles = fs.readdirSync(run.dir).filter((name) => /^log-bundle-.*\.tar\.gz$/.test(name))
  const given = run.commandLine.flags.get('file')
  if (given === undefined && bundles.length !== 1) {
    throw fatal(
      1,
      bundles.length === 0 ? 'did not find any log bundles' : 'found more than one log bundle: choose one with --file',
    )
  }
  try {
    gunzipSync(fs.readFileSync(given ?? path.join(run.dir, bundles[0] ?? '')))
  } catch (error) {
    throw fatal(1, `could not open the gather bundle: ${(error as Error).message}`)
  }
  run.log.write('error', diagnosis)
}

/** Returns the bundle's path. */
export async function writeLogBundle(dir: string): Promise<string> {
  const stamp = new Date().toISOString().replace(/[-:T]/g, '').slice(0, 14)
  const file = path.join(dir, `log-bundle-${stamp}.tar.gz`)
  const archive = tarOf(`log-bundle-${stamp}/bootstrap/journals/bootkube.log`, `${diagnosis}\n`)
  fs.writeFileSync(file, await promisify(gzip)(archive))
  return file
}

function tarOf(name: string, text: string): Buffer {
  const header = Buffer.alloc(512)
  const fields: [offset: number, text: string][] = [
    [0, name],
    [100, '0000644\0'],
    [108, '0000000\0'],
    [116, '0000000\0'],
    [124, `${Buffer.byteLength(text).toString(8).padStart(11, '0')}\0`],
    [136, '00000000000\0'],
    [148, ' '.repeat(8)],
    [156, '0'],
    [257, 'ustar\x0000'],
  ]
  for (const [offset, value] of fields) header.write(value, offset)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  const content = Buffer.alloc(Math.ceil(Buffer.byteLength(text) / 512) * 512)
  content.write(text)
  return Buffer.concat([header, content, Buffer.alloc(1024)])
}
