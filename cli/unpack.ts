// Loads a part of the program that is packed into it.
import { brotliDecompressSync } from 'node:zlib'
import yamlPacked from 'packed:yaml'

let yaml: Promise<typeof import('yaml')> | undefined

export const loadYaml = (): Promise<typeof import('yaml')> =>
  (yaml ??= load<{ default: typeof import('yaml') }>(yamlPacked).then((module) => module.default)) // CommonJS, whose all is the default

export async function unpack<T>(packed: string): Promise<T> {
  // What is packed shares it, as cli/build.ts says.
  Object.assign(globalThis, { [Symbol.for('ocpctl.yaml')]: await loadYaml() })
  return load(packed)
}

async function load<T>(packed: string): Promise<T> {
  const code = brotliDecompressSync(Buffer.from(packed, 'base64'))
  return (await import(`data:text/javascript;base64,${code.toString('base64')}`)) as T // as it was built
}
