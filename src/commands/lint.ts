// `lint FILE`: what can be found wrong with an install-config.yaml without credentials, with line numbers.
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { ConfigError } from '../config.ts'
import { messageOf } from '../errors.ts'
import { lintInstallConfig } from '../install-config/lint.ts'
import { pointerOf, readInstallerYaml } from '../profiles/yaml-file.ts'

const USAGE = 'usage: lint [--version 4.20.3] FILE, an install-config.yaml'

/**
 * Prints one line per finding: where, what, by which rule, and of which installer that is thought. Returns 1 when there
 * are errors, 0 otherwise. Throws ConfigError when there is nothing to read.
 */
export async function runLint(options: string[]): Promise<number> {
  const { file, version } = readOptions(options)
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new ConfigError(`${file} cannot be read: ${messageOf(error)}`)
  })
  const { value, problems, lineOf } = readInstallerYaml(file, text)
  const found =
    problems.length > 0
      ? problems.map(({ line, detail }) => ({ line, place: '', severity: 'error', detail, by: 'yaml' }))
      : lintInstallConfig(value, version).map(({ path, severity, detail, rule, ours, installers }) => ({
          line: lineOf(path),
          place: pointerOf(path),
          severity,
          detail,
          by: `${rule}, ${ours ? 'our rule' : 'openshift-install'} ${ours ? 'for' : ''} ${installers}`.replace(
            '  ',
            ' ',
          ),
        }))
  const errors = found.filter(({ severity }) => severity === 'error').length
  const lines = found
    .toSorted((a, b) => a.line - b.line)
    .map(({ line, severity, place, detail, by }) => `${file}:${line} ${severity} ${place} ${detail} (${by})`)
  const summary = `${errors} errors, ${found.length - errors} warnings`
  process.stdout.write(`${[...lines, summary].join('\n')}\n`)
  return errors > 0 ? 1 : 0
}

function readOptions(options: string[]): { file: string; version: string | undefined } {
  try {
    const { values, positionals } = parseArgs({
      args: options,
      options: { version: { type: 'string' } },
      allowPositionals: true,
    })
    const [file, ...more] = positionals
    if (file === undefined || more.length > 0) throw new ConfigError(USAGE)
    if (values.version !== undefined && !/^4\.\d+(\.\S+)?$/.test(values.version))
      throw new ConfigError(`--version must be a version such as 4.20.3 or 4.20; ${USAGE}`)
    return { file, version: values.version }
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError(`${messageOf(error)}; ${USAGE}`)
  }
}
