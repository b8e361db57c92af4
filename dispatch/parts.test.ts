// What lies beside each event of a visitor is opened once; whose it is, is asked every time.
import { test } from 'tap'
import { KeyError } from '../config/keys.ts'
import { testKeys } from '../test/dispatch_world.ts'
import { openShared } from './parts.ts'

test('equal bytes are opened once, each site\'s by itself', t => {
  const opened: string[] = []
  const keys = {
    open (site: string, sealed: Buffer) {
      opened.push(site)
      return testKeys.open(site, sealed)
    }
  }
  const sealed = testKeys.seal('main', Buffer.from('{"ip":"203.0.113.7"}')).toString('base64')
  const open = (site: string) => openShared({ keys }, site, sealed)
  t.equal(open('main'), '{"ip":"203.0.113.7"}')
  t.equal(open('main'), '{"ip":"203.0.113.7"}')
  t.same(opened, ['main'])
  t.throws(() => open('other'), KeyError, 'another site is not told what this one may know')
  t.throws(() => open('other'), KeyError)
  t.same(opened, ['main', 'other', 'other'], 'what cannot be opened is not remembered')
  t.throws(() => openShared({ keys: { open: () => { throw new KeyError('another ring') } } }, 'main', sealed), KeyError,
    'nor is it known to other keys')
  t.end()
})
