// Bundles the browser script and its modules into gateway/browser/ and says how large they are; `--check` compares.
import { build } from 'esbuild'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import ts from 'typescript'

/** The bar for the one file that the snippet loads, with a usual site's settings in it: 3.0 kB of brotli. */
export const maxBrotliBytes = 3000

/** What the gateway embeds for a usual site (gateway/browser/public_site.ts), so that the bar is of what travels. */
const usualSite =
  JSON.stringify(['0', 1, ';Path=/;SameSite=Lax;Domain=example.com;Secure', '_pstn_c', 15552000, 'fb.1.'])

const at = path => fileURLToPath(new URL('../gateway/browser/' + path, import.meta.url))
const placeholders = { site: '"__POSTERN_SITE__"', modules: '"__POSTERN_MODULES__"' }

/** One bundled, minified file. */
async function bundle (options) {
  const { outputFiles: [file] } = await build({
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2021',
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: {},
    write: false,
    ...options
  })
  return file.text
}

/** The script as it is to be committed. Throws when the gateway could not serve it. */
export async function bundleScript () {
  const text = await bundle({ entryPoints: [at('index.ts')] })
  for (const placeholder of Object.values(placeholders)) {
    const places = text.split(placeholder).length - 1
    if (places !== 1) throw new Error(`The script holds ${placeholder} ${places} times instead of once`)
  }
  return text
}

/** A module as the gateway puts it into the script: a function expression of the page and the tag's options. */
async function bundleModule (name) {
  const contents = `import run from './modules/${name}.ts'; run(__page, __options)`
  const text = await bundle({ stdin: { contents, resolveDir: at('.'), loader: 'ts' } })
  return `(__page,__options)=>{${text.trim()}}\n`
}

/** The types of a file that says all of its own types. */
async function declare (path) {
  const text = await readFile(at(path), 'utf8')
  const { outputText, diagnostics } = ts.transpileDeclaration(text, { fileName: path, reportDiagnostics: true })
  if (diagnostics.length > 0) throw new Error(`${path} does not say all of its types`)
  return outputText
}

/** All that is to be committed: text by path in gateway/browser/. */
async function bundleAll () {
  const files = { 'dist/s.js': await bundleScript() }
  const names = (await readdir(at('modules'))).map(name => basename(name, '.ts')).sort()
  for (const name of names.filter(name => name !== 'pixel_names')) {
    files[`dist/modules/${name}.js`] = await bundleModule(name)
  }
  files['dist/client/index.js'] = await bundle({ entryPoints: [at('esm/client.ts')], format: 'esm' })
  files['dist/client/index.d.ts'] = await declare('esm/client.ts')
  files['dist/client/package.json'] = await readFile(at('esm/package.json'), 'utf8')
  return files
}

/** Its size in bytes: as it is, and as it travels. */
export function measure (text) {
  return {
    minified: Buffer.byteLength(text),
    gzip: gzipSync(text, { level: 9 }).length,
    brotli: brotliCompressSync(text).length
  }
}

/** The core as it is served to a usual site. */
export function withUsualSite (script) {
  return script.replace(placeholders.site, usualSite).replace(placeholders.modules, '')
}

async function check (files) {
  for (const [path, text] of Object.entries(files)) {
    if (text !== await readFile(at(path), 'utf8').catch(() => '')) {
      throw new Error(`gateway/browser/${path} is not what its source makes: run node scripts/build_script.mjs`)
    }
  }
  for (const name of await readdir(at('dist/modules'))) {
    if (!(`dist/modules/${name}` in files)) throw new Error(`gateway/browser/dist/modules/${name} has no source`)
  }
}

async function write (files) {
  await rm(at('dist'), { recursive: true, force: true })
  for (const folder of ['dist/modules', 'dist/client']) await mkdir(at(folder), { recursive: true })
  for (const [path, text] of Object.entries(files)) await writeFile(at(path), text)
}

async function main () {
  const files = await bundleAll()
  for (const [path, text] of Object.entries(files).filter(([path]) => path.endsWith('.js'))) {
    const size = measure(path === 'dist/s.js' ? withUsualSite(text) : text)
    const bar = path === 'dist/s.js' ? ` (at most ${maxBrotliBytes})` : ''
    console.log(`${basename(path) === 's.js' ? 's.js' : path}: ${size.minified} bytes, ${size.gzip} gzip, ` +
      `${size.brotli} brotli${bar}`)
    if (path === 'dist/s.js' && size.brotli > maxBrotliBytes) throw new Error('The script is larger than its bar')
  }
  await (process.argv.includes('--check') ? check(files) : write(files))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch(error => {
    console.error(error.message)
    process.exitCode = 1
  })
}
