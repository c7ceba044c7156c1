// The network between one process and PostgreSQL. It can be cut (connections break, new ones are refused) or turned
// into a black hole: connections stand, nothing passes, and what was sent meanwhile arrives late, when it is healed.
import { connect, createServer, type Socket } from 'node:net'

export type Proxy = {
  port: number
  /** How many connections were ever accepted, those that were closed at once among them. */
  accepted: () => number
  cut: () => void
  blackHole: () => void
  heal: () => void
  /** Whether the server's connection from this port is one of those that pass here. */
  carries: (port: number) => boolean
  close: () => Promise<void>
}

type Pair = { near: Socket; far: Socket | undefined }

export async function openProxy(targetPort: number): Promise<Proxy> {
  const pairs = new Set<Pair>()
  let mode: 'open' | 'cut' | 'black-hole' = 'open'
  let accepted = 0

  const end = (pair: Pair) => {
    pairs.delete(pair)
    pair.near.destroy()
    pair.far?.destroy()
  }
  const pass = (from: Socket, to: Socket, pair: Pair) => {
    from.on('data', (chunk) => to.write(chunk))
    from.on('end', () => to.end())
    from.on('error', () => end(pair))
    from.on('close', () => mode !== 'black-hole' && end(pair))
  }
  const join = (pair: Pair) => {
    const far = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    pair.far = far
    pass(pair.near, far, pair)
    pass(far, pair.near, pair)
    if (mode === 'black-hole') pause(pair)
  }
  const pause = ({ near, far }: Pair) => {
    near.pause()
    far?.pause()
  }

  const server = createServer({ noDelay: true, pauseOnConnect: true }, (near) => {
    accepted++
    const pair: Pair = { near, far: undefined }
    near.on('error', () => end(pair))
    if (mode === 'cut') return void near.destroy()
    pairs.add(pair)
    if (mode === 'open') {
      join(pair)
      near.resume()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')

  const cut = () => {
    mode = 'cut'
    for (const pair of pairs) end(pair)
  }
  return {
    port: address.port,
    accepted: () => accepted,
    cut,
    blackHole() {
      mode = 'black-hole'
      for (const pair of pairs) pause(pair)
    },
    heal() {
      mode = 'open'
      for (const pair of pairs) {
        if (pair.near.destroyed || pair.far?.destroyed) end(pair)
        else {
          if (!pair.far) join(pair)
          pair.near.resume()
          pair.far?.resume()
        }
      }
    },
    carries: (port) => [...pairs].some((pair) => pair.far?.localPort === port),
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
