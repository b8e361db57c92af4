// `postern check`: reads the settings as the other commands would, and prints them with their secrets masked,
// and the script's tags for the pages.
import { asYaml } from '../config/settings_file.ts'
import { maskSettings } from '../config/settings.ts'
import { destinations } from '../dispatch/registry.ts'
import { readScriptParts } from '../gateway/script.ts'
import { prepare } from './prepare.ts'
import { scriptTags } from './script_tags.ts'

/** Exit codes: 0 the settings are good (they stand on standard output), 2 they are not (standard error says why). */
export async function run (argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const prepared = prepare('check', argv, env)
  if ('exitCode' in prepared) return prepared.exitCode
  const shown = {
    settings: maskSettings(prepared.settings, destinations),
    script: scriptTags(prepared.settings, await readScriptParts()),
    process: {
      ...prepared.process,
      databaseUrl: maskUrl(prepared.process.databaseUrl) ?? 'embedded',
      directUrl: maskUrl(prepared.process.directUrl),
      key_ids: prepared.keys.keyIds
    }
  }
  process.stdout.write(prepared.isJson ? `${JSON.stringify(shown, null, 2)}\n` : asYaml(shown))
  for (const name of prepared.settings.off) {
    process.stderr.write(`postern check: ${name} is off: none of its secrets is set\n`)
  }
  return 0
}

/** Not by the URL parser: a socket's address without a host is none to it, and its error quotes the password. */
function maskUrl (url: string | undefined): string | undefined {
  return url?.replace(/^(\w+:\/\/[^:@/?#]*):.*@/, '$1:***@').replace(/([?&][^=&]*pass[^=&]*=)[^&]*/gi, '$1***')
}
