// The settings file: every key with what it means and its default. docs/settings.md is made from this.
import { Type, type Static } from 'typebox'
import { consentRules, gpcRules } from '../schema/consent.ts'
import { consentPlatformNames } from '../schema/consent_platforms.ts'
import { eventLevels } from '../schema/event_names.ts'
import { keptLabels } from '../schema/kept_cookies.ts'
import { scriptModuleNames } from '../schema/script_modules.ts'

const closed = { additionalProperties: false }
const host = '^[A-Za-z0-9.-]+(:\\d{1,5})?$'
const origin = '^https?://[^/?#\\s]+$'
const hosts = (description: string) => Type.Array(Type.String({ pattern: host }), { default: [], description })

/** What `consent:` holds when it is a map. */
export const Consent = Type.Object({
  rule: Type.Enum([...consentRules], {
    default: 'opt_in',
    description: 'What holds where the visitor did not answer: opt_in (denied), opt_out (granted), or by_country.'
  }),
  gpc: Type.Enum([...gpcRules], {
    default: 'drop',
    description: 'Global Privacy Control: drop (nothing goes to ad networks), limit (goes, restricted), or ' +
      'respect_later_opt_in (an explicit grant of the event beats it).'
  }),
  opt_out_countries: Type.Array(Type.String({ pattern: '^[A-Z]{2}$' }), {
    default: [],
    description: 'With by_country: where no answer means granted. An unknown country is opt_in.'
  }),
  valid_for_days: Type.Integer({
    minimum: 1, maximum: 396, default: 180, description: 'For how many days a grant holds; the cookies end with it.'
  })
}, { ...closed, default: {} })

const Defaults = Type.Object({
  country: Type.Optional(Type.String({
    pattern: '^[A-Z]{2}$',
    description: 'ISO 3166-1 alpha-2: whose phone numbers and addresses are meant when nobody says so.'
  })),
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217, for a bare value.' })),
  timezone: Type.Optional(Type.String({ minLength: 1, description: 'IANA name, for reports.' })),
  lead_value: Type.Optional(Type.Number({ minimum: 0, description: 'What a lead is worth that names no value.' }))
}, { ...closed, default: {} })

/** What every destination has, whatever its type; its own settings are added to these. */
export const CommonDestination = Type.Object({
  type: Type.Optional(Type.String({ description: 'The network; the destination\'s name when absent.' })),
  mode: Type.Enum(['shadow', 'test', 'live'], {
    default: 'live',
    description: 'shadow: everything but the sending; test: marked as tests at the network; live: counts.'
  }),
  events: Type.Enum([...eventLevels], {
    default: 'conversions',
    description: 'Which events it gets: conversions, also the funnel before them, or all. What its own settings name ' +
      '(a conversion action), it gets anyway.'
  }),
  params: Type.Array(Type.String(), {
    default: [], description: 'Further parameters of the event that may leave, and birth_date or gender if they may.'
  }),
  endpoint: Type.Optional(Type.String({
    pattern: '^https?://[^?#\\s]+$', description: 'Replaces the network\'s origin, for tests.'
  })),
  token_endpoint: Type.Optional(Type.String({
    pattern: '^https?://[^?#\\s]+$', description: 'Replaces the address of the network\'s token service, for tests.'
  }))
}, closed)

const GoogleTagGateway = Type.Object({
  tag_id: Type.String({
    pattern: '^([Gg]|[Gg][Tt]|[Gg][Tt][Mm]|[Aa][Ww]|[Dd][Cc])-[A-Za-z0-9]{1,40}$',
    description: 'Google tag gateway: the tag that serves the path, G-…, GT-…, GTM-… or AW-…'
  }),
  path: Type.String({
    pattern: '^/[A-Za-z0-9_-]{1,64}$',
    default: '/gt',
    description: 'The path on the site\'s hosts that goes to Google: one segment, as the tag\'s settings have it.'
  }),
  send_address: Type.Boolean({
    default: true, description: 'Whether Google is told the visitor\'s address, as it is where pages call it directly.'
  }),
  region_header: Type.Optional(Type.String({
    pattern: '^[A-Za-z-]+$',
    description: 'Header in which a trusted proxy names the visitor\'s region (ISO 3166-2): CF-Region-Code.'
  })),
  endpoint: Type.Optional(Type.String({
    pattern: origin,
    description: 'Replaces https://<tag_id>.fps.goog, for tests only: private addresses are then not refused.'
  }))
}, closed)

export const Site = Type.Object({
  hosts: Type.Array(Type.String({ pattern: host, description: 'A bare name like t.example.com.' }), {
    minItems: 1, description: 'The host names under which browsers reach Postern for this site: t.example.com.'
  }),
  origins: Type.Array(Type.String({ pattern: origin, description: 'Scheme and host alone: https://www.example.com.' }), {
    minItems: 1, description: 'The origins of the site\'s own pages: https://www.example.com.'
  }),
  prefix: Type.String({
    // A first segment with a dot or of a version's name would hide our own paths.
    pattern: '^(?!/v1(/|$))(/[A-Za-z0-9_-]+)+$',
    default: '/_p',
    description: 'Under which path Postern also answers on the site\'s hosts, and with upstream only there.'
  }),
  upstream: Type.Optional(Type.String({
    pattern: origin,
    description: 'In front of the site: the origin of the owner\'s own web server, http://10.0.0.5:8080. Whatever is ' +
      'asked of the site\'s hosts outside the prefix goes there.'
  })),
  insert_script: Type.Boolean({
    default: false, description: 'With upstream: puts the script\'s tag into the site\'s pages.'
  }),
  consent: Type.Enum([...consentRules], {
    default: 'opt_in', description: 'opt_in, opt_out or by_country; or a map, see Consent.'
  }),
  consent_cookies: Type.Array(Type.Enum([...consentPlatformNames]), {
    default: [],
    description: 'Consent platforms whose own cookies tell of the visitor\'s choice where ours does not: before any ' +
      'script, and without one. See README, "In production".'
  }),
  defaults: Defaults,
  thank_you: Type.Optional(Type.String({
    pattern: '^https?://', description: 'Where a browser is sent after a form post that names no postern_next.'
  })),
  redirect_hosts: hosts('Hosts that postern_next, a whole address, may lead to. A path alone has no host: it leads ' +
    'to thank_you.'),
  forms: Type.Record(Type.String(), Type.String({ minLength: 1 }), {
    default: {}, description: 'Event name by form id or name: `newsletter: sign_up`. Other forms are generate_lead.'
  }),
  script: Type.Object({
    modules: Type.Array(Type.Enum([...scriptModuleNames]), {
      default: [], description: 'What the browser script has on top of its core, by name; docs/script.md.'
    })
  }, { ...closed, default: {} }),
  api_keys: Type.Array(Type.Object({
    name: Type.String({ minLength: 1, description: 'For people.' }),
    key: Type.String({ minLength: 24, secret: true, description: 'Sent as Authorization: Bearer; 24 or longer.' })
  }, closed), { default: [], description: 'Senders whose events are trusted (POST /v1/events).' }),
  country_header: Type.Optional(Type.String({
    pattern: '^[A-Za-z-]+$', description: 'Header in which a trusted proxy names the visitor\'s country: CF-IPCountry.'
  })),
  vendors: Type.Object({ google: Type.Optional(GoogleTagGateway) }, { ...closed, default: {} }),
  cookies: Type.Object({
    visitor: Type.String({ pattern: '^[\\w-]+$', default: '_pstn', description: 'Name of the visitor cookie.' }),
    consent: Type.String({ pattern: '^[\\w-]+$', default: '_pstn_c', description: 'Name of the consent cookie.' }),
    keeper: Type.String({
      pattern: '^[\\w-]+$', default: '_pstn_k', description: 'Name of the keeper\'s cookie: since when it keeps others.'
    })
  }, { ...closed, default: {} }),
  keep_cookies: Type.Array(Type.Enum([...keptLabels]), {
    default: ['*'],
    description: 'The ids of the page\'s own tags that the gateway sets again, with their value and for the rest of ' +
      'their life, where the browser would end them after a week and consent covers them. * is all, [] none; ' +
      'docs/script.md, "What is kept, and how long".'
  }),
  query_keys: Type.Array(Type.String(), {
    default: [], description: 'Query keys of page addresses that may leave, besides utm_*.'
  }),
  sensitive_paths: Type.Array(Type.String({ pattern: '^/' }), {
    default: [], description: 'Path prefixes whose addresses leave as their origin alone; / is the whole site.'
  }),
  destinations: Type.Record(Type.String(), Type.Unknown(), {
    default: {}, description: 'The accounts that get this site\'s events, by name; docs/destinations.md.'
  })
}, closed)

const days = (count: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 3650, default: count, description })

export const SettingsFile = Type.Object({
  sites: Type.Record(Type.String(), Type.Unknown(), { description: 'The sites by name; their keys are under Site.' }),
  trusted_proxies: Type.Array(Type.String({ pattern: '^[0-9a-fA-F.:]+(/\\d{1,3})?$' }), {
    default: ['127.0.0.1', '::1'],
    description: 'Addresses and networks (CIDR) of the proxies whose X-Forwarded-* headers are believed.'
  }),
  platform: Type.Optional(Type.Object({
    secrets: Type.Array(Type.String({ minLength: 24, secret: true }), {
      minItems: 1,
      description: 'What the platform sends as X-Postern-Proxy, 24 characters or longer. Two while one is changed.'
    }),
    address_header: Type.String({
      pattern: '^[A-Za-z-]+$',
      default: 'X-Postern-Client',
      description: 'Header in which it names the visitor\'s address: one address, written by the platform itself.'
    })
  }, { ...closed, description: 'A platform (CDN, host of the site) that passes requests on, from any address.' })),
  rate_limits: Type.Object({
    events_per_minute: Type.Integer({ minimum: 1, default: 600, description: 'Requests to /v1/e per address.' }),
    leads_per_minute: Type.Integer({
      minimum: 1, default: 30, description: 'Lead posts per address; those above it are stored and flagged.'
    })
  }, { ...closed, default: {} }),
  retention: Type.Object({
    events_days: days(396, 'Events, deliveries and attempts.'),
    client_days: days(14, 'Address and user agent.'),
    keys_days: days(400, 'The keys by which a repeated event is recognised.'),
    touches_days: days(180, 'Landings of visitors.'),
    failed_events_days: days(90, 'What could not be stored or routed.')
  }, { ...closed, default: {} })
}, closed)

export type SiteFile = Static<typeof Site>
export type SettingsFileValue = Static<typeof SettingsFile>
export type CommonDestinationFile = Static<typeof CommonDestination>
