// A collector of a few lines for the demo site's own tests: serves a script with Postern's public API, keeps posts.
import fastify from 'fastify'
import type { AddressInfo } from 'node:net'

/** The least of the browser script that the demo's pages rely on: the queue, the lead form's id, the announcements. */
const script = `(function () {
  const waiting = window.postern.q || []
  const tell = function (name, id) {
    document.dispatchEvent(new CustomEvent('postern:event', { detail: { event_name: name, event_id: id, params: {} } }))
    window.dataLayer.push({ event: 'postern.' + name, event_id: id })
    return { event_id: id }
  }
  const calls = {
    consent: function (choice) { window.said = choice },
    track: function (name, params) { return tell(name, name + '.' + params.transaction_id) }
  }
  window.postern = function (name, ...given) { return calls[name](...given) }
  document.addEventListener('submit', function (event) {
    if (!event.target.matches('form[data-postern-lead]')) return
    const input = document.createElement('input')
    Object.assign(input, { type: 'hidden', name: 'postern_event_id', value: 'ev-' + crypto.randomUUID() })
    event.target.append(input)
    tell('generate_lead', input.value)
  }, true)
  for (const call of waiting) window.postern(...call)
})()`

export interface StandInGateway {
  url: string
  /** The lead posts so far. */
  leads: URLSearchParams[]
  close (): Promise<void>
}

/** Starts it on a free port: `GET /s.js`, and `POST /v1/leads` which answers with a 303 to `postern_next`. */
export async function startStandInGateway (): Promise<StandInGateway> {
  const app = fastify({ forceCloseConnections: true })
  const leads: URLSearchParams[] = []
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, new URLSearchParams(String(body))))
  app.get('/s.js', (_request, reply) => reply.type('text/javascript').send(script))
  app.post<{ Body: URLSearchParams }>('/v1/leads', ({ body }, reply) => {
    leads.push(body)
    return reply.redirect(body.get('postern_next') ?? '/', 303)
  })
  await app.listen({ port: 0, host: 'localhost' })
  const { port } = app.server.address() as AddressInfo
  return { url: `http://localhost:${port}`, leads, close: () => app.close() }
}
