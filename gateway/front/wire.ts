// The connections to the site behind us: what leaves here is the request as its visitor sent it, byte for byte.
import type { ServerResponse } from 'node:http'
import { Readable, type Writable } from 'node:stream'
import type { FastifyHttpProxyOptions } from '@fastify/http-proxy'
import { Agent, errors, type Dispatcher } from 'undici'

/** What a request brings to the wire beside its headers: in its headers, under a key that no client can send. */
export const carried = Symbol('carried')
export interface Carried {
  /** The path and query as they were asked for: a URL parser would write some of them in another way. */
  path: string
  /** The answer to the visitor: when that closes before the site's has come whole, the request to the site ends. */
  visitor: ServerResponse
}

/** What becomes of a body's pieces on their way. */
export interface Rewriting {
  next: (piece: Buffer) => readonly Buffer[]
  /** After the last one. */
  rest: () => readonly Buffer[]
}

/** The body of the site's answer, of which nothing is kept: it comes at the speed at which it is taken. */
export interface SiteBody {
  /**
   * Writes all of it, from the first byte, and ends the target; destroys it when the site's answer breaks off. To be
   * called, once, before the body comes: as soon as the answer's head is there. `begin` is called right before the
   * first byte: when the answer breaks off earlier, it never is, and whoever asked hears of it as of no answer.
   */
  sendTo: (target: Writable, rewriting?: Rewriting, begin?: () => void) => void
  /** Nobody wants it. */
  destroy: () => void
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
type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'> & { body: SiteBody }
type Hear = (error: Error | null, answer?: Answer) => void

/** Headers that the site may answer with, in bytes: cookies and policies of a shop are long. */
const mostHeaderBytes = 64 * 1024
/** What may wait for a visitor who is slower than the site, in bytes; then the site has to wait. */
const mostWaitingBytes = 64 * 1024

/** The site's answer ended before the first byte of its body. It is not asked again: its head was heard. */
class BrokenOff extends Error {
  override name = 'BrokenOff'
}

/** The way of one body. `leave` ends the site's answer, `resume` lets it go on after a pause. */
function openBody (visitor: ServerResponse, leave: () => void, resume: () => void) {
  let target: Writable | undefined
  let rewriting: Rewriting | undefined
  let begin: (() => void) | undefined
  const start = () => {
    begin?.()
    begin = undefined
  }
  const body: SiteBody = {
    sendTo: (given, change, before) => {
      target = given
      rewriting = change
      begin = before
      given.on('drain', resume)
      if (given !== visitor) given.once('close', leave)
    },
    destroy: leave
  }
  return {
    body,
    isWanted: () => target !== undefined,
    isBegun: () => begin === undefined,
    /** False when the site has to wait. */
    write: (chunk: Buffer): boolean => {
      if (target === undefined) return true
      start()
      let takesMore = true
      for (const piece of rewriting?.next(chunk) ?? [chunk]) takesMore = target.write(piece)
      return takesMore || target.writableLength <= mostWaitingBytes
    },
    end: () => {
      start()
      for (const piece of rewriting?.rest() ?? []) target?.write(piece)
      // Node takes a connection whose answer has ended for idle, however much of it waits, and cuts it at its own end.
      if (target?.writableNeedDrain === true) target.once('drain', () => { target?.end() })
      else target?.end()
    },
    breakOff: (error: Error) => {
      // Node takes an error there for one of the visitor's connection.
      if (target === visitor) visitor.destroy()
      else target?.destroy(error)
    }
  }
}

/**
 * Listens to the site's answer. undici's own request() makes a stream of each body and Fastify pipes it, which cost
 * more than everything else that passing a file on does; here its pieces are written as they come.
 */
function listenTo (hear: Hear, visitor: ServerResponse, upload: unknown): Dispatcher.DispatchHandler {
  let controller: Dispatcher.DispatchController | undefined
  let state: 'asked' | 'answered' | 'over' = 'asked'
  const leave = () => {
    if (state !== 'over') controller?.abort(new errors.RequestAbortedError())
  }
  const way = openBody(visitor, leave, () => { controller?.resume() })
  const tell = (error: Error) => {
    try {
      hear(error)
    } catch {
      // Thrown on from here it would be nobody's, and end the process.
      visitor.destroy()
    }
  }
  visitor.once('close', leave)
  return {
    onRequestStart: given => {
      controller = given
      if (visitor.destroyed) leave()
    },
    onResponseStart: (_controller, statusCode, headers) => {
      // What comes before the answer is for the connection to us.
      if (statusCode < 200) return
      state = 'answered'
      try {
        hear(null, { statusCode, headers, body: way.body })
      } catch (bug) {
        tell(bug instanceof Error ? bug : new Error('the answer could not be passed on'))
      }
      if (!way.isWanted()) leave()
    },
    onResponseData: (given, chunk) => { if (!way.write(chunk)) given.pause() },
    onResponseEnd: () => {
      state = 'over'
      way.end()
    },
    onResponseError: (_controller, error) => {
      const wasAsked = state === 'asked'
      state = 'over'
      // Whoever asked has to have been told of the request before it hears of its end.
      queueMicrotask(() => {
        if (wasAsked) tell(error)
        else if (way.isWanted() && !way.isBegun()) tell(new BrokenOff('the body did not begin', { cause: error }))
        else way.breakOff(error)
      })
      // Not destroyed: that would be the end of the visitor's connection, and nobody be told why.
      if (upload instanceof Readable) upload.on('error', () => {})
    }
  }
}

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
    const { path, visitor } = (options.headers as unknown as Record<symbol, Carried>)[carried] as Carried
    // The plugin has made the options for this request alone.
    options.path = path
    options.headersTimeout = limits.headersMs
    options.bodyTimeout = limits.bodyMs
    try {
      agent.dispatch(options, listenTo(hear, visitor, options.body))
    } catch (refused) {
      queueMicrotask(() => { hear(refused as Error) })
    }
  }
  return {
    // The plugin's types are those of an undici of its own, which would give a stream as the body.
    dispatcher: { request } as unknown as Wire['dispatcher'],
    close: async () => { await agent.destroy() }
  }
}
