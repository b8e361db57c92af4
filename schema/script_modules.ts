// What a site's browser script can have on top of its core, and what each part is for.

/** By name, as the settings name them (`script.modules`); a test compares with gateway/browser/modules/. */
export const scriptModules = {
  links: 'Clicks on tel:, mailto: and WhatsApp links as contact, downloads, links to other sites.',
  engagement: 'How long a page was looked at, and how far down.',
  tags: 'What the page\'s own tags did with each event; calls those that data-tags names.',
  cookies: 'The networks\' cookies out of the page, where the gateway is on another domain (then it is always there).',
  tcf: 'The choice out of a consent platform that speaks IAB TCF v2.',
  cookiebot: 'The choice in Cookiebot, without its consent mode.',
  onetrust: 'The choice in OneTrust, without its consent mode.',
  usercentrics: 'The choice in Usercentrics.',
  complianz: 'The choice in Complianz, without its consent mode.',
  wordpress_forms: 'Leads of Contact Form 7, Elementor, Gravity Forms, WPForms and Ninja Forms.',
  embedded_forms: 'Leads of HubSpot, Typeform and Calendly.'
} as const
export type ScriptModule = keyof typeof scriptModules
export const scriptModuleNames = Object.keys(scriptModules) as ScriptModule[]
