// The launcher: exit codes and signals go through, no child is left behind, trial and production are told apart.
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'

const launcher = fileURLToPath(new URL('run.mjs', import.meta.url))

interface Ended { code: number | null, signal: NodeJS.Signals | null, out: string, err: string }

function launch (t: Test, args: string[], env: NodeJS.ProcessEnv = {}, cwd?: string) {
  const { DATABASE_URL: _url, POSTERN_CONFIG: _config, ...rest } = process.env
  const child = spawn(process.execPath, [launcher, ...args], { env: { ...rest, ...env }, cwd })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = (async (): Promise<Ended> => {
    const exit = new Promise<Pick<Ended, 'code' | 'signal'>>(resolve =>
      child.once('exit', (code, signal) => { resolve({ code, signal }) }))
    const [out, err, { code, signal }] = await Promise.all([text(child.stdout), text(child.stderr), exit])
    return { code, signal, out, err }
  })()
  return { child, ended }
}

/** The process that the launcher started, once it is there. */
async function childOf ({ pid }: ChildProcess): Promise<number> {
  for (;;) {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
    if (first !== undefined && first !== '') return Number(first)
    await new Promise(resolve => setImmediate(resolve))
  }
}

test('exit codes and clean standard output come through', async t => {
  const cases: [string[], Partial<Record<keyof Ended, unknown>>][] = [
    [['postern', 'nope'], { code: 2, out: '', err: /there is no command "nope"[^]*usage: postern/ }],
    [['postern', 'help'], { code: 0, out: /^usage: postern/, err: '' }],
    [['postern', 'hash', '--nope'], { code: 2, out: '' }],
    [['nonsense'], { code: 1, out: '', err: /usage: node scripts\/run\.mjs/ }],
    [['tool', 'nonsense'], { code: 1, out: '', err: /nonsense is not installed/ }]
  ]
  for (const [args, expected] of cases) t.match(await launch(t, args).ended, expected, args.join(' '))
})

test('npm start is the demo without settings and without DATABASE_URL, else the product', async t => {
  const empty = t.testdir({ empty: {}, full: { 'postern.yaml': 'sites: {}\n' } })
  const cases: [NodeJS.ProcessEnv, string[], string, RegExp][] = [
    [{}, ['--nope'], 'empty', /postern demo: /],
    [{}, [], 'full', /postern start: /],
    [{ POSTERN_CONFIG: 'gone.yaml' }, [], 'empty', /postern start: /],
    [{}, ['--config=gone.yaml'], 'empty', /postern start: /],
    [{ DATABASE_URL: 'postgres://127.0.0.1:1/none' }, [], 'empty', /postern start: /]
  ]
  for (const [env, args, folder, expected] of cases) {
    const { code, out, err } = await launch(t, ['start', ...args], env, `${empty}/${folder}`).ended
    t.match(err, expected)
    t.same([code, out], [2, ''])
  }
})

test('a signal reaches the command, and the launcher ends as the command did', async t => {
  const { child, ended } = launch(t, ['postern', 'hash'])
  await childOf(child)
  child.kill('SIGTERM')
  t.match(await ended, { code: null, signal: 'SIGTERM' })
})

test('a launcher that is killed outright leaves no command behind', { skip: process.platform !== 'linux' }, async t => {
  const { child, ended } = launch(t, ['postern', 'hash'])
  const pid = await childOf(child)
  // The command must have come so far that it listens to the channel: it answers a line.
  child.stdin.write('{"network":"meta","field":"email","value":"a@b.de"}\n')
  await new Promise(resolve => child.stdout.once('data', resolve))
  child.kill('SIGKILL')
  // Both ends of standard output are closed only when the command is gone as well.
  t.match(await ended, { signal: 'SIGKILL' })
  t.throws(() => {
    if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) throw new Error('gone, but for process 1')
  })
})

test('the reporter counts tests, and files that fail without one; its last line is the totals', async t => {
  const file = new URL('reporter.mjs', import.meta.url).href
  const { default: Reporter } = await import(file) as { default: new () => NodeJS.ReadWriteStream }
  const cases: [string, string][] = [
    ['', '0 passed, 0 failed'],
    ['# Subtest: a.test.ts\n    ok 1 - x\n    # Subtest: y\n        ok 1 - deep # SKIP\n    ok 2 - y # time=1ms\n' +
      'ok 1 - a.test.ts # time=3ms\n', '2 passed, 0 failed'],
    ['    not ok 1 - x # time=1ms\n      ---\n      text: |\n        ok 9 - no result\n      ...\n' +
      'not ok 1 - a # time=2ms\n', '0 passed, 1 failed'],
    ['    ok 1 - x\nnot ok 1 - a.test.ts # time=2ms\n  ---\n  exitCode: 7\n  ...\n', '1 passed, 1 failed'],
    ['    ok 1 - x # SKIP no browser\n    ok 2 - y\nok 1 - a.test.ts\n', '1 passed, 0 failed, 1 skipped'],
    ['not ok 1 - a.test.ts # time=1ms\n', '0 passed, 1 failed']
  ]
  for (const [tap, totals] of cases) {
    const output = await text(Readable.from([tap.slice(0, 11), tap.slice(11)]).pipe(new Reporter()))
    t.equal(output.trimEnd().split('\n').at(-1), totals)
  }
})
