// The owner's pages while Postern is killed, frozen, slow or wrong, in each of the three deployments: not one fails.
import t, { test, type Test } from 'tap'
import { configuration, freePort, noNginx, startNginx, visit, type Nginx, type Page } from './nginx.ts'
import { bodyOf, ownersNginx, startOwnersSite, type OwnersSite } from './owner.ts'
import { illnesses, standIn, startPostern, type PosternProcess } from './postern_process.ts'

t.setTimeout(600_000)

const siteAlone = `upstream owner { server 127.0.0.1:3000; }
server {
  listen 443 ssl http2;
  server_name www.example.com;
  ssl_certificate /etc/letsencrypt/live/www.example.com/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/www.example.com/privkey.pem;
  location / { proxy_pass http://owner; }
}`

interface Deployment {
  name: string
  http: string
  isInFront: boolean
  /** Where the pages' script is. */
  script: { host: string, path: string }
  /** Whether a page's own response brings cookies. */
  setsCookies: boolean
}

const deployments: readonly Deployment[] = [
  {
    name: 'on a subdomain',
    http: siteAlone + configuration('subdomain.conf'),
    isInFront: false,
    script: { host: 't.example.com', path: '/s.js' },
    setsCookies: false
  },
  {
    name: 'under a path of the site',
    http: ownersNginx(['www.example.com']),
    isInFront: false,
    script: { host: 'www.example.com', path: '/_p/s.js' },
    setsCookies: true
  },
  {
    name: 'in front of the site',
    http: configuration('front.conf'),
    isInFront: true,
    script: { host: 'www.example.com', path: '/_p/s.js' },
    setsCookies: true
  }
]

const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
const hasCookie = ({ setCookies }: Page) => setCookies.some(line => line.startsWith('_pstn='))

interface World { deployment: Deployment, nginx: Nginx, owner: OwnersSite, postern: PosternProcess }

async function open (deployment: Deployment, t: Test): Promise<World> {
  const owner = await startOwnersSite(t)
  const postern = await startPostern(t, deployment.isInFront ? `http://127.0.0.1:${owner.port}` : undefined)
  const nginx = await startNginx(t, deployment.http, { posternPort: postern.port, sitePort: owner.port })
  return { deployment, nginx, owner, postern }
}

/** Asks until Postern has answered in time: its script is kept by nginx then, and pages bring cookies. */
async function warmUp ({ nginx, deployment }: World): Promise<void> {
  const { script: { host, path }, setsCookies } = deployment
  const isWarm = async () => {
    const script = await visit(nginx.tlsPort, path, { host })
    const page = await visit(nginx.tlsPort, '/page?fbclid=IwAR0abc', { headers: { 'user-agent': agent } })
    return script.status === 200 && hasCookie(page) === setsCookies
  }
  const endMs = Date.now() + 60_000
  while (!await isWarm()) if (Date.now() > endMs) throw new Error('Postern never answers in time')
}

const pagesPerFault = 16
const atOnce = 8

/** Opens pages, every second one as a landing; each must be whole. The slowest, in milliseconds. */
async function openPages (t: Test, { nginx, deployment }: World, fault: string): Promise<number> {
  const pages: Page[] = []
  let next = 0
  const lane = async () => {
    while (next < pagesPerFault) {
      const number = next++
      const path = number % 2 === 0 ? `/page${number}?fbclid=IwAR0abc${number}` : `/page${number}`
      const page = await visit(nginx.tlsPort, path, { headers: { 'user-agent': agent } })
      pages.push(page)
      if (page.status !== 200 || page.body !== bodyOf(path)) t.fail(`${fault}: ${path} ${page.status} ${page.body}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  t.equal(pages.length, pagesPerFault, `${fault}: all pages came`)
  if (fault !== 'nothing') t.notOk(pages.some(hasCookie), `${fault}: nobody but Postern sets its cookies`)

  const post = await visit(nginx.tlsPort, '/order', { method: 'POST', body: 'a=b', headers: { 'user-agent': agent } })
  t.strictSame([post.status, post.body], [200, bodyOf('/order')], `${fault}: a post to the site`)
  const { host, path } = deployment.script
  const script = await visit(nginx.tlsPort, path, { host, headers: { 'user-agent': agent, accept: '*/*' } })
  t.match(script.body, 'postern', `${fault}: the script still comes`)
  // Generous: machines that test are busy. What an idle one measures is in docs/deploy.md.
  const slowest = Math.max(...pages.map(({ ms }) => ms), script.ms)
  t.ok(slowest < 30_000, `${fault}: no page waits for Postern`)
  return slowest
}

for (const deployment of deployments) {
  test(`Postern ${deployment.name} may fail as it likes`, { skip: noNginx }, async t => {
    const world = await open(deployment, t)
    const { postern } = world
    const slowest: Record<string, number> = {}
    await warmUp(world)
    const count = async (fault: string) => { slowest[fault] = Math.round(await openPages(t, world, fault)) }
    await count('nothing')
    postern.signal('SIGSTOP')
    await count('frozen')
    postern.signal('SIGCONT')
    await warmUp(world)
    await count('nothing')
    await postern.kill()
    await count('killed')
    for (const [name, illness] of Object.entries(illnesses)) {
      const close = await standIn(postern.port, illness)
      await count(name)
      await close()
    }
    t.comment(`slowest page in ms: ${JSON.stringify(slowest)}`)
  })
}

test('without a copy of the script a page is not held up by it either', { skip: noNginx }, async t => {
  const nginx = await startNginx(t, configuration('subdomain.conf'), { posternPort: await freePort() })
  const answer = await visit(nginx.tlsPort, '/s.js', { host: 't.example.com' })
  t.strictSame([answer.status, answer.body, answer.headers['cache-control']],
    [503, '/* Postern is away */', 'no-store'])
})
