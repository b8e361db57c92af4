// `npm run golden`: writes missing goldens; a changed one is written beside it as NAME.changed.json, accepted with mv.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { destinations } from '../dispatch/registry.ts'
import { goldensOf } from '../test/goldens.ts'

const counts = { same: 0, new: 0, changed: 0 }
for (const destination of destinations) {
  for (const { path, made, stored } of goldensOf(destination)) {
    const changedPath = path.replace(/\.json$/, '.changed.json')
    const text = `${JSON.stringify(made, null, 2)}\n`
    rmSync(changedPath, { force: true })
    if (isDeepStrictEqual(made, stored)) {
      counts.same++
    } else if (stored === undefined) {
      counts.new++
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
      process.stdout.write(`new      ${relative('.', path)}: read it before you commit it\n`)
    } else {
      counts.changed++
      writeFileSync(changedPath, text)
      process.stdout.write(`changed  ${relative('.', changedPath)}\n`)
    }
  }
}
process.stdout.write(`${counts.same} unchanged, ${counts.new} new, ${counts.changed} changed\n`)
if (counts.changed > 0) process.exitCode = 1
