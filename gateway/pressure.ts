// Sheds what is too much: a gateway that can no longer keep up, or runs out of memory, turns events away before leads.
import { constrainedMemory } from 'node:process'
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import underPressure from '@fastify/under-pressure'
import type { FastifyInstance } from 'fastify'
import type { GatewayMetrics } from './journal.ts'
import { Refusal } from './refusal.ts'

/** Where events are shed, and where leads are, too. */
export interface Pressure {
  /** Mean delay of the event loop in milliseconds, over a second. */
  eventDelayMs: number
  leadDelayMs: number
  /** Shares of the heap, and of the memory that the container has. */
  eventMemory: number
  leadMemory: number
}

/**
 * A busy gateway has a short queue in its event loop, and the queue of the ingest log is bounded by itself: what these
 * limits see is an overload that neither has caught. A machine that is busy with others is slow, too, and still serves.
 * Utilisation is no limit: at full speed there is none left.
 */
export const pressure: Pressure = { eventDelayMs: 1500, leadDelayMs: 5000, eventMemory: 0.85, leadMemory: 0.95 }

const sampleMs = 1000
/** A burst, a long garbage collection or a busy neighbour is over by then. */
const burstMs = 2500

/** The kernel ends a process that goes beyond the memory of its container. Infinite where there is no such limit. */
function findContainerBytes (): number {
  const bytes = constrainedMemory()
  return bytes > 0 && bytes < totalmem() ? bytes : Number.POSITIVE_INFINITY
}

/**
 * What share of the requests is too much, when the delay is `value` and should not be above `limit`: at twice the limit
 * half of them. All or none would make the load swing from one second to the next.
 */
function excess (value: number, limit: number): number {
  return value <= limit ? 0 : 1 - limit / value
}

/** Answers 503 with Retry-After where the process is beyond its limits; `kindOf` tells what a route takes. */
export async function addPressureGuard (
  app: FastifyInstance, metrics: GatewayMetrics,
  kindOf: (route: string | undefined) => 'lead' | 'event' | undefined, limits: Pressure = pressure
): Promise<void> {
  const heapBytes = getHeapStatistics().heap_size_limit
  const containerBytes = findContainerBytes()
  let sinceMs = Number.NEGATIVE_INFINITY
  let lastMs = Number.NEGATIVE_INFINITY

  /** A delay counts only where it lasts. */
  function isLasting (): boolean {
    const nowMs = performance.now()
    if (nowMs - lastMs > 2 * sampleMs) sinceMs = nowMs
    lastMs = nowMs
    return nowMs - sinceMs > burstMs
  }

  /** The plugin names the first limit that is passed; memory must be looked at whatever the delay is. */
  function share (kind: 'lead' | 'event'): number {
    const { eventLoopDelay, heapUsed, rssBytes: rss } = app.memoryUsage()
    const most = kind === 'lead' ? limits.leadMemory : limits.eventMemory
    if (heapUsed > heapBytes * most || rss > containerBytes * most) return 1
    const tooMuch = excess(eventLoopDelay, kind === 'lead' ? limits.leadDelayMs : limits.eventDelayMs)
    return eventLoopDelay > limits.eventDelayMs && isLasting() ? tooMuch : 0
  }

  await app.register(underPressure, {
    sampleInterval: sampleMs,
    maxEventLoopDelay: limits.eventDelayMs,
    maxHeapUsedBytes: heapBytes * limits.eventMemory,
    maxRssBytes: containerBytes * limits.eventMemory,
    pressureHandler (request) {
      const kind = kindOf(request.routeOptions.url)
      if (kind === undefined || Math.random() >= share(kind)) return
      metrics.ingestShed.inc({ reason: 'overloaded' })
      throw new Refusal('unavailable', 'the gateway is overloaded; please send it again',
        { retryAfterSeconds: 5 + Math.floor(Math.random() * 25) })
    }
  })
}
