// The forms a site marks with `data-postern-lead`: each gets the event's id and what the lead post should carry.
import { guarded } from './guard.ts'
import { eventIdFor } from './identifiers.ts'
import { announce } from './layer.ts'
import type { Post } from './transport.ts'

const idName = 'postern_event_id'
const secretInputs = '[type=password],[autocomplete*=cc-]'
const secretName = /passw|card.?n|cv[cv]/i

function findInput (form: Element, name: string): HTMLInputElement | null {
  return form.querySelector(`[name="${name}"]`)
}

/** The answers as form parameters, without passwords, card data and files. */
function encodeAnswers (form: HTMLFormElement): URLSearchParams {
  const body = new URLSearchParams()
  new FormData(form).forEach((value, name) => {
    if (typeof value === 'string' && !secretName.test(name)) body.append(name, value)
  })
  for (const input of form.querySelectorAll<HTMLInputElement>(secretInputs)) body.delete(input.name)
  return body
}

/** The inputs that we filled, and may fill again. */
const ours = new WeakSet<Element>()

/** Puts a value into the form's hidden input of this name, made if need be. What the page itself filled stays. */
function fill (form: Element, name: string, value: string): void {
  let input = findInput(form, name)
  if (!input && value) {
    input = document.createElement('input')
    input.type = 'hidden'
    input.name = name
    form.append(input)
  }
  if (input?.type === 'hidden' && (!input.value || ours.has(input))) {
    input.value = value
    ours.add(input)
  }
}

/**
 * Watches submits in the capture phase, and never holds one up. The lead goes exactly once: by the form itself if its
 * action is the gateway; by a copy of the form with `data-postern-lead="fetch"`; else as an event without the answers.
 * `hidden` gives the values of our other hidden inputs, '' for one that must be emptied (a grant that was taken back).
 */
export function assistLeadForms (
  base: string,
  post: Post,
  hidden: () => Record<string, string>,
  track: (name: string, params: Record<string, unknown>) => unknown
): void {
  const path = 'v1/leads'
  const retryAfterMs = 4000

  const onSubmit = guarded((event: SubmitEvent) => {
    const form = event.target as HTMLFormElement
    const button = event.submitter as HTMLButtonElement | null
    const { posternLead: mode, posternEvent: name = 'generate_lead' } = form.dataset
    if (mode === undefined) return
    // The selector asks what checkValidity() asks, without firing `invalid` events into the page.
    if (!form.hasAttribute('novalidate') && !button?.formNoValidate && form.matches(':invalid')) return

    const id = findInput(form, idName)?.value || eventIdFor('')
    const values: Record<string, string> = { [idName]: id, ...hidden() }
    for (const input in values) fill(form, input, values[input] as string)

    // By attribute, for an input named `action` or `id` hides the form's property.
    const params = { event_id: id, form_id: form.getAttribute('id') ?? '', form_name: form.getAttribute('name') ?? '' }
    const action = new URL(button?.getAttribute('formaction') || form.getAttribute('action') || '', document.baseURI)
    const isOurs = action.origin + action.pathname === base + path
    if (!isOurs && mode !== 'fetch') {
      track(name, params)
      return
    }
    announce(name, id, params)
    if (isOurs) return
    const answers = encodeAnswers(form)
    const send = (retries: number): void => post(path, answers, done =>
      done || (retries && setTimeout(send, retryAfterMs, retries - 1)))
    send(3)
  })

  // A form that is emptied for the next lead needs the next id; one that is only submitted again is the same lead.
  const onReset = guarded((event: Event) => {
    const input = findInput(event.target as Element, idName)
    if (input && ours.has(input)) input.value = ''
  })

  addEventListener('submit', onSubmit, true)
  addEventListener('reset', onReset, true)
}
