// The operator's side of a process, on a port of its own: is it alive, can it accept, what does it count.
import Fastify, { type FastifyInstance } from 'fastify'
import type { Metrics } from '../config/metrics.ts'
import type { Readiness } from './readiness.ts'

export interface AdminDeps {
  metrics: Metrics
  /** Whether this process can do its work now; must answer within seconds. */
  checkReady: () => Promise<Readiness>
  /** Sets the gauges that are read from the database; called before each scrape. */
  readGauges: () => Promise<void>
}

/**
 * Builds the admin server without listening. `/livez` answers as long as the event loop turns; `/readyz` is 200 when
 * the process can do its work (`degraded` tells what is wrong all the same) and 503 with the reasons otherwise;
 * `/metrics` is Prometheus' text.
 */
export function buildAdmin (deps: AdminDeps): FastifyInstance {
  const app = Fastify({ logger: false, forceCloseConnections: true, requestTimeout: 10_000 })

  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
  })

  app.get('/livez', () => ({ status: 'alive' }))

  app.get('/readyz', async (_request, reply) => {
    const readiness = await deps.checkReady()
    return reply.code(readiness.problems.length === 0 ? 200 : 503).send({
      status: readiness.problems.length === 0 ? 'ready' : 'not_ready', ...readiness
    })
  })

  app.get('/metrics', async (_request, reply) => {
    await deps.readGauges()
    return reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics())
  })

  app.setErrorHandler(async (_error, _request, reply) => await reply.code(500).send({ status: 'error' }))
  app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ status: 'not_found' }))
  return app
}
