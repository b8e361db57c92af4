// A landing on a page that caches may keep: it says so, Postern says no-store, and a cache in front obeys the stricter.
import { test } from 'tap'
import { gatewayWorld, site } from '../gateway_world.ts'
import { noNginx, startNginx, visit } from './nginx.ts'
import { ownersNginx, startOwnersSite } from './owner.ts'

const landing = '/offer?gclid=Cj0K.CQ-x'
const agent = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0' }

/** A cache such as a CDN, of those that keep pages with cookies: only Cache-Control can tell it not to. */
const cdn = `proxy_cache_path /var/cache/postern_test_cdn keys_zone=cdn:1m use_temp_path=off;
upstream origin { server 127.0.0.1:3000; }
server {
  listen 443 ssl;
  server_name www.example.com;
  ssl_certificate /etc/letsencrypt/live/www.example.com/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/www.example.com/privkey.pem;
  location / {
    proxy_cache cdn;
    proxy_cache_key $request_uri;
    proxy_ignore_headers Set-Cookie;
    proxy_set_header Host $host;
    proxy_ssl_server_name on;
    proxy_ssl_name $host;
    proxy_pass https://origin;
  }
}`

test('a page with our cookies is kept by no cache, though the page itself allows it', { skip: noNginx }, async t => {
  const owner = await startOwnersSite(t)
  const gateway = await gatewayWorld(t, {
    trustProxy: ['127.0.0.1'],
    sites: [{ ...site, hosts: ['www.example.com'], rule: { ...site.rule, consent: 'opt_out' } }]
  })
  const patient = ownersNginx(['www.example.com']).replace(/(timeout +)\d+ms/g, '$160s')
  const origin = await startNginx(t, patient, { posternPort: Number(new URL(gateway.base).port), sitePort: owner.port })
  const front = await startNginx(t, cdn, { posternPort: 9, sitePort: origin.tlsPort })
  const open = async (path: string) => await visit(front.tlsPort, path, { headers: agent })

  const visitors = new Set<string | undefined>()
  for (let visitor = 1; visitor <= 3; visitor++) {
    const page = await open(landing)
    t.equal(page.headers['cache-control'], 'public, max-age=60, private, no-store', 'both lines arrive')
    visitors.add(page.setCookies.find(line => line.startsWith('_pstn=')))
  }
  t.notOk(visitors.has(undefined), 'each has a cookie')
  t.equal(visitors.size, 3, 'of his own')
  t.equal(owner.asked.filter(line => line === `GET ${landing}`).length, 3)

  for (let visitor = 1; visitor <= 3; visitor++) {
    t.equal((await open('/offer')).headers['cache-control'], 'public, max-age=60', 'other pages stay as they are')
  }
  t.equal(owner.asked.filter(line => line === 'GET /offer').length, 1, 'and in the cache')
})
