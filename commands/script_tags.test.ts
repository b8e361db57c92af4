// The tags that `postern check` prints are those of the running gateway: same address, same digest, same bytes.
import { createHash } from 'node:crypto'
import t, { test } from 'tap'
import { parseSettings } from '../config/settings.ts'
import { readScriptParts } from '../gateway/script.ts'
import { send } from '../test/gateway_world.ts'
import { vendorWorld } from '../test/vendor_world.ts'
import { scriptTags } from './script_tags.ts'
import { gatewaySites } from './wiring.ts'

t.setTimeout(120_000)

const text = `
sites:
  main:
    hosts: [t.example.com, www.example.com, "localhost:8377"]
    origins: ["https://www.example.com", "http://localhost:8379"]
    prefix: /_x
  second:
    hosts: [t.example.net]
    origins: ["https://www.example.net"]
    consent: by_country
`

test('the printed tags load what the gateway serves, and a browser would find its digest right', async t => {
  const result = parseSettings('test', text, {}, [])
  if (!('settings' in result)) throw new Error(JSON.stringify(result))
  const { settings } = result
  const tags = scriptTags(settings, await readScriptParts())
  t.same(tags.map(({ site, host, tag }) => [site, host, tag]), [
    ['main', 't.example.com', '<script async src="https://t.example.com/s.js"></script>'],
    ['main', 'www.example.com', '<script async src="https://www.example.com/_x/s.js"></script>'],
    ['main', 'localhost:8377', '<script async src="http://localhost:8377/s.js"></script>'],
    ['second', 't.example.net', '<script async src="https://t.example.net/s.js"></script>']
  ])
  const { base } = await vendorWorld(t, { sites: gatewaySites(settings) })
  for (const { host, pinned_tag: tag } of tags) {
    const [, src = '', integrity = ''] = /src="([^"]+)" integrity="([^"]+)" crossorigin="anonymous"/.exec(tag) ?? []
    const { pathname } = new URL(src)
    const get = async (path: string) => await send(base, '', { path, host, method: 'GET', origin: null })
    const script = await get(pathname)
    t.match(script, { status: 200, headers: { 'cache-control': /immutable/, 'access-control-allow-origin': '*' } }, src)
    t.equal(integrity, `sha384-${createHash('sha384').update(script.text).digest('base64')}`)
    const pinned = await get(`${pathname.slice(0, pathname.lastIndexOf('/'))}/s.json`)
    t.same(pinned.json, { src: pathname.split('/').at(-1), integrity })
  }
})
