// How browsers find the test's hosts under their real names and port 443: a proxy that leads all of them to one port.
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'

export interface HostProxy { address: string, close: () => Promise<void> }

/**
 * A CONNECT proxy on a free port: `isOurs` names the hosts that lead to `port` of this machine, everything else of the
 * world is out of reach. So no test needs /etc/hosts, root or a port in the address, which ad-block rules would see.
 */
export async function startHostProxy (port: number, isOurs: (host: string) => boolean): Promise<HostProxy> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => { sockets.delete(socket) })
    // A browser that ends cuts its lines.
    socket.on('error', () => { socket.destroy() })
  }
  const server: Server = createServer((_request, response) => { response.writeHead(502).end() })
  server.on('connection', keep)
  server.on('connect', (request, client: Socket) => {
    const [host = '', asked] = (request.url ?? '').split(':')
    if (!isOurs(host) || asked !== '443') {
      client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
      return
    }
    const onward = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      onward.pipe(client)
      client.pipe(onward)
    })
    keep(onward)
    onward.on('close', () => { client.destroy() })
    client.on('close', () => { onward.destroy() })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close () {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => { server.close(resolve) })
    }
  }
}
