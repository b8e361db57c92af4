// Module `links`: clicks on links that lead away: to a call, a mail or a chat, to a file, to another site.
import type { Module } from '../index.ts'

const contact = /^(tel|mailto|whatsapp):|\/\/(?:api\.|web\.)?(wa\.me|whatsapp\.com)\//
const file = /\.(pdf|docx?|xlsx?|pptx?|csv|txt|rtf|zip|rar|7z|gz|exe|dmg|apk|mp[34]|mov|wav)$/i
const methods: Record<string, string> = { tel: 'phone', mailto: 'email' }

/**
 * Reports clicks, the middle button's too, and stands in nobody's way: `contact` for `tel:`, `mailto:` and WhatsApp,
 * `file_download`, and `click` for other sites. Of an address that is reported, the query stays behind.
 */
const links: Module = page => {
  const onClick = (event: MouseEvent) => {
    const link = event.composedPath().find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement)
    if (!link?.href || event.button > 1) return
    const address = link.href.replace(/[?#].*/, '')
    const [, scheme, host] = contact.exec(link.href) ?? []
    const extension = file.exec(address)?.[1]
    if (scheme || host) page.track('contact', { method: methods[scheme ?? ''] ?? 'whatsapp' })
    else if (extension) page.track('file_download', { link_url: address, file_extension: extension.toLowerCase() })
    else if (/^http/.test(link.protocol) && link.host !== location.host) {
      page.track('click', { link_url: address, link_domain: link.hostname, outbound: true })
    }
  }
  for (const kind of ['click', 'auxclick'] as const) {
    addEventListener(kind, event => {
      try {
        onClick(event)
      } catch (error) {
        console.debug(error)
      }
    }, true)
  }
}
export default links
