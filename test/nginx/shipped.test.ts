// What is shipped for nginx: nginx itself takes every file, and each knows every click id.
import { test } from 'tap'
import { clickIdKinds } from '../../schema/identity.ts'
import { complaints, configuration, configurations, forTwo, noNginx, withTagGateway } from './nginx.ts'

const site = (inner: string) => `server { listen 443 ssl; server_name www.example.com;
  ssl_certificate /etc/letsencrypt/live/www.example.com/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/www.example.com/privkey.pem;
  ${inner}
}`

/** Each file where it says that it belongs. */
const uses: Record<string, string> = {
  'the subdomain': configuration('subdomain.conf'),
  'a path of the site': configuration('path_http.conf') +
    site(configuration('path_server.conf') + configuration('path_page.conf')),
  'in front of the site': configuration('front.conf'),
  'all of them in one nginx': ['subdomain.conf', 'path_http.conf'].map(configuration).join('\n') +
    configuration('front.conf').replaceAll('server_name www.example.com', 'server_name other.example.com') +
    site(configuration('path_server.conf') + configuration('path_page.conf'))
}

test('nginx takes every shipped file without a warning', { skip: noNginx }, t => {
  for (const [name, http] of Object.entries(uses)) {
    t.equal(complaints(t, http), '', name)
    t.equal(complaints(t, forTwo(withTagGateway(http))), '', `${name}, for two gateways and with Google's paths`)
  }
  const used = Object.values(uses).join('\n')
  for (const [name, text] of configurations) t.ok(used.includes(text), `${name} was tried`)
  t.end()
})

test('the marked lines are those that their files speak of', t => {
  for (const [name, text] of configurations) {
    if (!text.includes('proxy_pass')) continue
    const two = forTwo(text)
    t.notMatch(two, /^ *#2 /m, `${name}: none is left`)
    const posts = two.match(/proxy_next_upstream +error timeout http_503 non_idempotent;/g) ?? []
    t.equal(posts.length, 1, `${name}: posts alone are sent again whatever failed`)
    t.notMatch(withTagGateway(text), /^ *#gt /m, name)
  }
  t.end()
})

test('a landing is known by every click id that Postern captures, and by no other parameter', t => {
  const [, names = ''] = /&\)\?\(([^)]*)\)=/.exec(configuration('path_http.conf')) ?? []
  t.same(names.split('|').sort(), clickIdKinds.map(({ param }) => param).sort())
  t.end()
})

test('no file believes what a visitor says of his own address', t => {
  for (const [name, text] of configurations) {
    if (!text.includes('proxy_pass')) continue
    t.notMatch(text.replace(/#.*/g, ''), /proxy_add_x_forwarded_for|real_ip|\$http_x_forwarded/, name)
    t.match(text, /X-Forwarded-For\s+\$remote_addr;/, name)
  }
  t.end()
})
