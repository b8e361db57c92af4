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

/** Whether a list lets the page's own origin in without a nonce. */
function hasOrigin (sources: readonly string[], host: string): boolean {
  if (sources.some(source => source.toLowerCase() === "'strict-dynamic'")) return false
  return sources.some(source => /^('self'|\*|https?:)$/i.test(source) ||
    source.toLowerCase().replace(/^https?:\/\//, '').replace(/[/:].*$/, '') === host)
}

/**
 * Reads the header's policies, all of which must agree. A nonce is taken where there is one: it also passes
 * 'strict-dynamic'. `host`: of the page, without a port. A policy in a `<meta>` comes after our tag: too late for it.
 */
export function readPolicies (header: string | string[] | undefined, host: string): Permit {
  const policies = [header ?? []].flat().flatMap(line => line.split(',')).map(scriptSources)
    .filter(sources => sources !== undefined)
  const noncesOf = (sources: readonly string[]) => sources.flatMap(source => nonceForm.exec(source)?.[1] ?? [])
  const nonce = policies.flatMap(noncesOf)[0]
  const isAllowed = policies.every(sources =>
    hasOrigin(sources, host) || (nonce !== undefined && noncesOf(sources).includes(nonce)))
  return isAllowed ? { nonce } : 'forbidden'
}
