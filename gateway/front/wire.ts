// The connections to the site behind us: what leaves here is the request as its visitor sent it, byte for byte.
import type { EventEmitter } from 'node:events'
import type { FastifyHttpProxyOptions } from '@fastify/http-proxy'
import { Agent, type Dispatcher } from 'undici'

/** What a request brings to the wire beside its headers: in its headers, under a key that no client can send. */
export const carried = Symbol('carried')
export interface Carried {
  /** The path and query as they were asked for: a URL parser would write some of them in another way. */
  path: string
  /** Ends the request to the site when its visitor has gone. */
  signal: EventEmitter | undefined
}

/** Limits in milliseconds: until there is a connection, until the site answers, between two pieces of its answer. */
export interface WireLimits { connectMs: number, headersMs: number, bodyMs: number }

export const wireLimits: WireLimits = { connectMs: 5000, headersMs: 60_000, bodyMs: 300_000 }

export interface Wire {
  /** What the proxy plugin sends with, in place of an agent of its own (which checks no certificates). */
  dispatcher: NonNullable<FastifyHttpProxyOptions['undici']>
  close: () => Promise<void>
}

type Options = Dispatcher.RequestOptions
type Hear = (error: Error | null, response: Dispatcher.ResponseData) => void

/** Headers that the site may answer with, in bytes: cookies and policies of a shop are long. */
const mostHeaderBytes = 64 * 1024

/**
 * Opens the wire. Certificates are checked (by the name that the visitor asked for), redirects are the visitor's to
 * follow, and any address may be the site's: the settings alone say which.
 */
export function openWire (limits: WireLimits): Wire {
  const agent = new Agent({
    connect: { timeout: limits.connectMs },
    headersTimeout: limits.headersMs,
    bodyTimeout: limits.bodyMs,
    maxHeaderSize: mostHeaderBytes,
    allowH2: false
  })
  const request = (options: Options, hear: Hear): void => {
    const { path, signal } = (options.headers as unknown as Record<symbol, Carried>)[carried] ?? options
    // The plugin has made the options for this request alone.
    options.path = path
    options.signal = signal
    options.headersTimeout = limits.headersMs
    options.bodyTimeout = limits.bodyMs
    agent.request(options, (error, response) => {
      try {
        hear(error, response)
      } catch (bug) {
        // Thrown on from here it would be nobody's, and end the process: one page must do.
        hear(bug instanceof Error ? bug : new Error('the answer could not be passed on'), response)
      }
    })
  }
  return {
    // The plugin's types are those of an undici of its own.
    dispatcher: { request } as unknown as Wire['dispatcher'],
    close: async () => { await agent.destroy() }
  }
}
