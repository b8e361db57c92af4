// The forms a site marks with `data-postern-lead`: each gets the event's id and what the lead post should carry.
import { listen } from './guard.ts'
import { eventIdFor } from './identifiers.ts'
import { announce } from './layer.ts'
import { insist } from './transport.ts'

const idName = 'postern_event_id'
/** Of an input's type, autocomplete and name: what is never copied. */
const secret = /^file|passw|pwd|card|cc-|cv[cv]/i

/** An input that we filled, we may fill again. */
type Input = HTMLInputElement & { isOurs?: 1 }

const findInput = (form: Element, name: string) => form.querySelector<Input>(`[name="${name}"]`)

/** The answers as form parameters under their mapped names, without passwords, card data and files. */
function encodeAnswers (form: HTMLFormElement): () => URLSearchParams {
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
  return () => body
}

/** Puts a value into the form's hidden input of this name, made if need be. What the page itself filled stays. */
function fill (form: Element, name: string, value: string): void {
  const input = findInput(form, name) ??
    (value ? form.appendChild<Input>(Object.assign(document.createElement('input'), { name, type: 'hidden' })) : null)
  if (input?.type === 'hidden' && (!input.value || input.isOurs)) {
    input.value = value
    input.isOurs = 1
  }
}

/**
 * Watches submits in the capture phase, and never holds one up. The lead goes exactly once: by the form itself if its
 * action is the gateway; by a copy of the form with `data-postern-lead="fetch"`; else as an event without the answers.
 * `hidden` gives the values of our other hidden inputs, '' for one that must be emptied (a grant that was taken back).
 */
export function assistLeadForms (
  base: string,
  hidden: () => Record<string, string>,
  track: (name: string, params: Record<string, unknown>) => unknown
): void {
  const address = base + 'v1/leads'

  listen('submit', (event: SubmitEvent) => {
    const form = event.target as HTMLFormElement
    // A copy without children: an input named `action` or `id` hides the form's own property.
    const { action, id: formId, name: formName, noValidate, dataset } = form.cloneNode() as HTMLFormElement
    const { posternLead: mode, posternEvent: name = 'generate_lead' } = dataset
    // The selector asks what checkValidity() asks, without firing `invalid` events into the page.
    if (mode == null || (!noValidate && form.matches(':invalid'))) return

    const isOurs = action.split('?')[0] === address
    const id = findInput(form, idName)?.value || eventIdFor('')
    const values: Record<string, string> = { [idName]: id, ...hidden() }
    for (const input in values) fill(form, input, values[input] as string)

    const params = { event_id: id, form_id: formId, form_name: formName }
    if (!isOurs && mode !== 'fetch') {
      track(name, params)
    } else {
      announce(name, id, params)
      if (!isOurs) insist(address, encodeAnswers(form))
    }
  })

  // A form that is emptied for the next lead needs the next id; one that is only submitted again is the same lead.
  listen('reset', ({ target }) => {
    const input = findInput(target as Element, idName)
    if (input?.isOurs) input.value = ''
  })
}
