#!/usr/bin/env node
// The command line: reads the command's name and imports only that command's file.

/** Every command: its file under commands/ and the one line that `postern` prints about it. */
const commands: Record<string, string> = {
  demo: 'a complete trial on this machine: demo site, gateway, worker, fake ad networks',
  start: 'gateway and worker in one process',
  gateway: 'the HTTP side alone',
  worker: 'the sending side alone',
  migrate: 'bring the database to this version',
  check: 'check the settings and print them, secrets masked',
  doctor: 'look at the deployment from outside: DNS, TLS, proxies, what Safari does with the cookies',
  explain: 'the whole journey of one event: postern explain <event_id>',
  'dry-run': 'what would be sent: events as NDJSON on standard input',
  hash: 'what would be hashed: values as NDJSON on standard input'
}

/** What each file in commands/ exports. `argv` is what follows the command's name; the result is the exit code. */
export type Run = (argv: string[], env: NodeJS.ProcessEnv) => Promise<number>

function usage (): string {
  const lines = Object.entries(commands).map(([name, what]) => `  ${name.padEnd(10)} ${what}`)
  return `usage: postern <command> [options]\n\n${lines.join('\n')}\n`
}

async function main (argv: string[]): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(usage())
    return name === undefined ? 2 : 0
  }
  if (!Object.hasOwn(commands, name)) {
    process.stderr.write(`postern: there is no command "${name}"\n\n${usage()}`)
    return 2
  }
  const file = `./commands/${name.replace('-', '_')}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`
  const command = await import(file) as { run: Run }
  return await command.run(rest, process.env)
}

// The launcher holds this channel open; when it is killed outright, we stop as if it had told us to.
process.channel?.unref()
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))

process.exitCode = await main(process.argv.slice(2))
