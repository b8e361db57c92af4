// Module `embedded_forms`: HubSpot, Typeform and Calendly, which run in frames and tell the page when a lead was sent.
import type { Module } from '../index.ts'

interface Told { name: string, form_id: string, form_name: string }

/** What a message of a known sender says; undefined for any other. */
function readMessage (origin: string, data: Record<string, unknown>): Told | undefined {
  if (origin === 'https://calendly.com' && data.event === 'calendly.event_scheduled') {
    return { name: 'schedule', form_id: 'calendly', form_name: 'calendly' }
  }
  if (/^https:\/\/([\w-]+\.)?typeform\.com$/.test(origin) && data.type === 'form-submit') {
    return { name: 'generate_lead', form_id: `${data.formId}`, form_name: 'typeform' }
  }
  // HubSpot's forms post from the page itself, or from a frame of its own.
  const isHubSpot = origin === location.origin ||
    /^https:\/\/([\w-]+\.)*(hsforms\.(com|net)|hubspot\.com)$/.test(origin)
  if (isHubSpot && data.type === 'hsFormCallback' && data.eventName === 'onFormSubmitted') {
    return { name: 'generate_lead', form_id: `${data.id}`, form_name: 'hubspot' }
  }
  return undefined
}

const embeddedForms: Module = page => {
  addEventListener('message', ({ origin, data }) => {
    const told = readMessage(origin, Object(data) as Record<string, unknown>)
    if (told !== undefined) page.track(told.name, { form_id: told.form_id, form_name: told.form_name })
  })
  // HubSpot's newest forms say so by an event.
  addEventListener('hs-form-event:on-submission:success', event => {
    const { formId } = Object((event as CustomEvent<unknown>).detail) as { formId?: unknown }
    page.track('generate_lead', { form_id: `${formId}`, form_name: 'hubspot' })
  })
}
export default embeddedForms
