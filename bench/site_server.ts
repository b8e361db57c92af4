// The owner's own server, behind the gateway and behind the bare proxy: pages and files of 30 kB, as Node answers.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const head = '<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Angebot</title></head><body>'
const page = Buffer.from(`${head}${'<p>Wolle, warm und weich, für den Winter.</p>'.repeat(1000)}`.slice(0, 30_000))

const file = Buffer.alloc(30_000, 'const wolle = "warm und weich";\n')

const server = createServer((request, response) => {
  if (request.url?.startsWith('/static/') === true) {
    response.writeHead(200, {
      'content-type': 'text/javascript', 'content-length': file.length, etag: '"f1"', 'cache-control': 'max-age=86400'
    }).end(file)
    return
  }
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8', 'content-length': page.length, etag: '"p1"', 'cache-control': 'no-cache'
  }).end(page)
})
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`)
})
