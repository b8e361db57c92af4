// What never became a request, or never came to its end: it is answered on the bare socket.
import type { Socket } from 'node:net'

/** What never became a request: written to the socket by hand, in the same words. */
export function answerBrokenRequest (error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy(error)
    return
  }
  const [status, code, text] = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    ? [408, 'timeout', 'Request Timeout']
    : error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'headers_too_large', 'Request Header Fields Too Large']
      : [400, 'malformed_body', 'Bad Request']
  const body = JSON.stringify({ error: { code, message: 'the request cannot be read' } })
  socket.end(`HTTP/1.1 ${status} ${text}\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
}
