// The forms a site marks with `data-postern-lead`: each gets the event's id and what the lead post should carry.
import { listen } from './guard.ts'
import { eventIdFor } from './identifiers.ts'
import { announce } from './layer.ts'
import { insist } from './transport.ts'
import { base } from './visitor.ts'

/** Of an input's type, autocomplete and name: what is never copied. */
const secret = /^file|passw|pwd|card|cc-|cv[cv]/i

/** An input that we filled, we may fill again. */
type Input = HTMLInputElement & { isOurs?: true }

/** Our fields by what follows `postern_` in their names. */
const findInput = (form: Element, field = 'event_id') => form.querySelector<Input>(`[name=postern_${field}]`)

/** The answers as form parameters under their mapped names, without passwords, card data and files. */
function encodeAnswers (form: HTMLFormElement): URLSearchParams {
  const body = new URLSearchParams(new FormData(form) as unknown as Record<string, string>)
  for (const { type, autocomplete, name, dataset: { posternField } } of form as Iterable<HTMLInputElement>) {
    const value = body.get(name)
    if (secret.test(`${[type, autocomplete, name]}`)) {
      body.delete(name)
    } else if (posternField && value) {
      // In this order: an input may be mapped to its own name.
      body.delete(name)
      body.append(posternField, value)
    }
  }
  return body
}

/** Puts a value into the form's hidden input for it, made if need be; true if so. What the page itself filled stays. */
function fill (form: Element, field: string, value: string): boolean {
  const name = 'postern_' + field
  const input = findInput(form, field) ??
    (value && form.appendChild<Input>(Object.assign(document.createElement('input'), { name, type: 'hidden' })))
  if (!input || input.type !== 'hidden' || (input.value && !input.isOurs)) return false
  input.value = value
  return (input.isOurs = true)
}

/**
 * Watches submits in the capture phase, and never holds one up. The lead goes exactly once: by the form itself if its
 * action is the gateway; by a copy of the form with `data-postern-lead="fetch"`; else as an event without the answers.
 * `allowed` gives what consent allows a lead to carry, by what follows `postern_` in its field's name; '' for one that
 * must be emptied (a grant that was taken back).
 */
export function assistLeadForms (
  allowed: () => Record<string, string>,
  track: (name: string, params: Record<string, unknown>) => unknown
): void {
  const address = base + 'v1/leads'

  listen('submit', (event: SubmitEvent) => {
    const form = event.target as HTMLFormElement
    // A copy without children: an input named `action` or `id` hides the form's own property.
    const {
      action, id: formId, method, name: formName, noValidate,
      dataset: { posternLead: mode, posternEvent: name = 'generate_lead' }
    } = form.cloneNode() as HTMLFormElement
    // The selector asks what checkValidity() asks, without firing `invalid` events into the page.
    if (mode == null || (!noValidate && form.matches(':invalid'))) return

    const isOurs = action.startsWith(address)
    const id = findInput(form)?.value || eventIdFor('')
    const values: Record<string, string> =
      { event_id: id, page: location.href, elapsed: `${performance.now() | 0}`, ...allowed() }
    for (const field in values) if (!fill(form, field, values[field] as string)) delete values[field]
    if (method === 'get') {
      // Addresses are written down everywhere. Once nobody has prevented the submit, what follows is the browser's own.
      form.addEventListener('formdata', ({ formData }) => {
        if (!event.eventPhase && !event.defaultPrevented) {
          for (const field in values) formData.delete('postern_' + field)
        }
      })
    }

    const params = { event_id: id, form_id: formId, form_name: formName }
    if (!isOurs && mode !== 'fetch') {
      track(name, params)
    } else {
      announce(name, id, params)
      if (isOurs) return
      const body = encodeAnswers(form)
      insist(address, () => {
        // A repeat carries the consent of its own time; what the page filled stays.
        const now = allowed()
        for (const field in now) if (values[field]) body.set('postern_' + field, now[field] as string)
        return body
      })
    }
  })

  // A form that is emptied for the next lead needs the next id; one that is only submitted again is the same lead.
  listen('reset', ({ target }) => {
    const input = findInput(target as Element)
    if (input?.isOurs) input.value = ''
  })
}
