// A line between two processes that can be cut, silenced and mended: what a broken network is to them.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** `pass`: as if it were not there; `silent`: takes bytes and delivers none, on old connections and new ones. */
export type LineState = 'pass' | 'silent'

export interface TcpProxy {
  port: number
  set: (state: LineState) => void
  /** Resets every connection, as a router does that has forgotten them. */
  cut: () => void
}

/** Listens on a port of this machine for what is meant for a unix socket or a port. */
export async function startTcpProxy (
  t: { teardown: (close: () => unknown) => void }, target: { path: string } | { port: number, host: string }
): Promise<TcpProxy> {
  let state: LineState = 'pass'
  const pairs = new Set<[Socket, Socket]>()
  const server = createServer(near => {
    const far = connect(target)
    const pair: [Socket, Socket] = [near, far]
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const [from, to] of [pair, [far, near] as const]) {
      // What a silent line swallowed is gone: the connection is of no use any more, but nobody is told.
      from.on('data', bytes => { if (state === 'pass') to.write(bytes) })
      from.on('error', end)
      from.on('close', () => { if (state === 'pass') end() })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy()
      far.destroy()
    }
    pairs.clear()
  }
  t.teardown(() => {
    cut()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, cut, set: given => { state = given } }
}
