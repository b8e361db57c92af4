// What a serving process says of its settings when it starts.
import { test } from 'tap'
import { parseSettings } from '../config/settings.ts'
import { destinations } from '../dispatch/registry.ts'
import { warnOfSettings } from './warnings.ts'

const text = `
sites:
  quiet:
    hosts: [t.example.com]
    origins: ["https://www.example.com"]
    vendors: { google: { tag_id: G-TEST123 } }
  loud:
    hosts: [t.example.net]
    origins: ["https://www.example.net"]
    vendors: { google: { tag_id: G-TEST123, endpoint: "http://10.0.0.1:8080" } }
    destinations:
      meta: { pixel_id: "1234567890", access_token: "a-token", endpoint: "http://127.0.0.1:1/meta" }
      ga4: { measurement_id: "\${NOT_SET}", api_secret: "\${NOT_SET}" }
`

test('what is meant for tests, or is off, is said loudly; what is as it should be is not', async t => {
  const result = parseSettings('test', text, {}, destinations)
  if (!('settings' in result)) throw new Error(JSON.stringify(result))
  const said: unknown[] = []
  const warn = (fields: object, message: string) => { said.push({ ...fields, message }) }
  warnOfSettings(result.settings, { debug: warn, info: warn, warn, error: warn })
  t.match(said, [
    { destination: 'loud/ga4', message: /is off/ },
    { destination: 'loud/meta', message: /THE ENDPOINT IS THIS MACHINE/ },
    { site: 'loud', message: /TAG GATEWAY IS NOT GOOGLE.*private/ }
  ])
  t.equal(said.length, 3)
})
