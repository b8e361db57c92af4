// Stands for the ad networks: takes everything at once and notes when each event's request began, or never answers.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { nowMs } from './generator.ts'

export interface SinkReport {
  requests: number
  events: number
  /** When the first byte of each event's first request was there, by event id. */
  firstBytes: [id: string, atMs: number][]
}

const isHanging = process.argv[2] === 'hang'
const firstBytes = new Map<string, number>()
const counts = { requests: 0, events: 0 }

/** By the first part of the path: what each network says when it has taken everything. */
const answers: Record<string, (events: number) => object> = {
  meta: events => ({ events_received: events, messages: [], fbtrace_id: 'A1b2C3d4E5' }),
  tiktok: () => ({ code: 0, message: 'OK', request_id: '20261123', data: {} }),
  google_ads: () => ({ requestId: 'bench' }),
  token: () => ({ access_token: 'bench', expires_in: 3600, token_type: 'Bearer' })
}

const server = createServer((request, response) => {
  const startedAtMs = nowMs()
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString('latin1')
    let events = 0
    for (const [, id] of body.matchAll(/"(?:event_id|transactionId)":"([^"]+)"/g)) {
      events++
      if (id !== undefined && !firstBytes.has(id)) firstBytes.set(id, startedAtMs)
    }
    counts.requests++
    counts.events += events
    if (isHanging) return
    const answer = answers[request.url?.split('/')[1] ?? '']?.(events) ?? {}
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
})

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`)
})

// A line asks for the report, and begins the next one.
createInterface({ input: process.stdin }).on('line', () => {
  const report: SinkReport = { ...counts, firstBytes: [...firstBytes] }
  firstBytes.clear()
  counts.requests = counts.events = 0
  process.stdout.write(`${JSON.stringify(report)}\n`)
})
