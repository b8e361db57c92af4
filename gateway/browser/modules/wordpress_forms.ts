// Module `wordpress_forms`: Contact Form 7, Elementor, Gravity Forms, WPForms and Ninja Forms say when a lead was sent.
import type { Module } from '../index.ts'

type JQuery = (target: unknown) => { on: (kind: string, hear: (...given: unknown[]) => void) => void }

/**
 * Each of these plugins posts its form by itself and tells the page when that worked: then it is a lead, under the name
 * in the form's `data-postern-event` or `generate_lead`. The answers stay with the plugin. A form that carries
 * `data-postern-lead` is the script's own business.
 */
const wordpressForms: Module = page => {
  const told = new WeakSet<Element>()
  const tell = (form: Element | null | undefined, formId: unknown, formName: string) => {
    if (form?.hasAttribute('data-postern-lead')) return
    // The same confirmation may be told twice, but a form that is shown again is another one, or is reset.
    if (form != null) {
      if (told.has(form)) return
      told.add(form)
      setTimeout(() => told.delete(form), 1000)
    }
    const name = (form as HTMLElement | null | undefined)?.dataset.posternEvent ?? 'generate_lead'
    page.track(name, { form_id: `${formId}`, form_name: formName })
  }
  document.addEventListener('wpcf7mailsent', event => {
    const { contactFormId } = Object((event as CustomEvent<unknown>).detail) as { contactFormId?: unknown }
    const holder = event.target as Element
    tell(holder.matches('form') ? holder : holder.querySelector('form'), contactFormId, 'contact-form-7')
  })
  const listenByJQuery = () => {
    const jQuery = (window as unknown as { jQuery?: JQuery }).jQuery
    if (jQuery === undefined) return
    jQuery(document).on('submit_success', (event) => {
      const form = (event as Event).target as HTMLElement
      tell(form, form.getAttribute('name') ?? form.id, 'elementor')
    })
    jQuery(document).on('gform_confirmation_loaded', (_event, formId) => {
      tell(document.getElementById(`gform_${formId}`), formId, 'gravity-forms')
    })
    jQuery(document).on('wpformsAjaxSubmitSuccess', (event) => {
      const form = (event as Event).target as HTMLElement
      tell(form, form.dataset.formid, 'wpforms')
    })
    jQuery(document).on('nfFormSubmitResponse', (_event, response) => {
      tell(null, (Object(response) as { id?: unknown }).id, 'ninja-forms')
    })
  }
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', listenByJQuery)
  else listenByJQuery()
}
export default wordpressForms
