// What the gateway in front of a site is compared with: @fastify/http-proxy as it comes, in front of the same site.
import type { AddressInfo } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'

const app = fastify()
await app.register(httpProxy, { upstream: process.argv[2] ?? '' })
await app.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write(`${JSON.stringify({ port: (app.server.address() as AddressInfo).port })}\n`)
