// The owner's own web site behind a test's nginx: it counts what it is asked for and answers with its path.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { configuration } from './nginx.ts'

export interface OwnersSite {
  port: number
  /** `GET /offer?gclid=x`, in order. */
  asked: string[]
}

export const bodyOf = (url: string) => `<!doctype html><title>Page</title><p>This is ${url.split('?', 1)[0] ?? ''}.</p>`

/**
 * Starts it; `/moved` leads elsewhere and `/missing` is not there. `pages` replaces the bodies of some paths, `cookies`
 * what they set.
 */
export async function startOwnersSite (
  t: Test, pages: ReadonlyMap<string, string> = new Map(), cookies: ReadonlyMap<string, string> = new Map()
): Promise<OwnersSite> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const { url = '/', method = '' } = request
    asked.push(`${method} ${url}`)
    request.resume()
    const path = url.split('?', 1)[0] ?? ''
    const status = path === '/moved' ? 302 : path === '/missing' ? 404 : 200
    response.writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      // Postern in front of the site leaves alone what a cache may keep.
      'cache-control': path.startsWith('/page') ? 'private, no-cache' : 'public, max-age=60',
      'set-cookie': cookies.get(path) ?? 'shop=1; Path=/',
      ...status === 302 ? { location: '/offer' } : {}
    }).end(pages.get(path) ?? bodyOf(url))
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => { server.close(resolve) })
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

/** What an owner's own nginx has for each of these hosts, with the shipped files where they say that they belong. */
export function ownersNginx (hosts: readonly string[]): string {
  const servers = hosts.map(host => `server {
  listen 443 ssl http2;
  server_name ${host};
  ssl_certificate /etc/letsencrypt/live/${host}/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/${host}/privkey.pem;
  add_header Strict-Transport-Security max-age=60 always;
  ${configuration('path_server.conf')}
  ${configuration('path_page.conf')}
  location / { proxy_pass http://owner; }
}`)
  return ['upstream owner { server 127.0.0.1:3000; }', configuration('path_http.conf'), ...servers].join('\n')
}
