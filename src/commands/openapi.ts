// `openapi`: writes the files that are generated from the code.
import { readFile, writeFile } from 'node:fs/promises'
import { ConfigError } from '../config.ts'
import { describeApi } from '../http/app.ts'
import { profileJsonSchema, withReference } from '../profiles/reference.ts'

export async function writeGenerated(checkOnly: boolean): Promise<void> {
  const files: [string, (before: string) => string][] = [
    ['docs/openapi.json', () => `${JSON.stringify(describeApi(), null, 2)}\n`],
    ['profiles/profile.schema.json', profileJsonSchema],
    ['docs/profiles.md', withReference],
  ]
  for (const [name, write] of files) {
    const path = new URL(`../../${name}`, import.meta.url)
    const before = await readFile(path, 'utf8').catch(() => '')
    const text = write(before)
    if (text === before) continue
    if (checkOnly)
      throw new ConfigError(`${name} is not what the code says: run \`node src/main.ts openapi\` and commit it`)
    await writeFile(path, text)
  }
}
