// Bundles the browser script and its modules into gateway/browser/ and says how large they are; `--check` compares.
import { build, transform } from 'esbuild'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import ts from 'typescript'

/** The bar for the one file that the snippet loads, with a usual site's settings in it: 3.0 kB of brotli. */
export const maxBrotliBytes = 3000

/** What the gateway embeds for a usual site (gateway/browser/public_site.ts), so that the bar is of what travels. */
const usualSite =
  JSON.stringify(['', 1, ';Path=/;SameSite=Lax;Domain=example.com;Secure', '_pstn_c', 15552000, 'fb.1.'])

const at = path => fileURLToPath(new URL('../gateway/browser/' + path, import.meta.url))
const placeholders = { site: '"__POSTERN_SITE__"', modules: '"__POSTERN_MODULES__"' }

const output = { minify: true, target: 'es2021', charset: 'utf8', legalComments: 'none', tsconfigRaw: {} }
const readable = { minify: false, minifySyntax: true }

/** One bundled, minified file. */
async function bundle (options) {
  const { outputFiles: [file] } = await build({ bundle: true, format: 'iife', write: false, ...output, ...options })
  return file.text
}

/** Whether a function needs to be one: it reads `this` or `arguments`. Functions inside it have their own. */
function isOwnScope (node) {
  return ts.isFunctionDeclaration(node) || ts.isFunctionExpression(node)
    ? false
    : node.kind === ts.SyntaxKind.ThisKeyword || node.text === 'arguments' || !!ts.forEachChild(node, isOwnScope)
}

/**
 * The same program in one block whose functions are all arrows in one `let`: nothing of it is global, and it is two
 * per cent smaller. In the order of `names` it is smaller by another one: what looks alike stands together.
 */
function flatten (text, names) {
  const { factory } = ts
  const toLet = declarations => factory.createVariableDeclarationList(declarations, ts.NodeFlags.Let)
  const toArrow = ({ name, parameters, body }) => {
    if (ts.forEachChild(body, isOwnScope)) throw new Error(`${name.text}() cannot be an arrow function`)
    const arrow = factory.createArrowFunction(undefined, undefined, parameters, undefined, undefined, body)
    return factory.createVariableDeclaration(name, undefined, undefined, arrow)
  }
  const rewrite = context => function visit (given) {
    const node = ts.visitEachChild(given, visit, context)
    if (ts.isVariableDeclarationList(node)) return toLet(node.declarations)
    return ts.isFunctionDeclaration(node) ? factory.createVariableStatement(undefined, toLet([toArrow(node)])) : node
  }
  const file = ts.createSourceFile('s.js', text, ts.ScriptTarget.ESNext, true)
  const { transformed: [{ statements }] } = ts.transform(file, [rewrite])
  const [declared, acts] = [true, false].map(is => statements.filter(one => ts.isVariableStatement(one) === is))
  // What calls something at once stands behind all that could be called.
  const rank = ({ name, initializer }) => (initializer?.kind === ts.SyntaxKind.CallExpression ? 1e6 : 0) +
    (names.includes(name.text) ? names.indexOf(name.text) : 1e3)
  const declarations = declared.flatMap(({ declarationList }) => declarationList.declarations)
    .sort((one, other) => rank(one) - rank(other))
  const block = factory.createBlock([factory.createVariableStatement(undefined, toLet(declarations)), ...acts], true)
  return {
    text: ts.createPrinter().printNode(ts.EmitHint.Unspecified, block, file),
    names: declarations.map(({ name }) => name.text)
  }
}

const modulesInOne = async () => await bundle({ entryPoints: [at('index.ts')], format: 'esm', ...readable })

async function minify (text) {
  const { code } = await transform(text, output)
  return code.trim().replace(/;(?=\}$)/, '')
}

/** The script as it is to be committed. Throws when the gateway could not serve it. */
export async function bundleScript () {
  const names = JSON.parse(await readFile(at('order.json'), 'utf8'))
  const text = await minify(flatten(await modulesInOne(), names).text)
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

/** Looks for an order that makes the script smaller, by moving one declaration at a time, and keeps it. */
async function improveOrder (tries) {
  const text = await modulesInOne()
  const sizeOf = async names => measure(withUsualSite(await minify(flatten(text, names).text))).brotli
  let { names: best } = flatten(text, JSON.parse(await readFile(at('order.json'), 'utf8')))
  let least = await sizeOf(best)
  for (let tried = 0; tried < tries; tried++) {
    const place = () => Math.floor(Math.random() * best.length)
    const from = place()
    const names = best.toSpliced(from, 1).toSpliced(place(), 0, best[from])
    const size = await sizeOf(names)
    if (size < least) await writeFile(at('order.json'), JSON.stringify(names, null, 2) + '\n')
    if (size <= least) [best, least] = [names, size]
  }
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
  if (process.argv.includes('--improve-order')) await improveOrder(1500)
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
