// How long a request's body may take, where one server takes leads of a few bytes and the site's uploads of any size.
import type { FastifyRequest } from 'fastify'

/** For our own routes: all of the body. For the site's: between two pieces of it. */
const wholeBodyMs = 15_000
const idleMs = 60_000

/** A body of ours that does not come is answered as Node answers one, by `giveUp`. */
export function limitOwnBody (
  { raw }: FastifyRequest, giveUp: (error: Error, socket: FastifyRequest['raw']['socket']) => void
): void {
  const timer = setTimeout(() => {
    giveUp(Object.assign(new Error('the body did not come'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), raw.socket)
  }, wholeBodyMs)
  const stop = () => { clearTimeout(timer) }
  raw.once('end', stop)
  raw.once('close', stop)
}

/** An upload to the site goes on for as long as something comes. */
export function limitSiteBody ({ raw }: FastifyRequest): void {
  if (raw.headers['content-length'] === undefined && raw.headers['transfer-encoding'] === undefined) return
  raw.setTimeout(idleMs, () => { raw.socket.destroy() })
  raw.once('end', () => { raw.setTimeout(0) })
}
