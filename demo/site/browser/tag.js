// A dataLayer tag as somebody sets it up in a tag manager: when an event of this name comes, fire each network's tag.
(function () {
  const { leadAction, purchaseAction } = document.currentScript.dataset
  const triggers = {
    'postern.generate_lead': function () {
      return { name: 'generate_lead', fbq: 'Lead', ttq: 'Lead', label: leadAction, params: {} }
    },
    'postern.purchase': function ({ ecommerce = {} }) {
      const { transaction_id: id, value, currency } = ecommerce
      const params = { value, currency }
      return { name: 'purchase', fbq: 'Purchase', ttq: 'Purchase', label: purchaseAction, id, params }
    }
  }
  // As in a tag manager, what was pushed earlier can be read later.
  const model = {}

  /** Each network's tag gets the shared id in its own way. */
  function fire (eventId, { name, fbq, ttq, label, id, params }) {
    window.fbq('track', fbq, params, { eventID: eventId })
    if (!window.ttq) return
    window.ttq.track(ttq, params, { event_id: eventId })
    const transactionId = id || eventId
    window.gtag('event', 'conversion', { ...params, send_to: 'AW-1/' + label, transaction_id: transactionId })
    window.gtag('event', name, { ...params, event_id: eventId, transaction_id: transactionId })
  }

  function read (entry) {
    if (!entry || typeof entry !== 'object') return
    Object.assign(model, entry)
    const trigger = Object.hasOwn(triggers, entry.event) && triggers[entry.event]
    if (trigger) fire(entry.event_id, trigger(model))
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
