// `lint FILE`: what can be found wrong with an install-config.yaml without credentials, with line numbers.
import { readFile } from 'node:fs/promises'
import { ConfigError } from '../config.ts'
import { messageOf } from '../errors.ts'
import { lintInstallConfig } from '../install-config/lint.ts'
import { pointerOf, readYaml } from '../profiles/yaml-file.ts'

/**
 * Prints one line per finding. Returns 1 when there are errors, 0 otherwise. Throws ConfigError when there is nothing
 * to read.
 */
export async function runLint(options: string[]): Promise<number> {
  const [file, ...more] = options
  if (file === undefined || more.length > 0) throw new ConfigError('usage: lint FILE, an install-config.yaml')
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new ConfigError(`${file} cannot be read: ${messageOf(error)}`)
  })
  const { value, problems, lineOf } = readYaml(file, text)
  const found =
    problems.length > 0
      ? problems.map(({ line, detail }) => ({ line, place: '', severity: 'error', detail, rule: 'yaml' }))
      : lintInstallConfig(value).map(({ path, severity, detail, rule }) => ({
          line: lineOf(path),
          place: pointerOf(path),
          severity,
          detail,
          rule,
        }))
  const errors = found.filter(({ severity }) => severity === 'error').length
  const lines = found
    .toSorted((a, b) => a.line - b.line)
    .map(({ line, severity, place, detail, rule }) => `${file}:${line} ${severity} ${place} ${detail} (${rule})`)
  const summary = `${errors} errors, ${found.length - errors} warnings`
  process.stdout.write(`${[...lines, summary].join('\n')}\n`)
  return errors > 0 ? 1 : 0
}
