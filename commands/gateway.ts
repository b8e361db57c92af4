// `postern gateway`: the HTTP side alone, until asked to stop.
import { prepare } from './prepare.ts'
import { runRole } from './roles.ts'

export async function run (argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const prepared = prepare('gateway', argv, env)
  if ('exitCode' in prepared) return prepared.exitCode
  return await runRole({ role: 'gateway', ...prepared })
}
