// Turns the settings into what each half of the product needs to know.
import type { Settings, SiteSettings } from '../config/settings.ts'
import type { Retention } from '../dispatch/partitions.ts'
import { destinationOf } from '../dispatch/registry.ts'
import { toTarget, type SiteTargets } from '../dispatch/roster.ts'
import type { SiteRules, Target } from '../dispatch/target.ts'
import type { PlatformProxy } from '../gateway/proxies.ts'
import type { Limits } from '../gateway/server.ts'
import type { GatewaySite } from '../gateway/site.ts'

export function gatewaySites (settings: Settings): GatewaySite[] {
  return settings.sites.map(site => ({
    name: site.name,
    hosts: site.hosts,
    origins: site.origins,
    prefix: site.prefix,
    upstream: site.upstream,
    insertsScript: site.insert_script,
    consentCookies: site.consent_cookies,
    rule: site.rule,
    consentDays: site.consentDays,
    cookies: site.cookies,
    keepsCookies: site.keep_cookies,
    defaultCountry: site.defaults.country,
    thankYou: site.thank_you,
    redirectHosts: site.redirect_hosts.map(host => host.toLowerCase()),
    formEvents: site.forms,
    scriptModules: site.script.modules,
    apiKeys: site.api_keys.map(({ key }) => key),
    countryHeader: site.country_header?.toLowerCase(),
    vendors: siteVendors(site)
  }))
}

function siteVendors ({ vendors: { google } }: SiteSettings): GatewaySite['vendors'] {
  return google === undefined
    ? {}
    : {
        google: {
          tagId: google.tag_id,
          path: google.path,
          sendsAddress: google.send_address,
          regionHeader: google.region_header?.toLowerCase(),
          endpoint: google.endpoint
        }
      }
}

export function platformProxy ({ platform }: Settings): PlatformProxy | undefined {
  return platform === undefined
    ? undefined
    : { secrets: platform.secrets, addressHeader: platform.address_header.toLowerCase() }
}

export function gatewayLimits (settings: Settings): Limits {
  return {
    eventsPerMinute: settings.rate_limits.events_per_minute,
    leadsPerMinute: settings.rate_limits.leads_per_minute
  }
}

export function siteTargets (settings: Settings): SiteTargets[] {
  return settings.sites.map(site => ({ rules: siteRules(site), destinations: site.destinations }))
}

export function siteRules (site: SiteSettings): SiteRules {
  const { country, currency, lead_value: leadValue } = site.defaults
  return {
    name: site.name,
    consent: site.rule,
    defaults: { country, currency, lead_value: leadValue },
    queryKeys: site.query_keys,
    sensitivePaths: site.sensitive_paths
  }
}

export function retentionOf ({ retention }: Settings): Retention {
  return {
    events: retention.events_days,
    client: retention.client_days,
    keys: retention.keys_days,
    touches: retention.touches_days,
    failedEvents: retention.failed_events_days
  }
}

/** The targets of a site without their rows, for commands that need no database. */
export function rowlessTargets (site: SiteSettings): Target[] {
  return site.destinations.flatMap(settings => {
    const destination = destinationOf(settings.type)
    return destination === undefined ? [] : [toTarget(0, siteRules(site), settings, destination)]
  })
}
