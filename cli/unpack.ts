// Loads a part of the program that is packed into it.
import { brotliDecompressSync } from 'node:zlib'

export async function unpack<T>(packed: string): Promise<T> {
  // The parts share it, as cli/build.ts says.
  Object.assign(globalThis, { [Symbol.for('ocpctl.yaml')]: await import('yaml') })
  const code = brotliDecompressSync(Buffer.from(packed, 'base64'))
  return (await import(`data:text/javascript;base64,${code.toString('base64')}`)) as T // as it was built
}
