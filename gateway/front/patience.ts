// How long bodies may take, where one server takes leads of a few bytes and passes the site's on in any size.
import type { FastifyRequest } from 'fastify'

/** For our own routes: all of the body. */
const wholeBodyMs = 15_000
/**
 * For the site's: between two pieces of an upload, and between two that the visitor takes of an answer. The latter is
 * longer than the site itself may be silent (wire.ts), so it ends only what nobody reads: a connection to us and one to
 * the site.
 */
const sitePatience = { uploadMs: 60_000, takingMs: 330_000 }

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

/** An upload to the site goes on for as long as something comes, an answer of the site's for as long as it is taken. */
export function limitSiteBodies (
  { raw }: Pick<FastifyRequest, 'raw'>, { uploadMs, takingMs }: typeof sitePatience = sitePatience
): void {
  // undici takes the socket from an upload that it lets go.
  const { socket } = raw
  // Node ends a connection in which nothing happens for so long, and has its own limit for the time between requests.
  const limitTaking = () => { socket.setTimeout(takingMs) }
  if (raw.headers['content-length'] === undefined && raw.headers['transfer-encoding'] === undefined) {
    limitTaking()
    return
  }
  raw.setTimeout(uploadMs, () => { socket.destroy() })
  raw.once('end', limitTaking)
}
