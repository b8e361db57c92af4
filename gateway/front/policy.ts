// The Content-Security-Policy of a page: whether it lets our script run, and by which nonce.

/** May the tag stand in the page; with a nonce where the policy wants one. */
export type Permit = { nonce: string | undefined } | 'forbidden'

/** base64 in both alphabets (CSP Level 3, `nonce-source`): nothing in it can end an attribute. */
const nonceForm = /^'nonce-([A-Za-z0-9+/_-]{1,512}={0,2})'$/i

/** The sources that a policy has for scripts by address; undefined where it restricts none. */
function scriptSources (policy: string): string[] | undefined {
  const directives = new Map<string, string[]>()
  for (const directive of policy.split(';')) {
    const [name = '', ...sources] = directive.trim().split(/\s+/)
    // The first of a name counts (CSP Level 3 §2.2).
    if (name !== '' && !directives.has(name.toLowerCase())) directives.set(name.toLowerCase(), sources)
  }
  return directives.get('script-src-elem') ?? directives.get('script-src') ?? directives.get('default-src')
}

/** Where our script is loaded from: the page's own host. What is not given is not known, and fits every source. */
export interface ScriptAddress { host: string, scheme?: 'http' | 'https', port?: number, path?: string }

/** `host-source` (CSP Level 3 §2.3.1): scheme, host, port and path. */
const hostSource = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\*|(?:\*\.)?[\w-]+(?:\.[\w-]+)*)(?::(\d+|\*))?(\/.*)?$/i

/** §6.7.2.9: what is allowed over http is allowed over https, too. */
function fitsScheme (source: string, { scheme }: ScriptAddress): boolean {
  if (source !== 'http' && source !== 'https') return false
  return source === 'http' || scheme !== 'http'
}

function fitsHost (source: string, { host }: ScriptAddress): boolean {
  if (source === '*') return true
  // A wildcard stands for one label or more, never for none.
  return source.startsWith('*.') ? host.endsWith(source.slice(1)) && host.length >= source.length : host === source
}

function fitsPort (source: string | undefined, { port, scheme = 'https' }: ScriptAddress): boolean {
  if (source === '*' || port === undefined) return true
  if (source === undefined) return port === (scheme === 'http' ? 80 : 443)
  return port === Number(source) || (source === '80' && port === 443)
}

/** One that ends with a slash holds what is below it; any other is one file. */
function fitsPath (source: string | undefined, { path }: ScriptAddress): boolean {
  if (source === undefined || path === undefined) return true
  try {
    const decoded = source.split('/').map(decodeURIComponent).join('/')
    return decoded.endsWith('/') ? path.startsWith(decoded) : path === decoded
  } catch {
    return false
  }
}

function fits (source: string, script: ScriptAddress): boolean {
  const lower = source.toLowerCase()
  if (lower === "'self'" || lower === '*') return true
  if (/^[a-z][a-z0-9+.-]*:$/.test(lower)) return fitsScheme(lower.slice(0, -1), script)
  const [, scheme, host, port, path] = hostSource.exec(source) ?? []
  return host !== undefined && (scheme === undefined || fitsScheme(scheme.toLowerCase(), script)) &&
    fitsHost(host.toLowerCase(), script) && fitsPort(port, script) && fitsPath(path, script)
}

/** Whether a list lets our script in without a nonce. */
function hasScript (sources: readonly string[], script: ScriptAddress): boolean {
  return !sources.some(source => source.toLowerCase() === "'strict-dynamic'") &&
    sources.some(source => fits(source, script))
}

/**
 * Reads the header's policies, all of which must agree. A nonce is taken where there is one: it also passes
 * 'strict-dynamic'. `script`: its address, or the page's host without a port where no more is known. A policy in a
 * `<meta>` comes after our tag: too late for it.
 */
export function readPolicies (header: string | string[] | undefined, script: ScriptAddress | string): Permit {
  const address = typeof script === 'string' ? { host: script } : script
  const policies = [header ?? []].flat().flatMap(line => line.split(',')).map(scriptSources)
    .filter(sources => sources !== undefined)
  const noncesOf = (sources: readonly string[]) => sources.flatMap(source => nonceForm.exec(source)?.[1] ?? [])
  const nonce = policies.flatMap(noncesOf)[0]
  const isAllowed = policies.every(sources =>
    hasScript(sources, address) || (nonce !== undefined && noncesOf(sources).includes(nonce)))
  return isAllowed ? { nonce } : 'forbidden'
}
