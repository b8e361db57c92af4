// A dataLayer tag as somebody sets it up in a tag manager: when an event of this name comes, fire that pixel event.
(function () {
  const triggers = {
    'postern.generate_lead': function () { return ['Lead', {}] },
    'postern.purchase': function ({ ecommerce = {} }) {
      return ['Purchase', { value: ecommerce.value, currency: ecommerce.currency }]
    }
  }
  // As in a tag manager, what was pushed earlier can be read later.
  const model = {}

  function read (entry) {
    if (!entry || typeof entry !== 'object') return
    Object.assign(model, entry)
    const trigger = Object.hasOwn(triggers, entry.event) && triggers[entry.event]
    if (trigger) window.fbq('track', ...trigger(model), { eventID: entry.event_id })
  }

  const layer = window.dataLayer
  layer.forEach(read)
  const push = layer.push
  layer.push = function () {
    const length = push.apply(layer, arguments)
    Array.prototype.forEach.call(arguments, read)
    return length
  }
})()
