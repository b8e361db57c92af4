// tap reporter: one line per test file, the whole story of each failure, and the totals as the very last line.
import { Transform } from 'node:stream'

const result = /^( *)(not ok|ok) \d+ - (.*?)(?: # (?:time=([\d.]+)ms|(SKIP|TODO)\b.*))?(?: \{)?$/
// Plans, totals and braces; what a test printed itself stays in its story.
const silent = /^ *(#(?! Subtest: ).*|\d+\.\.\d+|TAP version.*|\})?$/

/**
 * Reads tap's indented stream. A test is what a file declares at its top level (four spaces deep); a file that fails
 * without a failing test (a crash, a time-out) counts as one failed test.
 */
export default class Reporter extends Transform {
  rest = ''
  yaml = null
  file = { passed: 0, failed: 0, skipped: 0, story: [] }
  totals = { passed: 0, failed: 0, skipped: 0 }

  _transform (chunk, encoding, done) {
    const lines = (this.rest + chunk).split('\n')
    this.rest = lines.pop()
    for (const line of lines) this.readLine(line)
    done()
  }

  _flush (done) {
    if (this.rest !== '') this.readLine(this.rest)
    const { passed, failed, skipped } = this.totals
    this.push(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
    done()
  }

  readLine (line) {
    if (line.startsWith('Bail out!')) this.push(line + '\n')
    if (this.yaml !== null) {
      if (this.keepYaml) this.file.story.push(line)
      if (line === this.yaml + '...') this.yaml = null
      return
    }
    if (/^ *---$/.test(line)) {
      this.yaml = line.slice(0, -3)
      if (this.keepYaml) this.file.story.push(line)
      return
    }
    const match = result.exec(line)
    if (match !== null) this.readResult(line, match)
    else if (!silent.test(line)) this.file.story.push(line)
  }

  readResult (line, [, spaces, verdict, name, , directive]) {
    const failed = verdict === 'not ok' && directive === undefined
    const kind = directive !== undefined ? 'skipped' : failed ? 'failed' : 'passed'
    this.keepYaml = failed
    if (spaces.length > 0) {
      if (spaces.length === 4) this.file[kind]++
      if (failed) this.file.story.push(line)
      return
    }
    if (failed && this.file.failed === 0) this.file.failed = 1
    if (!failed && this.file.passed + this.file.skipped === 0) this.file[kind]++
    this.finishFile(line, name, failed)
  }

  finishFile (line, name, failed) {
    const { passed, skipped, story } = this.file
    if (failed) this.push(`${story.join('\n')}\n${line}\n`)
    else this.push(`ok   ${name} (${passed}${skipped > 0 ? `, ${skipped} skipped` : ''})\n`)
    for (const kind of ['passed', 'failed', 'skipped']) this.totals[kind] += this.file[kind]
    // The file's own diagnostics follow its result line and say how its process ended.
    this.file = { passed: 0, failed: 0, skipped: 0, story: [] }
    this.keepYaml = false
  }
}
