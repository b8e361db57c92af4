// Where the tag goes, tried on pages as sites have them, whole and cut into pieces at every byte.
import { test } from 'tap'
import { insertTag } from './tag.ts'

/** `|` marks the tag's place; without one the page is left as it is. */
const pages: [name: string, page: string][] = [
  ['a usual page', '<!doctype html><html lang="en"><head>|<meta charset="utf-8"><title>x</title></head><body>y'],
  ['capitals and white space', '\r\n<!DOCTYPE html>\n<HTML>\n<HEAD>|\n<TITLE>x</TITLE>'],
  ['attributes of the head', '<!doctype html><html><head profile="a>b" data-x=\'>\' y=1>|<title>'],
  ['a quote in the name of an attribute', '<!doctype html><html a"b><head>|<title>"'],
  ['an unquoted value with a quote in it', '<!doctype html><html lang=en"><head>|<title>"'],
  ['a comment that speaks of a head', '<!-- <head> --><!doctype html><html><!--[if IE]><head><![endif]--><head>|'],
  ['comments that end early', '<!--><!---><!---->x<head>'],
  ['comments that end early, before a page', '<!--><!---><!----><!-- --!><!doctype html><head>|<title>'],
  ['a comment that only seems to end', '<!-- --!-> <head> --> <!doctype html><head>|'],
  ['an XML declaration', '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html><head>|'],
  ['no document type', '<html><head>|<title>'],
  ['only a head', '<head>|<title>x</title>'],
  ['no head tag, but its title', '<!doctype html>|<title>x</title><p>y'],
  ['no head tag, but a script', '<!doctype html><html>|<script>"<head>"</script>'],
  ['a byte order mark', '\uFEFF<!doctype html><head>|'],
  ['a self-closing head', '<!doctype html><html/><head/>|<title>'],
  ['a header, which is no head', '<!doctype html><html><header><head>'],
  ['a custom element', '<!doctype html><head-line><head>'],
  ['a body without a head', '<!doctype html><body><p>see <head>'],
  ['a fragment', '<div>x</div><head>'],
  ['a fragment that begins with a script', '<script>1</script><head>'],
  ['a text', 'Warning: something <html><head>'],
  ['JSON that says it is a page', '{"html":"<head>"}'],
  ['nothing', ''],
  ['only a sign', '<'],
  ['a comment without an end', '<!doctype html><!-- <head>'],
  ['an attribute without an end', '<!doctype html><html lang="><head>']
]

function run (bytes: Buffer, pieceBytes: number): Buffer {
  const { next, rest } = insertTag(Buffer.from('|'))
  const made: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) made.push(...next(bytes.subarray(at, at + pieceBytes)))
  return Buffer.concat([...made, ...rest()])
}

test('the tag comes right behind the beginning of the head, and nowhere else', t => {
  for (const [name, page] of pages) {
    for (const pieceBytes of [1, 2, 3, 5, 7, 1000]) {
      const given = Buffer.from(page.replace('|', ''))
      const made = run(given, pieceBytes)
      t.equal(made.toString(), page, `${name}, in pieces of ${pieceBytes}`)
    }
  }
  t.end()
})

test('bytes that are no UTF-8 pass as they are', t => {
  const head = Buffer.from('<!doctype html><html><head>')
  const odd = Buffer.from(Array.from({ length: 512 }, (_, at) => at % 256))
  t.same(run(Buffer.concat([head, odd]), 13), Buffer.concat([head, Buffer.from('|'), odd]), 'behind the head')
  const latin = Buffer.from('<!-- caf\xE9 --><!doctype html><html title="\xFC"><head>', 'latin1')
  t.same(run(latin, 4), Buffer.concat([latin, Buffer.from('|')]), 'before it')
  const wide = Buffer.from('\uFEFF<!doctype html><head>', 'utf16le')
  t.same(run(wide, 4), wide, 'UTF-16 is left alone')
  t.same(run(Buffer.from('<!doctype html><head>', 'utf16le'), 4), Buffer.from('<!doctype html><head>', 'utf16le'),
    'without a mark, too')
  t.end()
})
